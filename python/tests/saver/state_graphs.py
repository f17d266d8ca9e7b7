"""Graphs that tests of several kinds run."""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

DURABILITIES = ["sync", "async", "exit"]


class State(TypedDict, total=False):
    x: int
    log: Annotated[list, operator.add]
    constant: str


def chain(saver, *nodes, state=State, **options):
    graph = StateGraph(state)
    names = [START]
    for name, action in nodes:
        graph.add_node(name, action)
        graph.add_edge(names[-1], name)
        names.append(name)
    graph.add_edge(names[-1], END)
    return graph.compile(checkpointer=saver, **options)


def add(label, amount=1):
    def node(state):
        return {"x": state.get("x", 0) + amount, "log": [label]}

    return node


def abc(saver):
    return chain(saver, *((name, add(name)) for name in "abc"))
