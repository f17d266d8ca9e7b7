"""Graphs that tests of lineages run; importable, so that other processes find them, too."""

import itertools
import operator
import time
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from wtb import Workflow


class State(TypedDict, total=False):
    x: int
    y: Any
    log: Annotated[list, operator.add]


def chain(*nodes, state=State, **named) -> StateGraph:
    """A graph that runs the given functions in their order."""
    graph = StateGraph(state)
    pairs = [*nodes, *named.items()]
    for name, function in pairs:
        graph.add_node(name, function)
    for one, other in itertools.pairwise([START, *(name for name, _ in pairs), END]):
        graph.add_edge(one, other)
    return graph


def add(label: str, ran: list[str] | None = None, amount: int = 1):
    """A node that counts and leaves its name in the log, and in `ran` each time it is run."""

    def node(state):
        if ran is not None:
            ran.append(label)
        return {"x": state.get("x", 0) + amount, "log": [label]}

    return node


def abc(ran: list[str] | None = None) -> StateGraph:
    return chain(*((name, add(name, ran)) for name in "abc"))


def loop(times: int, ran: list[str] | None = None) -> StateGraph:
    """A node that runs again and again, and one after it."""
    graph = StateGraph(State)
    graph.add_node("turn", add("turn", ran))
    graph.add_node("end", add("end", ran))
    graph.add_edge(START, "turn")
    graph.add_conditional_edges("turn", lambda state: "turn" if state["x"] < times else "end")
    graph.add_edge("end", END)
    return graph


def fork_and_join(names: Sequence[str] = "bc", **functions) -> StateGraph:
    """A node, several at once, and a node that waits for all of these."""
    graph = StateGraph(State)
    for name in ("a", *names, "d"):
        graph.add_node(name, functions.get(name, lambda state, name=name: {"log": [name]}))
    graph.add_edge(START, "a")
    for name in names:
        graph.add_edge("a", name)
    graph.add_edge([*names], "d")
    graph.add_edge("d", END)
    return graph


class Breaks:
    """A node that fails until it is mended."""

    def __init__(self, label: str = "breaks", ran: list[str] | None = None) -> None:
        self.broken, self.label, self.ran = True, label, ran if ran is not None else []

    def __call__(self, state):
        self.ran.append(self.label)
        if self.broken:
            # What runs beside it has time to end: LangGraph loses what it writes after a failure.
            time.sleep(0.05)
            raise ValueError("broken")
        return {"log": [self.label]}


def ask(state):
    return {"log": [interrupt("who?")]}


def ask_twice(state):
    return {"log": [interrupt("first?"), interrupt("second?")]}


def asking(*questions: str) -> StateGraph:
    """A node for each question, and one after them that tells what was said."""
    nodes = {
        f"ask{n}": lambda state, question=question: {"log": [interrupt(question)]}
        for n, question in enumerate(questions)
    }
    return chain(**nodes, end=lambda state: {"y": [*state["log"]]})


def replies(question):
    return f"{question} it is"


def negate(state):
    return {"y": -state["x"]}


def has_many(output):
    return len(output.get("log", ()))


workflow = Workflow("letters", "lineage_graphs:abc")
workflow.register_variant("b", "negated", "lineage_graphs:negate")
