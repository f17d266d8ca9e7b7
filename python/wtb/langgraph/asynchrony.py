"""Whether a graph has to be run asynchronously, and the guard that such a run needs."""

import inspect
from collections.abc import Iterable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import START
from langgraph.pregel import Pregel

from wtb.langgraph.loading import AnyGraph, map_subgraphs, subgraph_of


def needs_async(graph: AnyGraph) -> bool:
    """Whether some node or route of the graph has no synchronous implementation."""
    bound = (node.bound for node in graph.nodes.values())
    branches = getattr(getattr(graph, "builder", None), "branches", {})
    routes = (branch.path for named in branches.values() for branch in named.values())
    return any(_only_async(one) for one in (*bound, *routes))


def _only_async(runnable: Any) -> bool:
    if isinstance(runnable, Pregel):
        return needs_async(runnable)
    if parts := list(_parts(runnable)):
        return any(_only_async(part) for part in parts)
    if tools := getattr(runnable, "tools_by_name", None):
        return any(_only_async_tool(tool) for tool in tools.values())
    # LangGraph's own runnables have both attributes, langchain's RunnableLambda lacks `func` then.
    return getattr(runnable, "func", None) is None and getattr(runnable, "afunc", None) is not None


def _parts(runnable: Any) -> Iterable[Any]:
    steps = getattr(runnable, "steps", None) or getattr(runnable, "steps__", None)
    if isinstance(steps, dict):
        return steps.values()
    if isinstance(steps, list | tuple):
        return steps
    inner = getattr(runnable, "bound", None)
    return [inner] if isinstance(inner, Runnable) else []


def _only_async_tool(tool: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(tool, "coroutine", None)) and (
        getattr(tool, "func", None) is None
    )


class NodeExitError(BaseException):
    """Carries a `SystemExit` or `KeyboardInterrupt` that a node raised out of the event loop.

    asyncio lets these two through a task right out of the loop, whosever loop it is. It derives
    from `BaseException`, so that LangGraph does not retry the node.
    """


class _Guard(Runnable[Any, Any]):
    """Runs a node and turns the exceptions that would break the event loop into `NodeExitError`."""

    def __init__(self, bound: Runnable[Any, Any], path: str) -> None:
        self.bound = bound
        self.name = bound.get_name()
        # LangGraph keys its node cache by these two.
        self.__module__ = __name__
        self.__qualname__ = path

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        return self.bound.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        try:
            return await self.bound.ainvoke(input, config, **kwargs)
        except (SystemExit, KeyboardInterrupt) as error:
            raise NodeExitError from error


def guarded(graph: AnyGraph) -> AnyGraph:
    """Return a copy of the graph whose nodes cannot break the event loop that runs it."""
    return _guard_nodes(map_subgraphs(graph, _guard_nodes))


def _guard_nodes(graph: AnyGraph) -> AnyGraph:
    nodes = {
        name: node
        if name == START or subgraph_of(graph, name) is not None
        else node.copy({"bound": _Guard(node.bound, name)})
        for name, node in graph.nodes.items()
    }
    return graph.copy({"nodes": nodes})
