"""Attempts that go on: what they write, what nodes see of them, and who comes too late."""

import asyncio
import threading
import time

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from lineage_graphs import Breaks, abc, add, ask, ask_twice, asking, chain, has_many, loop
from oracle import assert_same, found, told

import wtb
from wtb.errors import WtbError


def test_the_history_of_what_was_answered_is_langgraphs(bench):
    def make():
        return chain(a=add("a"), ask=ask_twice, b=add("b"))

    graph = make().compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "memory"}}
    graph.invoke({"x": 0, "log": []}, thread)
    execution = bench.run(make(), {"x": 0, "log": []})
    for answer in ("1", "2"):
        graph.invoke(Command(resume=answer), thread)
        execution = bench.resume(execution, answer=answer)
        assert_same(told(graph, thread), found(bench.checkpoints(execution)))


def test_the_history_of_what_was_updated_is_langgraphs(bench):
    graph = loop(4).compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "memory"}}
    graph.invoke({"x": 0, "log": []}, thread, interrupt_before=["turn"])
    execution = bench.run(loop(4), {"x": 0, "log": []}, breakpoints=["turn"])
    while execution.status == "paused":
        update = {"log": ["u"]}
        graph.update_state(thread, update)
        graph.invoke(None, thread, interrupt_before=["turn"])
        execution = bench.resume(execution, update=update)
        assert_same(told(graph, thread), found(bench.checkpoints(execution)))
    assert execution.state == graph.get_state(thread).values


def test_an_attempt_that_comes_too_late_writes_nothing(bench, until):
    gate, left = threading.Event(), []

    def waits(state):
        if not left:
            left.append("first")
            gate.wait(30)
            left.append("late")
            return {"log": ["late"]}
        return {"log": ["in time"]}

    graph = chain(a=add("a"), waits=waits, b=add("b"), c=add("c"))
    execution = bench.run(graph, {"x": 0}, timeout=1, runner="thread")
    assert execution.status == "timed_out"
    end = bench.resume(execution)
    before = [(one.id, one.values) for one in bench.checkpoints(end)]
    gate.set()
    until(lambda: "late" in left)
    time.sleep(0.2)
    bench._core.engine.flush()
    assert [(one.id, one.values) for one in bench.checkpoints(end)] == before
    assert bench.execution(end.id).output["log"] == ["a", "in time", "b", "c"]


def test_nodes_know_the_execution_by_its_id(bench):
    seen = []

    def node(state, config):
        run = wtb.current()
        seen.append((run.execution_id, run.case_id, run.variant, run.attempt))
        return {"log": [config["configurable"]["thread_id"]]}

    from langchain_core.runnables import RunnableConfig

    node.__annotations__ = {"config": RunnableConfig}
    batch = bench.run_batch(
        chain(first=node, ask=ask, last=node), variants=[{}], test_cases=[{"log": []}]
    )
    (cell,) = batch.results
    end = bench.resume(cell, answer="me")
    (first, last) = seen
    assert first[:3] == last[:3] == (cell.id, cell.case_id, "baseline")
    assert end.output["log"] == [cell.thread_id, "me", end.thread_id]
    assert cell.thread_id == end.thread_id


def test_the_journal_of_a_cell_is_that_of_what_it_went_on_to(bench):
    (cell,) = bench.run_batch(chain(ask=ask), variants=[{}], test_cases=[{"log": []}]).results
    before = [event.kind for event in bench.journal(execution=cell)]
    assert before == ["execution.started", "execution.interrupted"]
    bench.resume(cell, answer="me")
    for name in (cell, cell.id, cell.id[:9]):
        told = [*bench.journal(execution=name)]
        assert [event.kind for event in told] == [
            *before,
            "execution.resumed",
            "execution.started",
            "execution.succeeded",
        ]
        assert {event.execution_id for event in told} == {cell.id}


def test_what_nodes_logged_before_is_kept(bench):
    def logs(name):
        def node(state):
            wtb.log_metric(name, 1)
            return {"log": [name]}

        return node

    graph = chain(first=logs("before"), ask=ask, last=logs("after"))
    execution = bench.run(graph, {"log": []})
    assert execution.metrics == {"before": 1}
    assert bench.resume(execution, answer="me").metrics == {"before": 1, "after": 1}
    (cell,) = bench.run_batch(graph, variants=[{}], test_cases=[{"log": []}]).results
    assert bench.resume(cell, answer="me").metrics == {"before": 1, "after": 1}


def test_a_retry_after_a_cell_was_rolled_back_begins_in_a_lineage_of_its_own(bench):
    breaks = Breaks()
    batch = bench.run_batch(
        chain(a=add("a"), breaks=breaks, b=add("b")),
        variants=[{}],
        test_cases=[{"x": 0, "log": ["begin"]}],
    )
    (cell,) = batch.results
    bench.rollback(cell, before="a")
    assert bench.resume(cell, update={"log": ["u"]}).status == "failed"
    breaks.broken = False
    (again,) = bench.retry(batch).results
    assert again.output == {"x": 2, "log": ["begin", "a", "breaks", "b"]}
    shown = bench.checkpoints(cell)
    assert [one.parent_id for one in shown].count(None) == 1, "one line of checkpoints"
    assert [one.node for one in shown] == [None, None, "a", "breaks", "b"]


def test_a_second_retry_after_rollbacks(bench):
    (cell,) = bench.run_batch(abc(), variants=[{}], test_cases=[{"x": 0, "log": []}]).results
    for _ in range(3):
        bench.rollback(cell, before="b")
        assert bench.resume(cell).output["log"] == ["a", "b", "c"]
        bench.retry(cell, errors_only=False)
        found = bench.execution(cell.id)
        assert (found.status, found.output) == ("succeeded", {"x": 3, "log": ["a", "b", "c"]})
        assert [one.node for one in bench.checkpoints(cell)] == [None, None, "a", "b", "c"]


def test_a_batch_is_not_retried_under_a_cell_that_is_gone_on_with(bench):
    gate, entered = threading.Event(), threading.Event()
    breaks = Breaks()

    def waits(state):
        if not breaks.broken:
            entered.set()
            gate.wait(30)
        return breaks(state)

    batch = bench.run_batch(
        chain(a=add("a"), waits=waits, b=add("b")), variants=[{}], test_cases=[{"x": 0}]
    )
    (cell,) = batch.results
    breaks.broken = False
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(bench.resume(cell)))
    thread.start()
    try:
        assert entered.wait(30)
        with pytest.raises(WtbError):
            bench.retry(batch)
    finally:
        gate.set()
        thread.join()
    assert outcome[0].output["log"] == ["a", "breaks", "b"]
    assert bench.batch(batch.id).results[0].status == "failed"


def test_what_succeeded_can_be_run_again_from_its_end(bench):
    ran = []
    batch = bench.run_batch(abc(ran), variants=[{}], test_cases=[{"x": 0}], evaluators=[has_many])
    before = batch.results[0].output
    ran.clear()
    (again,) = bench.retry(batch, errors_only=False, from_checkpoint=True).results
    assert (again.status, again.output, again.scores) == ("succeeded", before, {"has_many": 3})
    assert ran == []


def test_automatic_retries_begin_anew_each_in_its_lineage(bench):
    ran, breaks = [], Breaks()
    (cell,) = bench.run_batch(
        chain(a=add("a", ran), breaks=breaks),
        variants=[{}],
        test_cases=[{"x": 0, "log": []}],
        retries=2,
        backoff=0,
    ).results
    assert (cell.status, ran, cell.attempts_made) == ("failed", ["a"] * 3, 3)
    assert [one.node for one in bench.checkpoints(cell)] == [None, None, "a"]
    assert cell.thread_id.endswith("/3")
    breaks.broken = False
    assert bench.resume(cell).output == {"x": 1, "log": ["a", "breaks"]}


def test_questions_left_by_a_rolled_back_cell_are_answered_by_nobody(bench):
    (cell,) = bench.run_batch(
        asking("p?", "q?"), variants=[{}], test_cases=[{"log": []}], on_interrupt=str.upper
    ).results
    assert cell.output["y"] == ["P?", "Q?"]
    back = bench.rollback(cell, before="ask1")
    assert bench.resume(back).output["y"] == ["P?", "Q?"], "the batch's function answers again"


def test_what_is_published_of_a_cell_that_went_on_is_in_its_journal(bench):
    (cell,) = bench.run_batch(chain(ask=ask), variants=[{}], test_cases=[{"log": []}]).results
    bench.resume(cell, answer="me")
    bench.events.publish("custom.seen", execution_id=cell.id)
    (event,) = bench.journal(kinds=["custom.seen"])
    assert event.execution_id == cell.id


def test_inside_a_running_event_loop(bench):
    async def node(state):
        return {"log": ["node"]}

    async def asks(state):
        return {"log": [interrupt("who?")]}

    async def on_interrupt(question):
        return "me"

    async def main():
        graph = chain(a=node, asks=asks, b=node)
        execution = bench.run(graph, {"log": []}, breakpoints=["b"])
        execution = bench.resume(execution, answer="sync")
        execution = bench.resume(execution, update={"log": ["u"]})
        fork = bench.fork(execution, before="b", update={"log": ["f"]})
        found = bench.run_batch(
            graph, variants=[{}], test_cases=[{"log": []}], on_interrupt=on_interrupt
        )
        return execution, await bench.aresume(fork), found.results[0]

    execution, fork, cell = asyncio.run(main())
    assert execution.output["log"] == ["node", "sync", "u", "node"]
    assert fork.output["log"] == ["node", "sync", "u", "f", "node"]
    assert cell.output["log"] == ["node", "me", "node"]


def test_a_fork_and_a_rollback_store_no_value_again(bench, rows):
    execution = bench.run(abc(), {"x": 0, "log": ["large" * 10_000]})
    bench._core.engine.flush()
    before = rows()["objects"]
    assert before
    bench.fork(execution, after="b")
    bench.rollback(execution, after="a")
    assert rows()["objects"] == before
