"""What the tests of exports run: executions that end in each way that there is."""

import threading
from typing import Any, TypedDict

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

import wtb


class State(TypedDict, total=False):
    kind: str
    text: Any


HOSTILE = '=1+1, "x"|<b>&]]>\x00\x1b[0m\r\n\ttab ​ \u2028 é 中 \U0001f600'
"""A text that breaks whatever does not escape it."""

WAITING = threading.Event()


def act(state: State) -> dict[str, Any]:
    """End as the case says."""
    current = wtb.current()
    match state["kind"]:
        case "flaky" if current.attempt == 1:
            raise ValueError(f"not at first: {HOSTILE}")
        case "fails":
            raise KeyError(f"never: {HOSTILE}")
        case "hangs":
            WAITING.wait(30)
        case "asks":
            interrupt("which one?")
    wtb.log_metric("seen", current.attempt, direction="min")
    return {"text": state.get("text", HOSTILE)}


def worse(state: State) -> dict[str, Any]:
    """Never raise, and answer nothing."""
    return {"text": None}


def count(state: State) -> dict[str, Any]:
    """Use some tokens."""
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    metadata = {"model_name": "tiny"}
    message = AIMessage("ok", usage_metadata=usage, response_metadata=metadata)
    return {"text": [message]}


def build() -> StateGraph:
    """One node that does it all."""
    return StateGraph(State).add_node("act", act).add_edge(START, "act").add_edge("act", END)


KINDS = ("fine", "flaky", "fails", "hangs", "asks")

CASES = [
    wtb.Case({"kind": kind}, "expected", id=f"{kind}|<case>", group="all", tags=[kind])
    for kind in KINDS
]


def answered(output: Any) -> wtb.Score:
    """Whether there is a text."""
    return wtb.Score(output["text"] is not None, reason="because")


def coin(execution: wtb.Execution) -> float:
    """Differ between repeats."""
    return float(execution.repeat == 0)


def broken(output: Any) -> float:
    """Never give a score."""
    raise ValueError("no idea")


def run(bench: wtb.TestBench, **arguments: Any) -> wtb.Batch:
    """Run a batch that has all of it: every end, retries, repeats that disagree."""
    WAITING.clear()
    try:
        return bench.run_batch(
            build(),
            variants=[{}, wtb.Variant("worse", nodes={"act": worse}), count_variant()],
            test_cases=CASES,
            evaluators=[answered, coin, broken],
            repeats=2,
            retries=1,
            backoff=0.001,
            timeout=1.0,
            name="all | of <it>",
            **arguments,
        )
    finally:
        WAITING.set()


def count_variant() -> wtb.Variant:
    """Return the variant that uses tokens."""
    return wtb.Variant("counts", nodes={"act": count})
