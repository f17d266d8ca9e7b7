"""The evaluation engine on batches that really ran: scoring again, agreement, pairs."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from typing import TypedDict

import pytest
from langgraph.graph import START, StateGraph

import wtb
from wtb import Case, EvaluationEngine, TestBench
from wtb.errors import ConfigurationError, InvalidTransitionError, NotFoundError
from wtb.evaluation import PairVerdicts
from wtb.evaluators import (
    edit_distance,
    embedding_similarity,
    evaluator,
    exact_match,
    json_schema,
    judge,
    pairwise_judge,
    set_overlap,
)

CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Peru": "Lima"}
CASES = [Case({"query": land}, {"answer": city}, id=land) for land, city in CAPITALS.items()]


class State(TypedDict, total=False):
    query: str
    answer: str
    words: list[str]


class Asked:
    """A node that counts its calls."""

    def __init__(self):
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, state):
        with self.lock:
            self.calls += 1
        if state["query"] == "Peru":
            raise ValueError("which one?")
        answer = CAPITALS[state["query"]]
        wtb.log_metric("human", 1 if state["query"] != "Spain" else 0)
        return {"answer": answer, "words": [state["query"], answer]}


def vague(state):
    return {"answer": "a city in " + state["query"], "words": []}


@pytest.fixture
def node():
    return Asked()


@pytest.fixture
def bench(tmp_path):
    with TestBench(tmp_path / "store") as bench:
        yield bench


@pytest.fixture
def run(bench, node):
    def run(**settings):
        graph = StateGraph(State).add_node("answer", node).add_edge(START, "answer")
        return bench.run_batch(
            graph,
            variants=[{}, {"answer": vague}],
            test_cases=CASES,
            checkpoints="off",
            **settings,
        )

    return run


def material(prompt, name):
    return re.search(rf"<{name}-(\w+)>\n(.*?)\n</{name}-\1>", prompt, re.DOTALL)[2]


def ask(prompt):
    """A model that knows capitals, and finds fault with vague answers."""
    score = 5 if material(prompt, "output") == material(prompt, "expected") else 2
    return json.dumps({"reason": "as expected" if score == 5 else "too vague", "score": score})


async def ask_later(prompt):
    await asyncio.sleep(0)
    return ask(prompt)


def vectors(texts):
    return [[text.count(letter) + 0.1 for letter in "aeiou"] for text in texts]


EVALUATORS = [
    exact_match("answer"),
    edit_distance("answer"),
    json_schema({"required": ["answer"], "properties": {"words": {"minItems": 1}}}),
    set_overlap("answer", split="words"),
    embedding_similarity(vectors, "answer"),
    judge(ask, field="answer", repeats=2),
    judge(ask_later, field="answer", name="second", scale=(0, 10)),
]


def test_a_batch_is_scored_again_without_running_anything(bench, run, node):
    batch = run(evaluators=EVALUATORS[:2])
    by_cell = {(one.variant, one.case_id): one for one in batch.results}
    first = by_cell["baseline", "France"]
    assert first.scores == {"exact_match": 1, "edit_distance": 1}
    called, attempts = node.calls, [one.attempts_made for one in batch.results]
    assert called == len(CASES)

    engine = EvaluationEngine(bench)
    for one in EVALUATORS[2:]:
        engine.register(one)
    again = engine.evaluate_batch(batch)
    assert node.calls == called
    assert [one.attempts_made for one in again.results] == attempts
    by_cell = {(one.variant, one.case_id): one for one in again.results}
    good, bad = by_cell["baseline", "France"], by_cell["answer=vague", "France"]
    assert good.scores == pytest.approx(
        {
            "exact_match": 1, "edit_distance": 1, "json_schema": 1, "f1": 1, "precision": 1,
            "recall": 1, "embedding_similarity": 1, "judge": 1, "judge_agreement": 1, "second": 0.5,
        }
    )  # fmt: skip
    assert (bad.scores["json_schema"], bad.scores["f1"]) == (0, 0)
    assert (bad.scores["judge"], bad.scores["second"]) == (0.25, 0.2)
    assert 0 < bad.scores["edit_distance"] < 1
    assert by_cell["baseline", "Peru"].scores == {}
    reasons = {one["name"]: one["reason"] for one in bad.score_records}
    assert reasons["judge"] == "2: too vague\n2: too vague"
    assert again.comparison.leader == "baseline"


def test_scores_are_replaced_when_the_code_has_changed(bench, run, node):
    batch = run(evaluators=[])
    engine = EvaluationEngine(bench)

    def score(output):
        return 1

    engine.register(score)
    assert engine.evaluate_batch(batch.id).results[0].scores == {"score": 1}
    engine.unregister("score")

    def score(output):
        return 2

    engine.register(score, direction="min")
    assert engine.evaluate_batch("latest").results[0].scores == {"score": 2}
    assert node.calls == len(CASES)


def test_one_execution_is_scored_and_nothing_is_stored(bench, run):
    batch = run(evaluators=[])
    engine = EvaluationEngine(bench)
    engine.register(exact_match("answer"))

    @evaluator
    def raises(output):
        raise ValueError("no idea")

    found = engine.evaluate_execution(
        batch.results[0],
        ["exact_match", raises, {"use": "edit_distance", "field": "answer"}, lambda output: None],
    )
    assert [(one.name, one.value) for one in found] == [
        ("exact_match", 1.0),
        ("raises", None),
        ("edit_distance", 1.0),
    ]
    assert found[1].error.startswith("ValueError: no idea")
    assert [one.name for one in engine.evaluate_execution(batch.results[0].id)] == ["exact_match"]
    assert bench.batch(batch.id).results[0].scores == {}
    failed = next(one for one in batch.results if one.status == "failed")
    with pytest.raises(InvalidTransitionError, match="has nothing to score"):
        engine.evaluate_execution(failed)
    with pytest.raises(NotFoundError):
        engine.evaluate_execution("e_nothing")


def test_a_single_execution_is_scored_too(bench):
    graph = StateGraph(State).add_node("answer", Asked()).add_edge(START, "answer")
    execution = bench.run(graph, {"query": "Italy"})
    engine = EvaluationEngine(bench)
    (score,) = engine.evaluate_execution(execution, [{"use": "regex_match", "pattern": "^R",
                                                      "field": "answer"}])  # fmt: skip
    assert (score.name, score.value) == ("regex_match", 1.0)


def test_hanging_evaluators_end_with_the_timeout(bench, run, released):
    batch = run(evaluators=[])
    engine = EvaluationEngine(bench)
    engine.register(lambda output: released.wait(), name="hangs")
    (score,) = engine.evaluate_execution(batch.results[0], evaluator_timeout=0.1)
    assert score.error == "TimeoutError: evaluator 'hangs' took longer than 0.1 s"
    again = engine.evaluate_batch(batch, ["hangs", "json_schema"], evaluator_timeout=0.1)
    assert again.results[0].score_records[0]["error"].startswith("TimeoutError")


# Names


def test_it_begins_with_the_built_in_ones_that_need_no_arguments(bench):
    engine = EvaluationEngine(bench)
    assert engine.names == [
        "exact_match", "contains", "regex_match", "json_equal", "json_schema", "numeric_close",
        "set_overlap", "edit_distance",
    ]  # fmt: skip
    assert all(engine.get(name).name == name for name in engine.names)


def test_names_are_given_once_and_may_hide_a_built_in_one(bench):
    engine = EvaluationEngine(bench)
    own = engine.register(exact_match("answer"))
    assert engine.get("exact_match") is own
    assert engine.register(exact_match("answer")).version == own.version
    with pytest.raises(ConfigurationError, match="another evaluator is registered as"):
        engine.register(exact_match("other"))
    right = engine.register(exact_match("other"), name="right", direction="min")
    assert (right.name, right.direction) == ("right", "min")
    assert engine.names[-1] == "right"
    assert engine.names.count("exact_match") == 1
    engine.unregister("exact_match")
    assert engine.get("exact_match").version == exact_match().version
    assert engine.register("edit_distance", name="edits").name == "edits"
    assert engine.register({"use": "contains", "ignore_case": True}).name == "contains"


@pytest.mark.parametrize(
    ("do", "text"),
    [
        (lambda engine: engine.get("exact_mach"), "Did you mean 'exact_match'"),
        (lambda engine: engine.unregister("exact_match"), "no evaluator was registered as"),
        (lambda engine: engine.register("exact_mach"), "Did you mean 'exact_match'"),
        (lambda engine: engine.register(5), "cannot be called"),
        (lambda engine: engine.register(lambda question: 1), "asks for 'question'"),
        (lambda engine: engine.register(exact_match(), direction="up"), "'max' or 'min'"),
        (lambda engine: engine.evaluate_batch("latest"), "no evaluator was registered"),
        (lambda engine: engine.evaluate_batch("latest", []), "nothing to score with"),
        (lambda engine: engine.evaluate_batch("latest", ["judg"]), "there is no evaluator 'judg'"),
        (lambda engine: engine.evaluate_batch("latest", "exact_match"), r"\['exact_match'\]"),
        (lambda engine: engine.evaluate_execution("latest", []), "nothing to score with"),
        (lambda engine: engine.agreement("latest", "human"), "are a list of names"),
        (lambda engine: engine.agreement("latest", ["human", "human"]), "name each once"),
        (lambda engine: engine.agreement("latest", ["human"]), "at least two raters"),
        (lambda engine: engine.agreement("latest", ["human", "hman"]), "Did you mean 'human'"),
        (lambda engine: engine.judge_pairs("latest", judge(ask), variant="x"), "pairwise_judge"),
        (
            lambda engine: engine.judge_pairs("latest", pairwise_judge(ask), variant="answer=vage"),
            "Did you mean 'answer=vague'",
        ),
        (
            lambda engine: engine.judge_pairs("latest", pairwise_judge(ask), variant="baseline"),
            "cannot be compared with itself",
        ),
    ],
)
def test_what_is_not_there_is_told(bench, run, do, text):
    run(evaluators=[])
    with pytest.raises(ConfigurationError, match=text):
        do(EvaluationEngine(bench))


# Agreement


def test_judges_and_people_are_compared(bench, run):
    run(evaluators=EVALUATORS)
    engine = EvaluationEngine(bench)

    @evaluator
    def label(output, case):
        # What a person said, looked up.
        return {"France": 1, "Italy": 0.25}.get(case.id)

    engine.register(label)
    batch = engine.evaluate_batch("latest")
    found = engine.agreement(batch, ["judge", "label"])
    assert (found.raters, found.n) == (("judge", "label"), 4)
    # The judge says 1, 1 of the baseline and 0.25, 0.25 of the other one.
    assert found.raw == 0.5
    assert found.kappa == pytest.approx(0)
    assert engine.agreement(batch.id, ["judge", "exact_match"], level="nominal").n == 7
    three = engine.agreement("latest", ["judge", "label", "second"], level="ordinal")
    assert three.kappa is None
    assert three.alpha is not None
    logged = engine.agreement("latest", ["judge", "human"], weights="quadratic")
    assert (logged.n, logged.raw) == (3, pytest.approx(2 / 3))


# Pairs


def better(prompt, *, biased=False):
    """A model that likes the expected answer; a biased one likes what stands first."""
    expected = json.loads(material(prompt, "expected"))["answer"]
    sides = {side: json.loads(material(prompt, side))["answer"] for side in ("first", "second")}
    right = next((side for side, answer in sides.items() if answer == expected), "tie")
    return json.dumps({"reason": "so", "better": "first" if biased else right})


async def better_later(prompt):
    await asyncio.sleep(0)
    return better(prompt)


@pytest.mark.parametrize("model", [better, better_later])
@pytest.mark.parametrize("both_orders", [False, True])
def test_pairs_are_judged_whatever_the_order(bench, run, model, both_orders):
    run(evaluators=[], repeats=2)
    found = EvaluationEngine(bench).judge_pairs(
        "latest", pairwise_judge(model, both_orders=both_orders), variant="answer=vague"
    )
    assert (found.wins, found.ties, found.losses, found.n) == (0, 0, 6, 6)
    assert found.position_bias == (0 if both_orders else None)
    assert len(found.records) == 8
    for record in found.records:
        peru = record.case_id == "Peru"
        assert len(record.answers) == (0 if peru else 1 + both_orders)
        assert (record.outcome is None) == peru
        if peru:
            assert "'baseline' failed" in record.error
        else:
            assert {one.better for one in record.answers} == {"baseline"}
            assert len({one.first for one in record.answers}) == len(record.answers)
    assert "in 0 of 6 pairs, equal in 0, worse in 6; 2 pairs could not be judged." in str(found)
    swapped = EvaluationEngine(bench).judge_pairs(
        "latest", pairwise_judge(model), variant="baseline", baseline="answer=vague"
    )
    assert (swapped.wins, swapped.losses) == (6, 0)


def test_a_judge_that_likes_what_stands_first_is_found_out(bench, run):
    run(evaluators=[], repeats=3)
    engine = EvaluationEngine(bench)

    def biased(prompt):
        return better(prompt, biased=True)

    both = engine.judge_pairs(
        "latest", pairwise_judge(biased, both_orders=True), variant="answer=vague"
    )
    assert (both.wins, both.ties, both.losses) == (0, 9, 0)
    assert (both.position_bias, both.first_share) == (1, 1)
    assert str(both).endswith("In 100% of the pairs the verdict followed the order.")
    one = engine.judge_pairs("latest", pairwise_judge(biased), variant="answer=vague")
    # The order is drawn, so that the bias does not fall on one side.
    assert one.wins
    assert one.losses
    assert (one.ties, one.position_bias, one.first_share) == (0, None, 1)
    assert "What was shown first won 100%" in str(one)


def test_a_win_in_one_order_and_a_tie_in_the_other_is_a_tie_without_bias(bench, run):
    run(evaluators=[])
    seen = set()

    def ask(prompt):
        land = json.loads(material(prompt, "input"))["query"]
        again = land in seen
        seen.add(land)
        return better(prompt) if again else '{"reason": "same", "better": "tie"}'

    found = EvaluationEngine(bench).judge_pairs(
        "latest", pairwise_judge(ask, both_orders=True), variant="answer=vague"
    )
    assert (found.ties, found.n, found.position_bias) == (3, 3, 0)


def test_questions_that_fail_are_recorded(bench, run, released):
    batch = run(evaluators=[])

    def ask(prompt):
        land = json.loads(material(prompt, "input"))["query"]
        if land == "France":
            raise ConnectionError("the model is away")
        if land == "Italy":
            return '{"better": "me", "reason": "I say so"}'
        return released.wait()

    found = EvaluationEngine(bench).judge_pairs(
        batch, pairwise_judge(ask, timeout=0.2, name="unsure"), variant="answer=vague"
    )
    assert (found.n, found.first_share, found.position_bias) == (0, None, None)
    errors = {one.case_id: one.error for one in found.records}
    assert errors["France"].startswith("ConnectionError: the model is away")
    assert "'first', 'second' or 'tie', not 'me'" in errors["Italy"]
    assert errors["Spain"] == "TimeoutError: evaluator 'unsure' took longer than 0.2 s"
    assert str(found).startswith("No pair of 'answer=vague' and 'baseline' was judged; 4 pairs")


def test_verdicts_are_plain_data(bench, run):
    run(evaluators=[])
    found = EvaluationEngine(bench).judge_pairs(
        "latest", pairwise_judge(better, both_orders=True), variant="answer=vague"
    )
    assert isinstance(found, PairVerdicts)
    data = json.loads(json.dumps(found.to_dict()))
    assert {key: data[key] for key in ("judge", "n", "losses", "position_bias", "first_share")} == {
        "judge": "pairwise_judge",
        "n": 3,
        "losses": 3,
        "position_bias": 0,
        "first_share": 0.5,
    }
    assert data["sentence"] == str(found)
    (first, *_) = data["records"]
    assert first["outcome"] == "loss"
    assert {one["first"] for one in first["answers"]} == {"variant", "baseline"}
    assert first["answers"][0]["reason"] == "so"


# The command


def test_a_bench_file_uses_the_new_ones(tmp_path):
    (tmp_path / "app.py").write_text(
        "from typing import TypedDict\n"
        "from langgraph.graph import START, StateGraph\n"
        "class State(TypedDict, total=False):\n"
        "    q: str\n"
        "    a: str\n"
        "graph = StateGraph(State).add_node('go', lambda s: {'a': s['q'].upper()})"
        ".add_edge(START, 'go')\n"
        "async def ask(prompt):\n"
        '    return \'{"reason": "fine", "score": "right"}\'\n'
        "def embed(texts):\n"
        "    return [[len(text), 1.0] for text in texts]\n"
    )
    (tmp_path / "bench.toml").write_text(
        """
        workflow = "app:graph"
        evaluators = [
            { use = "json_schema", schema = { type = "object", required = ["a"] } },
            { use = "edit_distance", field = "a", normalized = false },
            { use = "set_overlap", field = "a", split = "words" },
            { use = "embedding_similarity", embed = "app:embed", field = "a" },
            { use = "judge", ask = "app:ask", scale = { wrong = 0, right = 1 }, repeats = 2 },
        ]
        [[cases]]
        input = { q = "rain or snow" }
        expected = "RAIN OR SUN"
        """
    )
    command = "import sys; from wtb._command import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-c", command, "run"],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with TestBench(tmp_path / ".wtb") as bench:
        (execution,) = bench.batch("latest").results
    assert execution.scores == {
        "json_schema": 1,
        "edit_distance": 3,
        "f1": pytest.approx(2 / 3),
        "precision": pytest.approx(2 / 3),
        "recall": pytest.approx(2 / 3),
        "embedding_similarity": pytest.approx(1, abs=0.001),
        "judge": 1,
        "judge_agreement": 1,
    }
