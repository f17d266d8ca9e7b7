"""`arun`: deadlines and cancelling reach a node while it awaits."""

import asyncio
import gc
import threading
import time
import warnings
from time import perf_counter

import pytest
from bench_graphs import CASES, chain
from stores import store_at

import wtb
from wtb import TestBench
from wtb.errors import InvalidTransitionError

PROMPT_S = 10.0
"""Far less than what the nodes here wait for; a busy machine may need it."""


def quick(state):
    return {"x": state["x"] + 1}


async def forever(state):
    await asyncio.sleep(3600)


def shown(execution):
    return [(node.node, node.status) for node in execution.nodes]


FORTH = [("quick", "succeeded"), ("slow", "cancelled")]


@pytest.mark.parametrize("is_sync", [False, True])
def test_a_node_that_awaits_is_cut_at_the_deadline(bench, released, is_sync):
    def waits(state):
        released.wait()

    async def main():
        began = perf_counter()
        graph = chain(quick=quick, slow=waits if is_sync else forever, after=quick)
        execution = await bench.arun(graph, {"x": 0}, timeout=0.5)
        released.set()
        return execution, perf_counter() - began

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        execution, took_s = asyncio.run(main())
    assert 0.5 <= took_s < 0.5 + PROMPT_S
    assert execution.status == "timed_out"
    assert 0.5 <= execution.duration_s <= took_s
    assert (execution.error.type, execution.error.node) == ("TimeoutError", "slow")
    assert execution.error.message == "attempt 1 outlived its deadline"
    assert shown(execution) == FORTH
    assert (execution.output, execution.state) == (None, {"x": 1})
    assert [one.id for one in bench.dead_letters()] == [execution.id]


def test_the_node_and_its_subgraphs_can_clean_up(bench):
    cleaned = []

    async def waits(state):
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("up")

    async def main():
        inner = chain(p=quick, q=waits).compile()
        return await bench.arun(chain(outer=inner), {"x": 0}, timeout=0.5)

    execution = asyncio.run(main())
    assert cleaned == ["up"]
    assert shown(execution) == [
        ("outer", "cancelled"),
        ("outer/p", "succeeded"),
        ("outer/q", "cancelled"),
    ]
    assert execution.error.node == "outer/q"


def test_a_node_that_swallows_its_cancelling_is_left_to_itself(bench):
    ended, let_go = [], False

    async def stubborn(state):
        while not let_go:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                ended.append("swallowed")
        ended.append("ended")
        return {"x": 5}

    async def main():
        nonlocal let_go
        began = perf_counter()
        execution = await bench.arun(chain(stubborn=stubborn), {"x": 0}, timeout=0.5)
        took_s = perf_counter() - began
        assert ended == ["swallowed"]
        gc.collect()
        let_go = True
        while "ended" not in ended:
            await asyncio.sleep(0.01)
        return execution, took_s

    execution, took_s = asyncio.run(main())
    assert took_s < PROMPT_S
    assert (execution.status, execution.error.type) == ("timed_out", "TimeoutError")
    assert bench.execution(execution.id).status == "timed_out", "what came later is refused"


def test_what_a_node_makes_of_its_cancelling_does_not_count(bench):
    async def turns_it(state):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ValueError("turned") from None

    async def returns(state):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return {"x": 7}

    async def main(node):
        return await bench.arun(chain(node=node, after=quick), {"x": 0}, timeout=0.5)

    for node in (turns_it, returns):
        execution = asyncio.run(main(node))
        assert (execution.status, execution.output) == ("timed_out", None)
        assert execution.error.type == "TimeoutError"
        assert [one.node for one in execution.nodes] == ["node"]


@pytest.mark.parametrize("beyond_s", [0.05, 0.6])
def test_a_node_that_holds_the_loop_is_timed_out_when_it_lets_go(bench, beyond_s):
    async def holds(state):
        time.sleep(0.5 + beyond_s)
        return {"x": 1}

    async def main():
        return await bench.arun(chain(holds=holds), {"x": 0}, timeout=0.5)

    execution = asyncio.run(main())
    assert (execution.status, execution.error.type) == ("timed_out", "TimeoutError")
    assert execution.output is None


def test_an_execution_in_time_is_not_touched(bench):
    async def short(state):
        await asyncio.sleep(0.02)
        return {"x": 1}

    async def main():
        many = [bench.arun(chain(short=short), {"x": 0}, timeout=30) for _ in range(20)]
        return await asyncio.gather(*many)

    assert {one.status for one in asyncio.run(main())} == {"succeeded"}


def test_cancelling_the_task_keeps_the_nodes_and_waits_for_their_cleaning_up(bench):
    began, cleaned = threading.Event(), []

    async def slow(state):
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.3)
            cleaned.append("up")

    async def main():
        task = asyncio.create_task(bench.arun(chain(quick=quick, slow=slow), {"x": 0}, timeout=60))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned == ["up"]
        return bench.executions()[0]

    execution = asyncio.run(main())
    assert execution.status == "cancelled"
    assert shown(bench.execution(execution.id)) == FORTH
    assert execution.error is None


def test_a_timeout_of_the_callers_own_is_a_timeout(bench):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await bench.arun(chain(slow=forever), {"x": 0})
        assert not asyncio.current_task().cancelling()

    asyncio.run(main())
    assert bench.executions()[0].status == "cancelled"


def test_a_second_cancelling_does_not_wait(bench):
    began = threading.Event()

    async def stubborn(state):
        began.set()
        while True:
            try:
                await asyncio.sleep(0.5)
                return {"x": 1}
            except asyncio.CancelledError:
                continue

    async def main():
        task = asyncio.create_task(bench.arun(chain(stubborn=stubborn), {"x": 0}))
        await asyncio.to_thread(began.wait)
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return bench.executions()[0].status

    assert asyncio.run(main()) == "cancelled"


def test_bench_cancel_reaches_an_execution_that_awaits(bench):
    began, ids = threading.Event(), []

    async def slow(state):
        ids.append(wtb.current().execution_id)
        began.set()
        await asyncio.sleep(3600)

    async def main():
        task = asyncio.create_task(bench.arun(chain(quick=quick, slow=slow), {"x": 0}))
        await asyncio.to_thread(began.wait)
        asked = perf_counter()
        bench.cancel(ids[0])
        return await task, perf_counter() - asked

    execution, took_s = asyncio.run(main())
    assert took_s < PROMPT_S
    assert (execution.status, shown(execution)) == ("cancelled", FORTH)
    with pytest.raises(InvalidTransitionError, match="not under way in this program"):
        bench.cancel(execution)


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_bench_cancel_reaches_an_execution_of_run(bench, released, until, runner):
    began, ids, found = threading.Event(), [], []

    def waits(state):
        ids.append(wtb.current().execution_id)
        began.set()
        released.wait()

    thread = threading.Thread(
        target=lambda: found.append(bench.run(chain(waits=waits), {"x": 0}, runner=runner))
    )
    thread.start()
    assert began.wait(30)
    bench.cancel(ids[0])
    until(lambda: bench.execution("latest").status == "cancelled")
    released.set()
    thread.join(30)
    assert found[0].status == "cancelled"


def test_closing_the_bench_cancels_what_runs_on_the_loop(tmp_path):
    began = threading.Event()

    async def slow(state):
        began.set()
        await asyncio.sleep(3600)

    async def main():
        async with TestBench(store_at(tmp_path)) as bench:
            task = asyncio.create_task(bench.arun(chain(slow=slow), {"x": 0}))
            await asyncio.to_thread(began.wait)
        await asyncio.wait({task}, timeout=PROMPT_S)
        return task.done() and bench.executions()[0].status

    assert asyncio.run(main()) == "cancelled"


def test_the_other_forms_are_as_they_were(bench):
    with pytest.warns(RuntimeWarning, match="between two nodes only"):
        assert bench.run(chain(quick=quick), CASES[0], timeout=30).succeeded
