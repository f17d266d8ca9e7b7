"""The asynchronous forms, and the synchronous ones inside a running event loop."""

import asyncio
import threading

import pytest
from bench_graphs import CASES, build, chain, is_positive, workflow
from stores import store_at

import wtb
from wtb import TestBench


async def slowly(state):
    await asyncio.sleep(0.01)
    return {"y": [state["x"], wtb.current().seed]}


@pytest.mark.parametrize("graph", [build(), chain(node=slowly)])
def test_the_synchronous_calls_work_inside_a_running_loop(bench, graph):
    async def notebook():
        one = bench.run(graph, {"x": 1})
        many = bench.run_batch(graph, variants=[{}], test_cases=CASES, runner="inline")
        threads = bench.run_batch(graph, variants=[{}], test_cases=CASES)
        assert [done.output for done in many.results] == [done.output for done in threads.results]
        return one.succeeded and many.status == threads.status == "completed"

    assert asyncio.run(notebook())


def test_the_asynchronous_forms(tmp_path):
    async def main():
        async with TestBench(store_at(tmp_path)) as bench:
            one = await bench.arun(workflow, {"x": 1}, variant={"answer": "negated"})
            failed = await bench.arun(chain(node=lambda state: 1 / 0), {"x": 1})
            batch = await bench.arun_batch(workflow, variants=[{}], test_cases=CASES)
            scored = await bench.ascore(batch, [is_positive])
            resumed = await bench.aresume_batch(batch)
            return one.output["y"], failed.error.type, scored.results[0].scores, resumed.status

    assert asyncio.run(main()) == (-2, "ZeroDivisionError", {"is_positive": 1.0}, "completed")


def test_async_nodes_run_on_the_callers_loop_and_do_not_block_it(bench):
    loops = set()

    async def node(state):
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return {"y": state["x"]}

    async def main():
        loops.add(asyncio.get_running_loop())
        graph = chain(node=node)
        found = await asyncio.gather(*(bench.arun(graph, {"x": number}) for number in range(5)))
        return [one.output["y"] for one in found]

    assert asyncio.run(main()) == list(range(5))
    assert len(loops) == 1


def test_cancelling_the_task_cancels_the_execution(bench):
    began = threading.Event()

    async def node(state):
        began.set()
        await asyncio.sleep(3600)

    async def main():
        task = asyncio.create_task(bench.arun(chain(node=node), {"x": 1}))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    (execution,) = bench.executions()
    assert execution.status == "cancelled"


@pytest.mark.parametrize("verb", ["arun_batch", "aresume_batch"])
def test_cancelling_the_task_stops_the_batch_resumably(bench, released, verb):
    began = threading.Event()

    def node(state):
        if state["x"] == 3:
            began.set()
            released.wait()
        return {"y": state["x"]}

    graph = chain(node=node)

    async def main():
        if verb == "arun_batch":
            call = bench.arun_batch(graph, variants=[{}], test_cases=CASES, max_workers=1)
        else:
            batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=1)
            await asyncio.to_thread(began.wait)
            batch.stop()
            batch.wait(30)
            began.clear()
            call = bench.aresume_batch(batch)
        task = asyncio.create_task(call)
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not bench.batch("latest").is_under_way

    asyncio.run(main())
    batch = bench.batch("latest")
    assert batch.is_resumable
    before = {one.id: one.attempts_made for one in batch.results if one.succeeded}
    released.set()
    assert bench.resume_batch(batch).status == "completed"
    assert before == {one.id: one.attempts_made for one in batch.results if one.id in before}


def test_a_task_cancelled_at_once_leaves_no_batch_running(bench, released, until):
    async def main():
        task = asyncio.create_task(
            bench.arun_batch(
                chain(node=lambda state: released.wait()), variants=[{}], test_cases=CASES
            )
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        until(lambda: not any(batch.is_under_way for batch in bench.batches()))

    asyncio.run(main())


def test_cancelling_the_task_ends_scoring(bench, released):
    batch = bench.run_batch(build(), variants=[{}], test_cases=CASES, repeats=10)
    began = threading.Event()
    calls = []

    def slow(output):
        calls.append(output)
        began.set()
        released.wait()
        return 1

    async def main():
        task = asyncio.create_task(bench.ascore(batch, [slow]))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()

    asyncio.run(main())
    assert len(calls) <= 8, "what was being scored, and no more than one more each"
