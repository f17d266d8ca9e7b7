"""A graph that plans in a subgraph, looks up, answers, and asks whether the answer will do."""

import operator
import sys
from typing import Annotated, TypedDict

import wtb
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    topic: str
    plan: str
    found: Annotated[list, operator.add]
    answer: str
    verdict: str


class Plan(TypedDict, total=False):
    topic: str
    plan: str


def think(state):
    return {"plan": f"read about {state['topic']}"}


def look_up(state):
    sys.stdout.write("NOISE\n")
    return {"found": [f"{state['topic']} are animals", "the end"]}


def long_answer(state):
    if state["topic"] == "dragons":
        raise LookupError("there are none")
    return {"answer": "First of all:\n" + "\n".join(state["found"])}


def short_answer(state, config):
    mark = config["configurable"].get("mark", ".")
    return {"answer": "First of all:\n" + state["found"][0] + str(mark)}


def loud_answer(state):
    return {"answer": state["found"][0].upper()}


def review(state):
    if state["topic"] == "cats":
        return {"verdict": interrupt({"will it do?": len(state["answer"])})}
    return {"verdict": "not asked"}


def chain(schema, **nodes):
    graph = StateGraph(schema)
    before = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    return graph.add_edge(before, END)


planner = chain(Plan, think=think).compile()
graph = chain(State, planner=planner, look_up=look_up, answer=long_answer, review=review)
workflow = wtb.Workflow("asking", graph)
workflow.register_variant("answer", "short", short_answer)


class Pair(TypedDict, total=False):
    left: str
    right: str


pair = StateGraph(Pair)
for side in ("left", "right"):
    pair.add_node(f"ask_{side}", lambda _, side=side: {side: interrupt(f"{side}?")})
    pair.add_edge(START, f"ask_{side}")


def say_yes(question):
    return "yes"
