"""A workflow whose one node leaves marks in `log.txt` and waits to be let through."""

import threading
import time
from pathlib import Path
from typing import TypedDict

import wtb
from langgraph.graph import END, START, StateGraph

LOG, PERMITS = Path("log.txt"), Path("permits.txt")
TURNSTILE = threading.Lock()


class State(TypedDict, total=False):
    """A case's number, and the number again."""

    number: int
    answer: int


def mark(step: str) -> None:
    """Leave a mark that outlives the process."""
    run = wtb.current()
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"{step} {run.variant} {run.case_id}\n")


def may_pass() -> bool:
    """Pass if fewer executions have passed than may."""
    with TURNSTILE:
        passed = LOG.read_text(encoding="utf-8").count("end ")
        if passed >= int(PERMITS.read_text(encoding="utf-8")):
            return False
        mark("end")
        return True


def answer(state: State) -> State:
    """Wait to be let through."""
    mark("begin")
    while not may_pass():
        time.sleep(0.01)
    return {"answer": state["number"]}


graph = StateGraph(State)
graph.add_node("answer", answer)
graph.add_edge(START, "answer")
graph.add_edge("answer", END)

workflow = wtb.Workflow("gated", graph)
