"""A workflow to start from: read the name in a sentence, then greet its owner."""

import re
from dataclasses import dataclass
from typing import TypedDict

import wtb
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime


@dataclass
class Context:
    """What a variant may set without replacing a node."""

    language: str = "en"


class Input(TypedDict):
    """What a case has to give."""

    text: str


class State(Input, total=False):
    """Everything the nodes pass on."""

    name: str
    greeting: str


def pick(runtime: Runtime[Context], words: dict[str, str]) -> str:
    """Pick the word of the language that was asked for."""
    # A variant that sets no context gives none.
    context = runtime.context or Context()
    return words[context.language]


def read_name(state: State) -> dict[str, str]:
    """Take the last capitalised word for the name."""
    names = re.findall(r"\b[A-Z][a-z]+\b", state["text"])
    return {"name": names[-1] if names else "stranger"}


def greet(state: State, runtime: Runtime[Context]) -> dict[str, str]:
    """Greet in few words."""
    word = pick(runtime, {"en": "Hi", "de": "Hallo"})
    return {"greeting": f"{word} {state['name']}"}


def build() -> StateGraph:
    """Build the graph that all variants start from."""
    graph = StateGraph(State, context_schema=Context, input_schema=Input)
    graph.add_node("read_name", read_name)
    graph.add_node("greet", greet)
    graph.add_edge(START, "read_name")
    graph.add_edge("read_name", "greet")
    graph.add_edge("greet", END)
    return graph


workflow = wtb.Workflow("greeter", graph=build)


@workflow.variant("greet", "polite")
def greet_politely(state: State, runtime: Runtime[Context]) -> dict[str, str]:
    """Greet with a comma and a full stop."""
    word = pick(runtime, {"en": "Good day", "de": "Guten Tag"})
    return {"greeting": f"{word}, {state['name']}."}
