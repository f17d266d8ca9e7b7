"""Scoring on threads: timeouts, hanging evaluators, the event loop, errors of the store."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from wtb._scoring import HANGING_MAX, score_executions
from wtb.cases import Case
from wtb.context import RunContext, activate, current
from wtb.errors import ConfigurationError, StoreError
from wtb.evaluators import evaluator, exact_match


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
    @evaluator(timeout=0.05)
    def hangs(output):
        if output == 1:
            released.wait()
        return 1

    @evaluator
    def after(output):
        return output

    scores = score([hangs, after], range(3), workers=1)
    assert [of_one[0].value for of_one in scores] == [1.0, None, 1.0]
    assert scores[1][0].error == "TimeoutError: evaluator 'hangs' took longer than 0.05 s"
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

    @evaluator(timeout=0.05)
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
    assert scores[1][0].error == "TimeoutError: evaluator 'slow' took longer than 0.05 s"
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
