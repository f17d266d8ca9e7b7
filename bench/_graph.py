"""The graph that savers are compared on: three nodes that do nothing."""

import uuid
from collections.abc import Callable, Sequence
from typing import TypedDict

from _savers import Saver
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    """What the graph adds to."""

    x: int


def invocations(saver: Saver, count: int) -> Callable[[], Sequence[Callable[[], object]]]:
    """Return what prepares a round of calls of the graph, each on a thread of its own.

    Args:
        saver: Saves each step before the next one begins.
        count: How many calls there are.
    """
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, _step)
    for before, after in ((START, "a"), ("a", "b"), ("b", "c"), ("c", END)):
        builder.add_edge(before, after)
    graph = builder.compile(checkpointer=saver)

    def invoke() -> object:
        config: RunnableConfig = {"configurable": {"thread_id": str(uuid.uuid4())}}
        return graph.invoke({"x": 0}, config, durability="sync")

    return lambda: [invoke] * count


def _step(state: State) -> State:
    return {"x": state["x"] + 1}
