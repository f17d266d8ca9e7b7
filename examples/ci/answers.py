"""The graph under test: reads a sum in words and works it out."""

import re
from typing import TypedDict

import wtb
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    """The question, the numbers in it, and the answer."""

    question: str
    numbers: list[int]
    answer: int


def read(state: State) -> State:
    """Find the numbers."""
    return {"numbers": [int(one) for one in re.findall(r"\d+", state["question"])]}


def answer(state: State) -> State:
    """Work out the sum."""
    return {"answer": sum(state["numbers"])}


def build() -> StateGraph[State]:
    """Build the graph."""
    graph = StateGraph(State).add_node("read", read).add_node("answer", answer)
    return graph.add_edge(START, "read").add_edge("read", "answer").add_edge("answer", END)


workflow = wtb.Workflow("answers", "answers:build")

CASES = [
    wtb.Case({"question": f"What is {one} plus {other}?"}, one + other, id=f"{one}+{other}")
    for one in range(10)
    for other in range(12)
]
