"""Small graphs that several tests run, and what is told of their nodes."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

GIVEN = {"x": 0, "log": []}


class State(TypedDict, total=False):
    x: int
    log: Annotated[list, operator.add]


def chain(*nodes, state=State, **options) -> StateGraph:
    """A graph that runs (name, function) pairs in order."""
    graph = StateGraph(state, **options)
    names = [START]
    for name, function in nodes:
        graph.add_node(name, function)
        graph.add_edge(names[-1], name)
        names.append(name)
    graph.add_edge(names[-1], END)
    return graph


def add(amount, label):
    """A node that adds to x and logs its label."""

    def node(state):
        return {"x": state["x"] + amount, "log": [label]}

    return node


def abc() -> StateGraph:
    """Nodes a, b, c that add 1, 10 and 100."""
    return chain(("a", add(1, "a")), ("b", add(10, "b")), ("c", add(100, "c")))


compiled_abc = abc().compile()


def statuses(trace):
    """The nodes of a trace in their order, with how each ended."""
    return [(node.path, node.status) for node in trace.nodes]
