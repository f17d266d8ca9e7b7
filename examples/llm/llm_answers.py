"""Ask a language model which symbol of the standard library to use: retrieve -> ask -> check.

Works with any endpoint that speaks the OpenAI protocol, named by three environment variables:
`OPENAI_BASE_URL`, `OPENAI_API_KEY` and `WTB_EXAMPLE_MODEL`. They are read when the graph is built.
Model, prompt and temperature come through LangGraph's `context`, so that variants need no code.
"""

import functools
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import wtb
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from pydantic import SecretStr

# The corpus and the search belong to the retrieval example next door.
sys.path.append(str(Path(__file__).resolve().parent.parent / "retrieval"))

from retrievers import bm25
from stdlib_docs import Entry, corpus

MAX_ROUNDS = 2
CANDIDATES_PER_ROUND = 8
MAX_RETRIES = 5

INSTRUCTIONS = {
    "plain": "Reply with the full name of the one candidate that answers the question.",
    "concise": "Reply with the full name of the one candidate that answers the question.",
    "careful": "Weigh the candidates against each other. Then put the full name of the one that "
    "answers the question on the last line.",
}
"""Prompt style -> what the model is told. The style also decides what it is told of a candidate."""


@dataclass(frozen=True)
class Settings:
    """The graph's `context`: what variants of this workflow vary."""

    model: str | None = None
    """Asked instead of `WTB_EXAMPLE_MODEL`."""
    prompt_style: Literal["plain", "concise", "careful"] = "plain"
    temperature: float | None = None
    """None leaves it to the provider; some models accept nothing else."""

    def __post_init__(self) -> None:
        if self.prompt_style not in INSTRUCTIONS:
            known = ", ".join(INSTRUCTIONS)
            raise ValueError(f"unknown prompt_style {self.prompt_style!r}; choose from {known}")


class Question(TypedDict):
    """What a case has to give."""

    question: str


class State(Question):
    """Everything the nodes pass on."""

    messages: Annotated[list[AnyMessage], add_messages]
    rounds: int
    candidates: list[str]
    answer: str | None


def build() -> StateGraph[State, Settings, Question, State]:
    """Build the graph for the endpoint that the environment names.

    Raises:
        RuntimeError: One of the three variables is not set.
    """
    endpoint = read_environment()

    @functools.cache
    def chat(model: str | None, temperature: float | None) -> ChatOpenAI:
        # The client retries 429 (after the time that Retry-After asks for) and 5xx by itself.
        return ChatOpenAI(
            base_url=endpoint["OPENAI_BASE_URL"],
            api_key=SecretStr(endpoint["OPENAI_API_KEY"]),
            model=model or endpoint["WTB_EXAMPLE_MODEL"],
            temperature=temperature,
            max_retries=MAX_RETRIES,
            timeout=60,
        )

    def ask(state: State, runtime: Runtime[Settings]) -> dict[str, Any]:
        """Put the question and its candidates to the model."""
        settings = runtime.context or Settings()
        messages: list[AnyMessage] = [prompt(state, settings)]
        if state["rounds"] == 1:
            messages.insert(0, system(settings))
        model = chat(settings.model, settings.temperature)
        return {"messages": [*messages, model.invoke([*state.get("messages", []), *messages])]}

    graph = StateGraph(State, context_schema=Settings, input_schema=Question)
    graph.add_node("retrieve", retrieve)
    graph.add_node("ask", ask)
    graph.add_node("check", check)
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "ask")
    graph.add_edge("ask", "check")
    graph.add_conditional_edges("check", settled, ["retrieve", END])
    return graph


def read_environment() -> dict[str, str]:
    """Return the endpoint's variables, or say which are missing."""
    names = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "WTB_EXAMPLE_MODEL")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise RuntimeError(
            f"set {', '.join(missing)} in the environment: any OpenAI-compatible endpoint will do. "
            "To try it without an account, start `python local_server.py --port 8123` and set "
            "OPENAI_BASE_URL=http://127.0.0.1:8123/v1 OPENAI_API_KEY=local "
            "WTB_EXAMPLE_MODEL=rules-large"
        )
    return {name: os.environ[name] for name in names}


def retrieve(state: State) -> dict[str, Any]:
    """Search the corpus; the second round goes further down the ranking."""
    rounds = state.get("rounds", 0) + 1
    found = bm25().search(state["question"], CANDIDATES_PER_ROUND * rounds)
    return {"candidates": found, "rounds": rounds}


def check(state: State) -> dict[str, Any]:
    """Read the last line of the reply; only one of the candidates is an answer."""
    lines = state["messages"][-1].text.strip().splitlines()
    named = re.findall(r"[\w.]*\w", lines[-1]) if lines else []
    return {"answer": next((name for name in named if name in state["candidates"]), None)}


def settled(state: State) -> Literal["retrieve", "__end__"]:
    """Show the model more candidates when it liked none, until the rounds are used up."""
    done = state["answer"] is not None or state["rounds"] >= MAX_ROUNDS
    return "__end__" if done else "retrieve"


def system(settings: Settings) -> SystemMessage:
    """Return the standing instructions."""
    text = (
        "You know Python's standard library. "
        f"{INSTRUCTIONS[settings.prompt_style]} Reply with NONE if no candidate does."
    )
    # Ids of our own, because add_messages would invent random ones and no two runs were alike.
    return SystemMessage(text, id="system")


def prompt(state: State, settings: Settings) -> HumanMessage:
    """Return the question with the candidates that the model has not seen yet."""
    unseen = state["candidates"][CANDIDATES_PER_ROUND * (state["rounds"] - 1) :]
    lines = [describe(corpus()[name], settings.prompt_style) for name in unseen]
    text = "\n".join([f"Question: {state['question']}", "Candidates:", *lines])
    return HumanMessage(text, id=f"prompt-{state['rounds']}")


def describe(entry: Entry, style: str) -> str:
    """Return a candidate's line: its name, and as much of its documentation as the style wants."""
    match style:
        case "concise":
            return f"- {entry.name}"
        case "careful":
            return f"- {entry.name}: {' '.join(entry.text.split())[:400]}"
        case _:
            return f"- {entry.name}: {entry.summary}"


workflow = wtb.Workflow("llm-answers", build)
