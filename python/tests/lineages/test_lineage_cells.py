"""Cells of batches go on beside the results that their batches keep, and are scored as those."""

import threading
import time

import pytest
from langgraph.types import interrupt
from lineage_graphs import Breaks, abc, add, ask, chain, has_many

from wtb import Case, Workflow
from wtb.errors import InvalidTransitionError


def counts(batch):
    statuses = [one.status for one in batch.results]
    return {status: statuses.count(status) for status in set(statuses)}


def pinned(bench, batch):
    """All that a batch shows of its own results."""
    found = bench.batch(batch.id)
    shown = [
        (one.id, one.status, one.output, one.scores, one.attempts_made) for one in found.results
    ]
    return shown, found.status, found.comparison.to_dict(), found.comparison_matrix, len(found)


@pytest.fixture
def broken_batch(bench):
    """A batch of four executions, of which two fail until the node is mended."""
    breaks = Breaks()

    def flaky(state):
        return breaks(state) if state["x"] == 1 else {"log": ["fine"]}

    batch = bench.run_batch(
        Workflow("letters", chain(a=add("a"), flaky=flaky, b=add("b"))),
        variants=[{}, {"b": add("B")}],
        test_cases=[Case({"x": 0}, id="flaky"), Case({"x": 5}, id="fine")],
        evaluators=[has_many],
    )
    assert counts(batch) == {"failed": 2, "succeeded": 2}
    return batch, breaks


def test_what_goes_on_is_scored_and_the_batch_keeps_its_results(bench, broken_batch):
    batch, breaks = broken_batch
    before = pinned(bench, batch)
    breaks.broken = False
    cell = next(
        one for one in batch.results if one.status == "failed" and one.variant != "baseline"
    )
    end = bench.resume(cell)
    assert (end.id, end.status, end.error) == (cell.id, "succeeded", None)
    assert end.output["log"] == ["a", "breaks", "B"]
    assert end.scores == {"has_many": 3}
    assert (end.variant, end.case_id, end.batch_id) == (cell.variant, cell.case_id, batch.id)
    assert pinned(bench, batch) == before
    shown = bench.execution(cell.id)
    assert (shown.status, shown.output, shown.scores) == ("succeeded", end.output, end.scores)
    assert [node.node for node in shown.nodes][-2:] == ["flaky", "b"]
    assert [node.node for node in shown.nodes].count("a") <= 1
    listed = [one.id for one in bench.executions(batch=batch)]
    assert sorted(listed) == sorted(one.id for one in batch.results), "no cell is listed twice"


def test_it_can_go_on_more_than_once(bench, broken_batch):
    batch, breaks = broken_batch
    cell = next(one for one in batch.results if one.status == "failed")
    assert bench.resume(cell).status == "failed"
    breaks.broken = False
    end = bench.resume(cell)
    assert end.status == "succeeded"
    with pytest.raises(InvalidTransitionError, match="has succeeded"):
        bench.resume(cell)
    back = bench.rollback(cell, after="a")
    again = bench.resume(back, update={"log": ["u"]})
    assert (again.output["log"], again.scores) == (["a", "u", "breaks", "b"], {"has_many": 4})


def test_a_retry_of_the_batch_replaces_what_cells_went_on_to(bench, broken_batch):
    batch, breaks = broken_batch
    breaks.broken = False
    cell = next(one for one in batch.results if one.status == "failed")
    bench.resume(cell, update={"log": ["u"]})
    assert bench.execution(cell.id).output["log"] == ["a", "u", "breaks", "b"]
    retried = bench.retry(batch)
    assert (retried.status, counts(retried)) == ("completed", {"succeeded": 4})
    shown = bench.execution(cell.id)
    assert (shown.status, shown.output["log"]) == ("succeeded", ["a", "breaks", "b"])
    assert shown.scores == {"has_many": 3}
    assert shown.batch_id == batch.id
    assert all(one.scores for one in retried.results)
    assert bench.rollback(cell, before="b").state["log"] == ["a", "breaks"]


@pytest.mark.parametrize("from_checkpoint", [False, True])
def test_a_retry_begins_anew_or_goes_on(bench, from_checkpoint):
    ran, lock, breaks = [], threading.Lock(), Breaks()

    def counted(state):
        with lock:
            ran.append("a")
        return {"log": ["a"]}

    batch = bench.run_batch(
        chain(a=counted, breaks=breaks, b=add("b")),
        variants=[{}],
        test_cases=[{"x": n} for n in range(3)],
        evaluators=[has_many],
    )
    assert counts(batch) == {"failed": 3}
    breaks.broken = False
    ran.clear()
    retried = bench.retry(batch, from_checkpoint=from_checkpoint)
    assert counts(retried) == {"succeeded": 3}
    assert len(ran) == (0 if from_checkpoint else 3)
    for one in retried.results:
        assert (one.output["log"], one.scores) == (["a", "breaks", "b"], {"has_many": 3})


@pytest.mark.parametrize("from_checkpoint", [False, True])
def test_retries_of_a_single_execution(bench, from_checkpoint):
    ran, breaks = [], Breaks()
    execution = bench.run(chain(a=add("a", ran), breaks=breaks, b=add("b")), {"x": 0})
    breaks.broken = False
    again = bench.retry(execution, from_checkpoint=from_checkpoint)
    assert (again.status, again.output["log"]) == ("succeeded", ["a", "breaks", "b"])
    assert ran == (["a"] if from_checkpoint else ["a", "a"])
    assert bench.rollback(again, after="a").state["log"] == ["a"]


@pytest.mark.parametrize("how", ["resume", "retry"])
def test_the_deadline_holds_for_later_attempts(bench, released, how):
    def waits(state):
        time.sleep(0.5)
        return {"log": ["waited"]}

    graph = chain(waits=waits, a=add("a"), b=add("b"))
    execution = bench.run(graph, {"x": 0}, timeout=0.2, runner="thread")
    assert execution.status == "timed_out"
    assert getattr(bench, how)(execution).status == "timed_out"


def test_a_cell_that_asks_is_answered_and_scored(bench):
    batch = bench.run_batch(
        chain(a=add("a"), ask=ask, b=add("b")),
        variants=[{}],
        test_cases=[{"x": n} for n in range(2)],
        evaluators=[has_many],
    )
    assert (batch.status, counts(batch)) == ("completed", {"interrupted": 2})
    before = pinned(bench, batch)
    first, second = batch.results
    end = bench.resume(first, answer="me")
    assert (end.output["log"], end.scores) == (["a", "me", "b"], {"has_many": 3})
    assert bench.execution(second.id).status == "interrupted"
    fork = bench.resume(bench.fork(second), answer="fork")
    assert (fork.output["log"], fork.scores) == (["a", "fork", "b"], {"has_many": 3})
    assert pinned(bench, batch) == before


def test_cells_stop_at_breakpoints(bench):
    batch = bench.run_batch(
        abc(),
        variants=[{}],
        test_cases=[{"x": n} for n in range(3)],
        breakpoints=["b", "c"],
        evaluators=[has_many],
    )
    assert (batch.status, counts(batch)) == ("completed", {"paused": 3})
    cell = batch.results[1]
    assert cell.state["log"] == ["a"]
    at_c = bench.resume(cell)
    assert (at_c.status, at_c.state["log"], at_c.scores) == ("paused", ["a", "b"], {})
    end = bench.resume(at_c)
    assert (end.status, end.scores) == ("succeeded", {"has_many": 3})
    assert counts(bench.batch(batch.id)) == {"paused": 3}


def test_a_cell_of_a_batch_under_way_waits_for_it(bench, released, until):
    def waits(state):
        released.wait(30)
        return {"log": ["waited"]}

    batch = bench.start_batch(
        chain(a=add("a"), waits=waits), variants=[{}], test_cases=[{"x": 0}], max_workers=1
    )
    until(lambda: bench.executions(batch=batch, status="running"))
    (cell,) = bench.executions(batch=batch)
    with pytest.raises(Exception, match="running"):
        bench.resume(cell)
    released.set()
    batch.wait(30)
    assert batch.results[0].status == "succeeded"


def test_a_cell_that_is_gone_on_with_can_be_cancelled(bench, until):
    gate, entered = threading.Event(), threading.Event()

    def waits(state):
        answer = interrupt("who?")
        entered.set()
        gate.wait(30)
        return {"log": [answer]}

    batch = bench.run_batch(
        chain(a=add("a"), waits=waits, b=add("b")), variants=[{}], test_cases=[{"x": 0}]
    )
    (cell,) = batch.results
    thread = threading.Thread(target=lambda: bench.resume(cell, answer="me"))
    thread.start()
    try:
        assert entered.wait(30)
        bench.cancel(bench.execution(cell.id))
    finally:
        gate.set()
        thread.join()
    assert bench.execution(cell.id).status == "cancelled"
    assert counts(bench.batch(batch.id)) == {"interrupted": 1}


def test_evaluators_that_cannot_be_found_again_are_said(bench, later):
    def mine(output):
        return 1

    batch = bench.run_batch(
        "lineage_graphs:abc",
        variants=[{}],
        test_cases=[{"x": 0}],
        evaluators=[mine, has_many],
        breakpoints=["b"],
    )
    (cell,) = batch.results
    with pytest.warns(RuntimeWarning, match="not scored by all evaluators"):
        end = later().resume(cell.id)
    assert end.status == "succeeded"
