"""The graphs that every contender runs: three nodes that do nothing, and one that only waits."""

import time
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

SLEEP_S = 0.2
"""How long the node of the sleeping graph waits, as a network call would."""


class State(TypedDict, total=False):
    """The number of the case, and what each node writes."""

    case: int
    first: int
    second: int
    third: int


def first(_: State) -> dict[str, int]:
    """Do nothing."""
    return {"first": 1}


def second(_: State) -> dict[str, int]:
    """Do nothing."""
    return {"second": 2}


def other_second(_: State) -> dict[str, int]:
    """Do nothing, as the variant's implementation of `second`."""
    return {"second": -2}


def third(_: State) -> dict[str, int]:
    """Do nothing."""
    return {"third": 3}


def wait(_: State) -> dict[str, int]:
    """Wait as for a network call."""
    time.sleep(SLEEP_S)
    return {"first": 1}


def noop() -> "StateGraph[State, Any, Any, Any]":
    """Return first -> second -> third."""
    return _line({"first": first, "second": second, "third": third})


def other_noop() -> "StateGraph[State, Any, Any, Any]":
    """Return the same graph with the variant's second node."""
    return _line({"first": first, "second": other_second, "third": third})


def sleeping() -> "StateGraph[State, Any, Any, Any]":
    """Return a graph of one node that waits."""
    return _line({"wait": wait})


def cases(count: int) -> list[dict[str, Any]]:
    """Return so many initial states."""
    return [{"case": number} for number in range(count)]


def _line(nodes: dict[str, Any]) -> "StateGraph[State, Any, Any, Any]":
    graph = StateGraph(State)
    names = list(nodes)
    for name, function in nodes.items():
        graph.add_node(name, function)
    for source, target in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(source, target)
    return graph
