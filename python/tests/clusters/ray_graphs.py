"""Graphs for tests on a cluster: what their nodes do is told by the case."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

import wtb


class State(TypedDict, total=False):
    number: int
    wait_s: float
    how: str
    marks: str
    drawn: float
    process: int
    call: int


calls = 0
"""How often this process has begun an attempt."""


def first(state):
    global calls
    calls += 1
    how = state.get("how", "")
    if state.get("marks"):
        # One file for each attempt that has begun, whoever hears of it.
        mark = f"{wtb.current().execution_id}.{wtb.current().attempt}"
        Path(state["marks"], mark).write_text(str(os.getpid()))
    if how == "fail":
        raise ValueError("no")
    if how == "crash":
        os._exit(7)
    if how == "leave a child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if how == "remove the workspace":
        shutil.rmtree(wtb.current().workspace)
    if how == "write":
        Path(wtb.current().workspace, "own.txt").write_text(f"{state['number']}")
    if how == "tell the inputs":
        wtb.log_metric("found", float(Path(wtb.current().workspace, "given.txt").read_text()))
        # More than a row of the store takes, if that has a directory for objects.
        Path(wtb.current().workspace, "made.bin").write_bytes(random.Random(1).randbytes(300_000))
    if how == "fail at first, then tell" and wtb.current().attempt == 1:
        raise ValueError("not yet")
    if how in ("tell the environment", "fail at first, then tell"):
        wtb.log_metric("RAY_TRIAL", float(os.environ["RAY_TRIAL"]))
    if how == "tell the version":
        import wtb_trial

        wtb.log_metric("version", float(wtb_trial.VERSION))
    time.sleep(state.get("wait_s", 0) * float(os.environ.get("RAY_TRIAL_SLOWER", "1")))
    return {"number": state["number"] * 2, "process": os.getpid(), "call": calls}


def second(state):
    wtb.log_metric("size", float(state["number"]))
    return {"number": state["number"] + 1, "drawn": random.random()}


def plus_ten(state):
    wtb.log_metric("size", float(state["number"]))
    return {"number": state["number"] + 10, "drawn": random.random()}


def build():
    graph = StateGraph(State).add_node("first", first).add_node("second", second)
    return graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", END)


def load(state):
    return {"number": 1}


def train_rf(state):
    wtb.log_metric("accuracy", 0.9)
    return {"how": "rf"}


def train_xgb(state):
    wtb.log_metric("accuracy", 0.95)
    return {"how": "xgb"}


def _pipeline():
    graph = StateGraph(State).add_node("load", load).add_node("train", train_rf)
    return graph.add_edge(START, "load").add_edge("load", "train").add_edge("train", END)


pipeline = wtb.Workflow("wf-ml-pipeline", _pipeline)
pipeline.register_variant("train", "rf", train_rf)
pipeline.register_variant("train", "xgb", train_xgb)
