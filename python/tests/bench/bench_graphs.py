"""Graphs that the tests of the bench run; importable, so that other processes find them, too."""

import itertools
import threading
import time
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from wtb import Workflow


class State(TypedDict, total=False):
    x: int
    y: Any


def chain(**nodes) -> StateGraph:
    """A graph that runs the given functions in their order."""
    graph = StateGraph(State)
    names = [START, *nodes, END]
    for name, function in nodes.items():
        graph.add_node(name, function)
    for one, other in itertools.pairwise(names):
        graph.add_edge(one, other)
    return graph


gates: list[threading.Semaphore] = []
"""While there is one, `prepare` waits for it."""


def prepare(state):
    for gate in gates:
        gate.acquire()
    return {"x": state["x"] + 1}


def answer(state):
    return {"y": 10 * state["x"]}


def negate(state):
    return {"y": -state["x"]}


def fail_on_two(state):
    if state["x"] == 3:
        raise ValueError("two is too much")
    return {"y": 1}


def build() -> StateGraph:
    return chain(prepare=prepare, answer=answer)


def build_slowly() -> StateGraph:
    def slow(state):
        time.sleep(0.2)
        return {"y": state["x"]}

    return chain(slow=slow)


workflow = Workflow("numbers", "bench_graphs:build")
workflow.register_variant("answer", "negated", "bench_graphs:negate")
workflow.register_variant("answer", "failing", fail_on_two)

CASES = [{"x": number} for number in range(4)]


def is_positive(output):
    return output["y"] > 0
