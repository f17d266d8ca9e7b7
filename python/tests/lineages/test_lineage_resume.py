"""Resume: an execution goes on from where it stands, and what has finished is not run again."""

import asyncio
import threading
import time

import pytest
from langgraph.types import interrupt
from lineage_graphs import (
    Breaks,
    abc,
    add,
    ask,
    chain,
    fork_and_join,
    loop,
)
from oracle import assert_ends_alike, plain

from wtb.errors import InvalidTransitionError, WtbError


def nodes(execution):
    return [(node.node, node.status) for node in execution.nodes]


def test_after_a_failure_finished_siblings_are_not_run_again(bench):
    ran, breaks = [], Breaks("c")
    graph = fork_and_join(
        "bce",
        b=lambda state: ran.append("b") or {"log": ["b"]},
        e=lambda state: ran.append("e") or {"log": ["e"]},
        c=breaks,
    )
    execution = bench.run(graph, {"log": []})
    assert (execution.status, execution.error.node, sorted(ran)) == ("failed", "c", ["b", "e"])
    breaks.broken = False
    end = bench.resume(execution)
    assert (end.id, end.status, end.error, len(ran)) == (execution.id, "succeeded", None, 2)
    assert end.output["log"] == ["a", "b", "c", "e", "d"]
    assert [one.status for one in end.attempts] == ["failed", "succeeded"]


def test_it_can_fail_again_and_again(bench):
    ran, breaks = [], Breaks()
    execution = bench.run(chain(a=add("a", ran), breaks=breaks, b=add("b", ran)), {"x": 0})
    for _ in range(3):
        assert bench.resume(execution).status == "failed"
    breaks.broken = False
    assert bench.resume(execution).output["log"] == ["a", "breaks", "b"]
    assert ran == ["a", "b"]


def test_after_a_timeout(bench, released):
    ran = []

    def waits(state):
        ran.append("waits")
        released.wait(30)
        return {"log": ["waits"]}

    graph = chain(a=add("a", ran), waits=waits, b=add("b", ran))
    execution = bench.run(graph, {"x": 0}, timeout=1, runner="thread")
    assert execution.status == "timed_out"
    released.set()
    end = bench.resume(execution)
    assert (end.status, end.output["log"]) == ("succeeded", ["a", "waits", "b"])
    assert ran.count("a") == 1


def test_after_it_was_cancelled(bench, until):
    ran, gate, entered = [], threading.Event(), threading.Event()

    def waits(state):
        entered.set()
        gate.wait(30)
        return {"log": ["waits"]}

    graph = chain(a=add("a", ran), waits=waits, b=add("b", ran))
    thread = threading.Thread(target=bench.run, args=(graph, {"x": 0}))
    thread.start()
    assert entered.wait(30)
    bench.cancel(bench.executions()[0])
    gate.set()
    thread.join()
    (execution,) = bench.executions()
    assert execution.status == "cancelled"
    end = bench.resume(execution)
    assert (end.status, end.output["log"]) == ("succeeded", ["a", "waits", "b"])
    assert ran == ["a", "b"]


def test_breakpoints_as_langgraph_stops(bench, memory):
    for stops in (["b"], ["a", "c"], ["a", "b", "c"]):
        graph, thread = memory(abc())
        execution = bench.run(abc(), {"x": 0, "log": []}, breakpoints=stops)
        graph.invoke({"x": 0, "log": []}, thread, interrupt_before=stops)
        while True:
            state = graph.get_state(thread)
            assert plain(execution.state) == state.values
            assert bench.checkpoints(execution)[-1].next == state.next
            if not state.next:
                break
            assert (execution.status, execution.error) == ("paused", None)
            graph.invoke(None, thread, interrupt_before=stops)
            execution = bench.resume(execution)
        assert execution.status == "succeeded"


def test_a_breakpoint_in_a_loop_stops_each_turn(bench):
    ran = []
    execution = bench.run(loop(3, ran), {"x": 0}, breakpoints=["turn", "end"])
    seen = []
    while execution.status == "paused":
        seen.append([*ran])
        execution = bench.resume(execution)
    assert seen == [[], ["turn"], ["turn"] * 2, ["turn"] * 3]
    assert execution.output["log"] == [*["turn"] * 3, "end"]


def test_an_update_at_a_breakpoint(bench, memory):
    graph, thread = memory(abc())
    graph.invoke({"x": 0, "log": []}, thread, interrupt_before=["c"])
    graph.update_state(thread, {"x": 50, "log": ["u"]})
    execution = bench.run(abc(), {"x": 0, "log": []}, breakpoints=["c"])
    end = bench.resume(execution, update={"x": 50, "log": ["u"]})
    assert end.state == graph.invoke(None, thread)
    assert [one.source for one in bench.checkpoints(end)].count("update") == 1


def test_an_update_after_a_failure_beside_a_finished_sibling(bench, memory):
    def make(breaks):
        return fork_and_join("bc", c=breaks)

    ours, theirs = Breaks("c"), Breaks("c")
    graph, thread = memory(make(theirs))
    with pytest.raises(ValueError, match="broken"):
        graph.invoke({"log": []}, thread)
    execution = bench.run(make(ours), {"log": []})
    ours.broken = theirs.broken = False
    graph.update_state(thread, {"log": ["u"]}, as_node=None)
    end = bench.resume(execution, update={"log": ["u"]})
    assert_ends_alike(end.state, graph.invoke(None, thread))


def test_async_graphs(bench):
    ran = []

    async def node(state):
        await asyncio.sleep(0)
        ran.append("node")
        return {"log": ["node"]}

    async def asks(state):
        return {"log": [interrupt("who?")]}

    def make(first):
        return chain(a=node, breaks=first, asks=asks, b=node)

    first = Breaks()
    execution = bench.run(make(first), {"log": []})
    assert execution.status == "failed"
    first.broken = False
    execution = bench.resume(execution, update={"log": ["u"]})
    assert execution.status == "interrupted"
    assert bench.resume(execution, answer="me").output["log"][-2:] == ["me", "node"]
    assert ran == ["node"] * 2


def test_on_the_callers_loop(bench):
    ran = []

    async def node(state):
        ran.append("node")
        return {"log": ["node"]}

    async def main():
        graph = chain(a=node, ask=lambda state: {"log": [interrupt("who?")]}, b=node)
        execution = await bench.arun(graph, {"log": []}, breakpoints=["b"])
        execution = await bench.aresume(execution, answer="me")
        assert execution.status == "paused"
        return await bench.aresume(execution, update={"log": ["u"]})

    end = asyncio.run(main())
    assert end.output["log"] == ["node", "me", "u", "node"]
    assert ran == ["node"] * 2


def test_cancelling_the_callers_task_cancels_what_is_gone_on_with(bench):
    async def waits(state):
        await asyncio.sleep(30)

    async def main():
        execution = await bench.arun(
            chain(a=add("a"), waits=waits), {"x": 0}, breakpoints=["waits"]
        )
        task = asyncio.create_task(bench.aresume(execution))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return execution

    execution = bench.execution(asyncio.run(main()).id)
    assert execution.status == "cancelled"


def test_the_deadline_holds_for_what_is_gone_on_with(bench):
    async def waits(state):
        await asyncio.sleep(30)

    async def main():
        graph = chain(a=add("a"), b=add("b"), waits=waits)
        execution = await bench.arun(graph, {"x": 0}, breakpoints=["b"], timeout=1)
        return await bench.aresume(execution)

    begun = time.monotonic()
    end = asyncio.run(main())
    assert time.monotonic() - begun < 10
    assert end.status == "timed_out"
    assert [node for node, _ in nodes(end)] == ["a", "b", "waits"], "what it ran is recorded"


def test_what_has_succeeded_is_not_gone_on_with(bench, refused):
    execution = bench.run(abc(), {"x": 0})
    for given in ({}, {"update": {"x": 1}}):
        with refused(InvalidTransitionError, "roll it back or fork it"):
            bench.resume(execution, **given)


def test_what_it_ran_is_recorded_by_attempts(bench):
    execution = bench.run(chain(a=add("a"), ask=ask, b=add("b")), {"x": 0})
    end = bench.resume(execution, answer="me")
    assert [name for name, _ in nodes(end)] == ["a", "ask", "ask", "b"]
    assert [one.status for one in end.attempts] == ["interrupted", "succeeded"]
    assert end.attempts_made == 2


def test_of_two_threads_at_once_one_goes_on(bench):
    ran, both, outcomes = [], threading.Barrier(2), []

    def slow(state):
        ran.append("slow")
        time.sleep(0.3)
        return {"log": ["slow"]}

    execution = bench.run(chain(a=add("a"), slow=slow), {"x": 0}, breakpoints=["slow"])

    def resume():
        both.wait()
        try:
            outcomes.append(bench.resume(execution).status)
        except WtbError:
            outcomes.append("refused")

    threads = [threading.Thread(target=resume) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == ["refused", "succeeded"]
    assert ran == ["slow"]


def test_a_lineage_of_an_earlier_attempt_can_be_gone_back_to(bench):
    breaks = Breaks()
    execution = bench.run(chain(a=add("a"), breaks=breaks, b=add("b")), {"x": 0})
    first = bench.checkpoints(execution)
    breaks.broken = False
    bench.retry(execution)
    assert bench.checkpoints(execution)[-1].id != first[-1].id
    back = bench.rollback(execution, at=first[-1])
    assert bench.checkpoints(back)[-1].id == first[-1].id
    assert bench.resume(back).output["log"] == ["a", "breaks", "b"]


def test_the_journal_tells_of_all(bench):
    execution = bench.run(chain(a=add("a"), ask=ask), {"x": 0})
    fork = bench.fork(execution)
    bench.resume(fork, answer="me")
    bench.rollback(execution, before="a")
    kinds = [event.kind for event in bench.journal() if event.kind.startswith("execution.")]
    assert kinds == [
        "execution.started",
        "execution.interrupted",
        "execution.forked",
        "execution.resumed",
        "execution.started",
        "execution.succeeded",
        "execution.rolled_back",
    ]


def test_what_is_under_way_is_not_resumed(bench, refused, until):
    gate, entered = threading.Event(), threading.Event()

    def waits(state):
        entered.set()
        gate.wait(30)
        return {"log": ["waits"]}

    thread = threading.Thread(target=bench.run, args=(chain(a=add("a"), waits=waits), {"x": 0}))
    thread.start()
    try:
        assert entered.wait(30)
        with refused(InvalidTransitionError, "under way"):
            bench.resume("latest")
        with refused(InvalidTransitionError):
            bench.rollback("latest", before="a")
    finally:
        gate.set()
        thread.join()
