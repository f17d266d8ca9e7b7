"""Evaluators of a batch: what goes wrong in them, what waits for them, scoring later."""

import math
import threading

import pytest
from bench_graphs import CASES, build, chain, is_positive, workflow

from wtb.errors import ConfigurationError
from wtb.evaluators import evaluator


@evaluator
def raises(output):
    raise ValueError("no idea \ud800")


@evaluator
def not_a_number(output):
    return math.nan


@evaluator
def leaves(output):
    raise SystemExit(1)


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_an_evaluator_that_goes_wrong_costs_its_score_only(bench, released, runner):
    @evaluator(timeout=0.1)
    def hangs(output):
        released.wait()

    batch = bench.run_batch(
        build(),
        variants=[{}],
        test_cases=CASES[:2],
        evaluators=[raises, not_a_number, leaves, hangs, is_positive],
        runner=runner,
    )
    assert batch.status == "completed"
    for one in batch.results:
        assert one.succeeded
        assert one.scores == {"is_positive": 1.0}
        errors = {record["name"]: record["error"] for record in one.score_records}
        assert "ValueError: no idea" in errors["raises"]
        assert "nan" in errors["not_a_number"]
        assert "SystemExit" in errors["leaves"]
        assert "took longer than 0.1 s" in errors["hangs"]
    scored = next(bench.journal(batch=batch, kinds=["execution.scored"]))
    assert set(scored.data["errors"]) == {"raises", "not_a_number", "leaves", "hangs"}


def test_only_successes_are_scored(bench):
    batch = bench.run_batch(
        workflow,
        variants=[{"answer": "failing"}],
        test_cases=CASES,
        evaluators=[is_positive],
    )
    assert [one.scores for one in batch.results] == [
        {"is_positive": 1.0},
        {"is_positive": 1.0},
        {},
        {"is_positive": 1.0},
    ]
    assert batch.comparison["answer=failing"]["mean"] == 0.75
    excluded = bench.run_batch(
        workflow,
        variants=[{"answer": "failing"}],
        test_cases=CASES,
        evaluators=[is_positive],
        error="exclude",
    )
    assert excluded.comparison["answer=failing"]["mean"] == 1.0


def test_slow_evaluators_hold_work_back(bench, kinds, released, until):
    ran = []

    def node(state):
        ran.append(state["x"])
        return {"y": 1}

    def slow(output):
        released.wait()
        return 1

    batch = bench.start_batch(
        chain(node=node),
        variants=[{}],
        test_cases=CASES,
        repeats=5,
        evaluators=[slow],
        window=3,
        max_workers=2,
    )
    until(lambda: batch.progress.backpressure)
    until(lambda: len(ran) == 3)
    assert not threading.Event().wait(0.2)
    assert len(ran) == 3, "no more than the window runs or awaits its scores"
    assert batch.progress.unscored == 3
    released.set()
    assert batch.wait(30).status == "completed"
    assert len(ran) == 20
    happened = kinds(bench, batch)
    assert "backpressure.applied" in happened
    assert "backpressure.released" in happened
    assert all(one.scores == {"slow": 1.0} for one in batch.results)


def test_a_batch_is_scored_later_and_again(bench):
    batch = bench.run_batch(
        workflow, variants=[{}, {"answer": "negated"}], test_cases=CASES, evaluators=[raises]
    )
    attempts = [one.attempts_made for one in batch.results]

    @evaluator(name="raises")
    def mended(output):
        return 1

    scored = bench.score(batch, [mended, is_positive])
    assert scored.id == batch.id
    assert [one.scores for one in batch.results[3:5]] == [
        {"raises": 1.0, "is_positive": 1.0},
        {"raises": 1.0, "is_positive": 0.0},
    ]
    assert [one.attempts_made for one in batch.results] == attempts
    assert batch.comparison.metric == "raises"
    assert bench.compare(batch, metric="is_positive").leader == "baseline"


def test_what_is_added_after_scoring_is_scored_the_same_way(bench):
    batch = bench.run_batch(workflow, variants=[{}], test_cases=CASES)

    @evaluator
    def own(output):
        return output["y"]

    bench.score(batch, [own])
    bench.extend(batch, variants=[{"answer": "negated"}])
    assert [one.scores["own"] for one in batch.results] == [10, 20, 30, 40, -1, -2, -3, -4]


def test_what_cannot_score(bench):
    batch = bench.run_batch(build(), variants=[{}], test_cases=CASES)
    before = [event.sequence for event in bench.journal()]
    for evaluators, text in (
        ([], "at least one"),
        (is_positive, "are a list"),
        (["exact_mach"], "exact_match"),
        ([is_positive, is_positive], "both called"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            bench.score(batch, evaluators)
    with pytest.raises(ConfigurationError, match="timeout"):
        bench.score(batch, [is_positive], evaluator_timeout=0)
    assert [event.sequence for event in bench.journal()] == before


def test_scoring_leaves_what_is_added_meanwhile(bench):
    batch = bench.run_batch(workflow, variants=[{}], test_cases=CASES)
    extended = threading.Event()

    @evaluator
    def extends(output):
        if not extended.is_set():
            extended.set()
            bench.extend(batch, repeats=1)
        return output["y"]

    bench.score(batch, [extends])
    bench.extend(batch, repeats=1)
    assert [one.repeat for one in batch.results] == [0, 1, 2] * len(CASES)


def test_scoring_again_takes_the_evaluators_that_the_batch_has(bench):
    known = 0

    @evaluator
    def own(output):
        return output["y"] + known

    batch = bench.run_batch(workflow, variants=[{}], test_cases=CASES, evaluators=[own])
    known = 1
    assert [one.scores["own"] for one in bench.score(batch).results] == [11, 21, 31, 41]
    alone = bench.run(workflow, CASES[0])
    with pytest.raises(ConfigurationError, match="at least one evaluator"):
        bench.score(alone)
    assert bench.score(alone, [own]).scores == {"own": 11}
    assert bench.score(batch.results[1]).scores == {"own": 21}
