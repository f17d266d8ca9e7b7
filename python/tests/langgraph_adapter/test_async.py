"""Graphs that have to run on an event loop."""

import asyncio
import contextvars

import pytest
from graphs import State, abc, add, chain
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph.graph import END, MessagesState
from langgraph.prebuilt import ToolNode

from wtb.context import RunContext, current

GIVEN = {"x": 0, "log": []}
RUN = RunContext(execution_id="e_1", seed=5)


async def node(state: State) -> State:
    await asyncio.sleep(0)
    return {"x": state["x"] * 2, "log": ["async"]}


async def route(state: State) -> str:
    return END


async def coroutine_tool(word: str) -> str:
    """A tool."""
    return word


def never():
    return False


def routed():
    graph = abc()
    graph.add_conditional_edges("c", route)
    return graph


@pytest.mark.parametrize(
    ("graph", "is_async"),
    [
        (abc(), False),
        (chain(("a", node)), True),
        (chain(("a", RunnableLambda(node))), True),
        (chain(("a", RunnableLambda(add(1, "a")) | RunnableLambda(node))), True),
        (chain(("a", RunnableLambda(add(1, "a"), afunc=node))), False),
        (chain(("a", RunnableLambda(node).with_config(tags=["t"]))), True),
        (chain(("outer", chain(("a", node)).compile())), True),
        (routed(), True),
        (
            chain(
                (
                    "tools",
                    ToolNode([StructuredTool.from_function(coroutine=coroutine_tool)]),
                ),
                state=MessagesState,
            ),
            True,
        ),
    ],
)
def test_it_is_known_beforehand(execute, graph, is_async):
    assert execute.prepare(graph).is_async is is_async


def test_execute_runs_it_on_one_loop_that_is_kept(execute):
    loops = []

    async def remembers(state: State) -> State:
        loops.append(asyncio.get_running_loop())
        return {"log": [current().seed]}

    prepared = execute.prepare(abc(), {"b": remembers})
    for _ in range(2):
        trace = prepared.execute(GIVEN, run=RUN, cancelled=never)
        assert trace.output["log"] == ["a", 5, "c"]
        assert [record.path for record in trace.nodes] == ["a", "b", "c"]
    assert loops[0] is loops[1]
    assert not current().active


def test_execute_works_inside_a_running_loop(execute):
    flag = contextvars.ContextVar("flag")

    async def sees(state: State) -> State:
        return {"log": [flag.get()]}

    async def main():
        flag.set("seen")
        return execute(abc(), GIVEN, {"b": sees})

    assert asyncio.run(main()).output["log"] == ["a", "seen", "c"]


def test_aexecute_runs_sync_and_async_graphs(execute):
    async def main():
        graphs = [execute.prepare(abc()), execute.prepare(abc(), {"b": node})]
        return await asyncio.gather(
            *(one.aexecute(GIVEN, run=RUN, cancelled=never) for one in graphs)
        )

    plain, doubled = asyncio.run(main())
    assert plain.output == {"x": 111, "log": ["a", "b", "c"]}
    assert doubled.output == {"x": 102, "log": ["a", "async", "c"]}


def raising(kind):
    async def node(state):
        raise kind("out")

    return node


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, BaseException, ValueError, asyncio.CancelledError])
def test_nothing_that_a_node_raises_breaks_the_loop(execute, kind, sync):
    def sync_node(state):
        raise kind("out")

    async def main():
        prepared = execute.prepare(abc(), {"a": node, "b": sync_node if sync else raising(kind)})
        trace = await prepared.aexecute(GIVEN, run=RUN, cancelled=never)
        await asyncio.sleep(0)
        return trace

    trace = asyncio.run(main())
    assert trace.status == "failed"
    assert trace.error.node == "b"
    assert [record.status for record in trace.nodes] == ["succeeded", "failed"]
    if kind is not asyncio.CancelledError:
        assert trace.error.type == kind.__name__


def test_after_a_failure_the_kept_loop_goes_on(execute):
    adapter = execute.adapter(chain(("a", raising(SystemExit))))
    from wtb.variants import Variant

    bad, good = adapter.prepare(Variant("bad")), adapter.prepare(Variant("good", nodes={"a": node}))
    for prepared, status in [(bad, "failed"), (good, "succeeded"), (bad, "failed")]:
        assert prepared.execute(GIVEN, run=RUN, cancelled=never).status == status


def test_cancelling_stops_before_the_next_node(execute):
    stop = []

    async def stopping(state: State) -> State:
        stop.append(1)
        return {"x": 50}

    trace = execute(abc(), GIVEN, {"b": stopping}, cancelled=lambda: bool(stop))
    assert trace.status == "cancelled"
    assert [record.path for record in trace.nodes] == ["a", "b"]


def test_cancelling_the_callers_task_comes_out(execute):
    async def waits(state: State) -> State:
        await asyncio.sleep(60)

    async def main():
        prepared = execute.prepare(abc(), {"b": waits})
        task = asyncio.create_task(prepared.aexecute(GIVEN, run=RUN, cancelled=never))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_siblings_of_a_failed_node_are_recorded_as_cancelled(execute):
    async def waits(state: State) -> State:
        await asyncio.sleep(60)

    graph = abc()
    graph.add_node("d", waits)
    graph.add_edge("a", "d")
    trace = execute(graph, GIVEN, {"b": raising(ValueError)})
    assert {record.path: record.status for record in trace.nodes} == {
        "a": "succeeded",
        "b": "failed",
        "d": "cancelled",
    }
