"""A graph that prints, for processes that find it by its name."""

import sys
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    x: int


def prints(state: State) -> dict[str, int]:
    """Print, and fail on 1."""
    print("said", flush=True)  # noqa: T201
    print("cried", file=sys.stderr, flush=True)  # noqa: T201
    if state["x"]:
        raise ValueError("no")
    return {"x": 0}


def build() -> StateGraph:
    """One node."""
    return (
        StateGraph(State)
        .add_node("prints", prints)
        .add_edge(START, "prints")
        .add_edge("prints", END)
    )
