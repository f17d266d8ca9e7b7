"""A batch: its cells and their order, seeds, comparison, and what a reopened store gives back."""

import random

import numpy
import pytest
from bench_graphs import CASES, build, chain, is_positive, workflow
from stores import store_at

import wtb
from wtb import Case, TestBench, Variant
from wtb.evaluators import evaluator


@evaluator
def doubled(output, expected):
    return output["y"] == expected


def test_the_seeds_call_runs_as_it_is_written(bench):
    results = bench.run_batch(
        build(),
        variants=[{"answer": lambda state: {"y": "A"}}, {"prepare": lambda state: {"x": 0}}],
        test_cases=[{"x": 1}, {"x": 2}],
    )
    assert [one.output["y"] for one in results] == ["A", "A", 0, 0]


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_results_are_ordered_by_variant_case_and_repeat(bench, runner):
    batch = bench.run_batch(
        workflow,
        variants=[{"answer": "negated"}, {}],
        test_cases=[Case({"x": 3}, id="late"), Case({"x": 1}, id="early")],
        repeats=2,
        runner=runner,
    )
    assert batch.status == "completed"
    assert [(one.variant, one.case_id, one.repeat) for one in batch.results] == [
        (variant, case, repeat)
        for variant in ("answer=negated", "baseline")
        for case in ("late", "early")
        for repeat in (0, 1)
    ]
    assert [one.output["y"] for one in batch.results] == [-4, -4, -2, -2, 40, 40, 20, 20]
    assert len(batch) == 8


def test_inline_and_thread_give_the_same(bench):
    def node(state):
        return {"y": [state["x"], wtb.current().seed, wtb.current().repeat]}

    def run(runner):
        batch = bench.run_batch(
            chain(node=node, other=lambda state: {"x": -1}),
            variants=[{}, {"other": lambda state: {"x": 1 // state["x"]}}],
            test_cases=CASES,
            repeats=2,
            runner=runner,
            seed=5,
        )
        return [
            (one.variant, one.case_id, one.repeat, one.status, one.seed, one.output, str(one.error))
            for one in batch.results
        ]

    assert run("inline") == run("thread")


def test_variants_share_their_seeds_and_repeats_do_not(bench):
    def node(state):
        return {"y": [random.random(), float(numpy.random.random()), wtb.current().seed]}

    def run(seed):
        batch = bench.run_batch(
            chain(node=node, other=lambda state: {}),
            variants=[{}, {"other": lambda state: {"x": 1}}],
            test_cases=CASES[:2],
            repeats=3,
            runner="inline",
            seed=seed,
        )
        return [tuple(one.output["y"]) for one in batch.results]

    drawn = run(1)
    assert drawn[:6] == drawn[6:]
    assert len(set(drawn)) == 6
    assert drawn == run(1)
    assert not set(drawn) & set(run(2))


def test_only_the_first_cases(bench):
    batch = bench.run_batch(build(), variants=[{}], test_cases=CASES, limit=2)
    assert [one.input for one in batch.results] == CASES[:2]


def test_scores_metrics_and_the_comparison(bench):
    def answer(state):
        wtb.log_metric("steps", state["x"], direction="min")
        return {"y": 10 * state["x"]}

    batch = bench.run_batch(
        workflow,
        variants=[{}, Variant("logs", nodes={"answer": answer}), {"answer": "negated"}],
        test_cases=[Case({"x": 1}, 20, id="right"), Case({"x": 2}, 0, id="wrong")],
        evaluators=[doubled],
    )
    one = batch.results[2]
    assert (one.variant, one.case_id) == ("logs", "right")
    assert (one.scores, one.metrics) == ({"doubled": 1.0}, {"steps": 2.0})
    assert one.expected == 20
    assert batch.comparison.metric == "doubled"
    assert batch.comparison["logs"]["mean"] == 0.5
    assert batch.comparison["answer=negated"]["mean"] == 0.0
    assert batch.best_combination_name is None, "two cases say nothing"
    assert batch.comparison.best_set == ["baseline", "logs", "answer=negated"]
    assert batch.comparison_matrix == {
        "metric": "doubled",
        "combinations": ["baseline", "logs", "answer=negated"],
        "metrics": {
            "baseline": {"doubled": 0.5, "steps": None},
            "logs": {"doubled": 0.5, "steps": 2.5},
            "answer=negated": {"doubled": 0.0, "steps": None},
        },
        "cases": ["right", "wrong"],
        "scores": [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]],
    }
    with pytest.raises(KeyError, match="no variant 'log'"):
        batch.comparison["log"]


def test_the_best_variant_is_named_when_there_is_one(bench):
    batch = bench.run_batch(
        workflow,
        variants=[{}, {"answer": "negated"}],
        test_cases=[{"x": number} for number in range(12)],
        evaluators=[is_positive],
    )
    assert batch.best_combination_name == "baseline"
    versus = batch.comparison["answer=negated"]["vs_baseline"]
    assert (versus["losses"], versus["difference"]) == (12, -1.0)
    few = bench.run_batch(
        workflow, variants=[{}, {"answer": "negated"}], test_cases=CASES, evaluators=[is_positive]
    )
    assert few.comparison.leader == "baseline"
    assert few.best_combination_name is None, "four cases of four may be chance"


def test_without_scores_no_variant_is_best(bench):
    batch = bench.run_batch(workflow, variants=[{}, {"answer": "negated"}], test_cases=CASES)
    assert batch.best_combination_name is None
    assert batch.comparison.metric is None
    assert batch.comparison_matrix["scores"] == [[None] * 4, [None] * 4]


def test_one_variant_with_a_mean_is_not_best_of_anything(bench):
    @evaluator
    def only_positive(output):
        return 1 if output["y"] > 0 else None

    batch = bench.run_batch(
        workflow, variants=[{}, {"answer": "negated"}], test_cases=CASES, evaluators=[only_positive]
    )
    assert batch.comparison["baseline"]["mean"] == 1.0
    assert batch.comparison["answer=negated"]["mean"] is None
    assert batch.best_combination_name is None


def test_several_batches_are_compared(bench):
    one, other = (
        bench.run_batch(
            workflow, variants=[{"answer": name}], test_cases=CASES, evaluators=[is_positive]
        )
        for name in ("baseline", "negated")
    )
    comparison = bench.compare(one, other.id)
    assert [(line["name"].partition("@")[0], line["mean"]) for line in comparison.variants] == [
        ("baseline", 1.0),
        ("answer=negated", 0.0),
    ]
    assert "baseline" in str(comparison)


def test_a_reopened_store_gives_everything_back(bench, tmp_path):
    batch = bench.run_batch(
        workflow,
        variants=[{}, {"answer": "failing"}],
        test_cases=[Case({"x": 2}, 30, id="two", tags=["even"], group="g"), Case({"x": 1}, 20)],
        evaluators=[doubled],
        name="kept",
        retries=1,
        backoff=0,
    )
    single = bench.run(workflow, {"x": 7})

    def everything(bench):
        found = bench.batch(batch.id)
        cells = [
            (
                *(one.id, one.status, one.input, one.expected, one.output, one.state),
                *(one.scores, one.metrics, one.error, one.seed, one.usage, one.warnings),
                *(one.created_at, one.started_at, one.finished_at, one.duration_s),
                *(one.attempts, one.score_records, one.dead_letter),
                *((node.node, node.attempt, node.status, node.error) for node in one.nodes),
                *((node.input, node.output, node.calls, node.duration_s) for node in one.nodes),
            )
            for one in [*found.results, bench.execution(single.id)]
        ]
        journal = [(event.sequence, event.kind, event.at, event.data) for event in bench.journal()]
        about = (found.name, found.status, found.workflow, found.comparison.to_dict(), str(found))
        return cells, journal, about

    before = everything(bench)
    assert before[2][:2] == ("kept", "completed_with_errors")
    bench.close()
    with TestBench(store_at(tmp_path / "store")) as reopened:
        assert everything(reopened) == before
        assert [one.id for one in reopened.batches()] == [batch.id]
        assert reopened.batch("latest").id == reopened.batch(batch.id[:6]).id == batch.id
        assert [one.id for one in reopened.executions(status="failed")] == [
            one.id for one in batch.results if one.status == "failed"
        ]
