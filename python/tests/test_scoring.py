"""Scoring on threads: timeouts, hanging evaluators, the event loop, errors of the store."""

import asyncio
import json
import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

from wtb import TestBench, _plan
from wtb._job import Job
from wtb._native import EngineRef
from wtb._scoring import HANGING_MAX, ScoringPool, score_executions
from wtb.cases import Case
from wtb.context import RunContext, activate, current
from wtb.errors import ConfigurationError, StoreError, WtbError
from wtb.evaluators import Score, contains, evaluator, exact_match
from wtb.execution import Execution
from wtb.runners import SequentialBatchTestRunner
from wtb.variants import Variant
from wtb.workflow import Workflow


@dataclass
class Ended:
    id: str
    output: Any


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What hanging evaluators wait for; they are let go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def score(evaluators, outputs, **settings):
    """Score an execution of each output and return the scores in that order."""
    found = {}
    pairs = [
        (Ended(f"e{number}", output), Case({"n": number}, number))
        for number, output in enumerate(outputs)
    ]
    score_executions(pairs, evaluators, found.__setitem__, **settings)
    assert len(found) == len(pairs)
    return [found[execution.id] for execution, _ in pairs]


def test_every_execution_is_scored_by_every_evaluator_in_order():
    @evaluator
    def twice(output):
        return 2 * output

    @evaluator(name="async", direction="min")
    async def later(output, case, execution):
        await asyncio.sleep(0)
        return len(execution.id) + case.input["n"]

    scores = score([exact_match(), twice, later], range(20), workers=3)
    assert [[one[:4] for one in of_one] for of_one in scores] == [
        [
            ("exact_match", 1.0, "max", "exact_match"),
            ("twice", 2.0 * n, "max", "twice"),
            ("async", float(len(f"e{n}") + n), "min", "async"),
        ]
        for n in range(20)
    ]


def test_a_hanging_evaluator_costs_its_score_and_nothing_else(released):
    @evaluator(timeout=0.5)
    def hangs(output):
        if output == 1:
            released.wait()
        return 1

    @evaluator
    def after(output):
        return output

    scores = score([hangs, after], range(3), workers=1)
    assert [of_one[0].value for of_one in scores] == [1.0, None, 1.0]
    assert scores[1][0].error == "TimeoutError: evaluator 'hangs' took longer than 0.5 s"
    assert [of_one[1].value for of_one in scores] == [0.0, 1.0, 2.0]


def test_the_setting_of_the_batch_is_the_timeout_of_the_others(released):
    @evaluator
    def hangs(output):
        released.wait()

    ((one,),) = score([hangs], [1], timeout=0.05)
    assert one.error == "TimeoutError: evaluator 'hangs' took longer than 0.05 s"


def test_an_evaluator_that_always_hangs_is_not_called_without_end(released):
    calls = []

    @evaluator(timeout=0.01)
    def hangs(output):
        calls.append(output)
        released.wait()

    fine = exact_match()
    scores = score([hangs, fine], range(30), workers=2)
    assert len(calls) <= HANGING_MAX + 2
    assert scores[-1][0].error == (
        "TimeoutError: evaluator 'hangs' was not called, because 8 calls of it hang"
    )
    assert all(of_one[1].value == 1.0 for of_one in scores)


def test_an_evaluator_is_called_again_once_its_calls_return(released):
    tried = threading.Semaphore(0)
    returned = threading.Semaphore(0)

    @evaluator(timeout=0.01)
    def slow_at_first(output):
        if output < HANGING_MAX:
            tried.release()
            released.wait()
            returned.release()
        return 1

    def outputs():
        for number in range(HANGING_MAX):
            yield Ended(f"e{number}", number), Case({}, id="c")
        released.set()
        for _ in range(HANGING_MAX):
            assert returned.acquire(timeout=30)
        for thread in threading.enumerate():
            if thread.name == "wtb-evaluator" and thread is not threading.current_thread():
                thread.join(timeout=30)
        yield Ended("last", HANGING_MAX), Case({}, id="c")

    found = {}
    score_executions(outputs(), [slow_at_first], found.__setitem__, workers=1)
    assert found["e0"][0].value is None
    assert found["last"][0].value == 1.0


def test_async_evaluators_are_cancelled_and_share_one_loop():
    loops = set()
    cancelled = threading.Event()

    @evaluator(timeout=0.5)
    async def slow(output):
        loops.add(asyncio.get_running_loop())
        if output == 1:
            try:
                await asyncio.sleep(3600)
            finally:
                cancelled.set()
        return 1

    scores = [score([slow], [0, 1, 2], workers=2) for _ in range(2)][1]
    assert [of_one[0].value for of_one in scores] == [1.0, None, 1.0]
    assert scores[1][0].error == "TimeoutError: evaluator 'slow' took longer than 0.5 s"
    assert cancelled.wait(30)
    assert len(loops) == 1


def test_an_async_evaluator_that_blocks_the_loop_is_left_behind(released):
    @evaluator(timeout=0.05)
    async def blocks(output):
        released.wait()

    @evaluator
    async def fine(output):
        return output

    ((blocked,),) = score([blocks], [1])
    assert blocked.error.startswith("TimeoutError")
    # The loop is given up only once it has not answered for a while.
    while score([evaluator(name="fine", timeout=0.2)(fine.function)], [1])[0][0].value is None:
        pass
    assert score([fine], [1])[0][0].value == 1.0


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt(), TimeoutError("own")])
def test_async_evaluators_that_exit_leave_the_loop_alive(error):
    @evaluator
    async def exits(output):
        if output:
            raise error
        return 1

    failed, fine = score([exits], [1, 0], workers=1)
    assert failed[0].error.startswith(f"{type(error).__name__}")
    assert __file__ in failed[0].error
    assert fine[0].value == 1.0


def test_evaluators_are_no_part_of_an_execution():
    @evaluator
    def inside(output):
        return current().active

    @evaluator
    async def inside_async(output):
        return current().active

    with activate(RunContext(execution_id="e_1")):
        assert [one.value for one in score([inside, inside_async], [1])[0]] == [0.0, 0.0]


def test_an_output_that_cannot_be_read_is_an_error_of_all_scores():
    class Unreadable:
        id = "e"

        @property
        def output(self):
            raise StoreError("the object is damaged")

    found = {}
    score_executions(
        [(Unreadable(), Case({}))], [exact_match("a"), exact_match(name="b")], found.__setitem__
    )
    assert [(one.name, one.value) for one in found["e"]] == [("exact_match", None), ("b", None)]
    for one in found["e"]:
        assert "cannot be read: StoreError: the object is damaged" in one.error


def test_errors_of_the_store_end_the_scoring():
    asked = []

    def executions():
        for number in range(1_000):
            asked.append(number)
            yield Ended(f"e{number}", number), Case({}, id="c")

    def put(execution, scores):
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        score_executions(executions(), [exact_match()], put, workers=2)
    assert len(asked) < 1_000


def test_errors_of_the_executions_iterator_are_raised():
    def executions():
        yield Ended("e", 1), Case({})
        raise StoreError("cannot read on")

    with pytest.raises(StoreError, match="cannot read on"):
        score_executions(executions(), [exact_match()], lambda *_: None)


def test_an_unusable_timeout_is_refused():
    with pytest.raises(ConfigurationError, match="positive number of seconds"):
        score([exact_match()], [1], timeout=-1)


class State(TypedDict, total=False):
    query: str
    answer: str


def build_graph() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("answer", lambda state: {"answer": state["query"].upper()})
    graph.add_edge(START, "answer")
    return graph


CASES = [Case({"query": text}, text.upper(), id=text) for text in "abcdef"]


def test_a_batch_with_evaluators_that_fail_in_every_way(tmp_path, released):
    @evaluator(timeout=0.5)
    def hangs(output, case):
        if case.id == "b":
            released.wait()
        return 1

    @evaluator
    def not_a_number(output):
        return math.nan

    @evaluator
    def raises(output, execution):
        raise ValueError(f"{execution.variant} \ud800")

    @evaluator(direction="min")
    async def reasons(output, expected):
        return {"length": len(output["answer"]), "why": Score(0.5, reason=f"{expected} \ud800")}

    evaluators = [exact_match("answer"), hangs, not_a_number, raises, reasons]
    with TestBench(tmp_path / "s.db") as bench:
        batch = bench.run_batch(
            build_graph(), variants=[{}], test_cases=CASES, evaluators=evaluators, max_workers=3
        )
        assert batch.status == "completed"
        for execution in batch.results:
            assert execution.succeeded
            found = {one["name"]: one for one in execution.score_records}
            assert found["exact_match"]["value"] == 1.0
            assert found["not_a_number"]["value"] is None
            assert "returned nan" in found["not_a_number"]["error"]
            assert "ValueError: baseline" in found["raises"]["error"]
            assert (found["length"]["value"], found["length"]["direction"]) == (1.0, "min")
            assert found["why"]["reason"] == f"{execution.case_id.upper()} \\ud800"
            hung = execution.case_id == "b"
            assert ("hangs" in execution.scores) != hung
            assert ("took longer" in (found["hangs"]["error"] or "")) == hung


def test_a_stored_batch_is_scored_again_through_the_same_evaluators(tmp_path):
    with TestBench(tmp_path / "s.db") as bench:
        batch = bench.run_batch(
            build_graph(), variants=[{}], test_cases=CASES, evaluators=[contains("answer")]
        )
    with TestBench(tmp_path / "s.db") as bench:
        again = bench.score(batch.id, [exact_match("answer")])
        assert [one.scores for one in again.results] == [{"contains": 1.0, "exact_match": 1.0}] * 6


@pytest.fixture
def begun(tmp_path):
    """A batch whose workers have not started, and the engine that holds it."""
    workflow = Workflow("w", build_graph())
    variants = [Variant("baseline")]
    evaluators = [exact_match("answer"), contains("answer")]
    spec = _plan.batch_spec(
        "inline", 1, evaluators, 60.0, metric=None, repeats=1, timeout=None, retries=0,
        backoff=0.0, error="zero", fail_fast=None, window=None, seed=0, front={},
    )  # fmt: skip
    engine = EngineRef(f"sqlite:///{tmp_path}/s.db")
    active = engine.submit(
        None, "w", None, json.dumps(spec), [("baseline", "{}")], _plan.case_rows(CASES)
    )
    yield engine, active, Job(workflow, variants, CASES), evaluators
    engine.close()


def drive(active, job):
    SequentialBatchTestRunner().drive(active, job, 1)
    ended = active.wait(60)
    assert ended is not None
    return json.loads(ended)


def test_executions_that_cannot_be_loaded_do_not_hold_up_the_batch(begun):
    engine, active, job, evaluators = begun
    cases = {case.id: case for case in CASES}

    def load(execution):
        found = Execution(engine, engine.execution(execution))
        if found.case_id in "ab":
            raise StoreError("the object is damaged")
        if found.case_id == "c":
            raise SystemExit("gone")
        return found, cases[found.case_id]

    pool = ScoringPool(active, evaluators, load, workers=2)
    pool.start()
    assert drive(active, job)["status"] == "completed"
    assert pool.join(60)
    assert pool.error is None
    for execution in active.executions():
        found = Execution(engine, engine.execution(execution))
        errors = [one["error"] for one in found.score_records]
        if found.case_id in "abc":
            text = "SystemExit" if found.case_id == "c" else "StoreError: the object is damaged"
            assert len(errors) == 2
            assert all(text in one for one in errors)
        else:
            assert found.scores == {"exact_match": 1.0, "contains": 1.0}


def test_a_store_that_is_closed_meanwhile_ends_the_pool(begun):
    engine, active, job, _ = begun
    called, released = threading.Event(), threading.Event()

    @evaluator
    def waits(output):
        called.set()
        released.wait()
        return 1

    def load(execution):
        return Execution(engine, engine.execution(execution)), CASES[0]

    pool = ScoringPool(active, [waits], load, workers=2)
    pool.start()

    def work():
        with suppress(WtbError):
            SequentialBatchTestRunner().drive(active, job, 1)

    worker = threading.Thread(target=work)
    worker.start()
    assert called.wait(60)
    engine.close()
    released.set()
    assert pool.join(60)
    # What is not scored is left to whoever takes the batch up again: no error of the pool.
    assert pool.error is None
    worker.join(60)


def test_a_pool_that_was_never_started_has_ended(begun):
    _, active, _, evaluators = begun
    assert ScoringPool(active, evaluators, lambda execution: None).join()
