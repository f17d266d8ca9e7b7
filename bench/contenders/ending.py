"""How quickly the process runner ends what does not want to end, and whether anything remains."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

import wtb
from langgraph.graph import END, START, StateGraph
from serving import serve

GRACE_S = 0.3
TIMEOUT_S = 1.0
CHILDREN = 8
MARK = "WTB_BENCH_ENDING"


class State(TypedDict, total=False):
    """Where an execution says that it has begun."""

    folder: str


def stay(state: State) -> State:
    """Ignore requests to end, and leave a process in a session of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with subprocess.Popen(["sleep", "1000"], start_new_session=True):
        run = wtb.current()
        Path(state["folder"], f"{run.execution_id}").touch()
        while True:
            time.sleep(1000)


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Measure how long it takes from the deadline, or from a cancel, until all is gone."""
    graph = StateGraph(State)
    graph.add_node("stay", stay)
    graph.add_edge(START, "stay")
    graph.add_edge("stay", END)
    runner = wtb.ProcessBatchTestRunner(CHILDREN, grace=GRACE_S, environment={MARK: "1"})
    url = f"sqlite:///{request['directory']}/wtb.db"
    with wtb.TestBench(url) as bench, tempfile.TemporaryDirectory() as folder:
        way = _deadline if request["way"] == "deadline" else _cancel
        seconds = way(bench, graph, runner, folder)
    left = sum(_is_marked(one) for one in Path("/proc").iterdir() if one.name.isdigit())
    return {"seconds": seconds, "executions": 1 if left == 0 else 0}


def _deadline(bench: Any, graph: Any, runner: Any, folder: str) -> float:
    batch = bench.run_batch(
        graph, variants=[{}], test_cases=[{"folder": folder}], runner=runner, timeout=TIMEOUT_S
    )
    (attempt,) = bench.execution(batch.results[0].id).attempts
    took: float = (attempt.finished_at - attempt.started_at).total_seconds()
    return took - TIMEOUT_S


def _cancel(bench: Any, graph: Any, runner: Any, folder: str) -> float:
    batch = bench.start_batch(
        graph, variants=[{}], test_cases=[{"folder": folder}], repeats=CHILDREN, runner=runner
    )
    while len(os.listdir(folder)) < CHILDREN:
        time.sleep(0.01)
    begun = time.perf_counter()
    batch.cancel()
    batch.wait(60)
    return time.perf_counter() - begun


def _is_marked(process: Path) -> bool:
    try:
        return f"{MARK}=1".encode() in (process / "environ").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    serve(measure)
