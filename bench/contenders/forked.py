"""What one would write without a runner: a new process for each invocation. Nothing is stored.

`fork` forks this program, which is the least that a process can cost. `forkserver` is what the
standard library has for programs with threads: a pool whose processes make one invocation each.
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter
from typing import Any

import graphs
from langgraph.checkpoint.memory import InMemorySaver
from serving import serve


def invoke(case: dict[str, Any]) -> bool:
    """Build the graph, run it with a checkpointer, and say whether it has come to its end."""
    graph = graphs.noop().compile(checkpointer=InMemorySaver())
    output = graph.invoke(case, {"configurable": {"thread_id": str(case["case"])}})
    return output["third"] == 3


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Invoke the graph with each case, in so many processes at once."""
    cases = graphs.cases(request["cases"])
    begun = perf_counter()
    done = {"fork": _forked, "forkserver": _pooled}[request["way"]](cases, request["workers"])
    return {"seconds": perf_counter() - begun, "executions": done}


def _forked(cases: list[dict[str, Any]], workers: int) -> int:
    left = iter(cases)
    running = sum(_fork(left) for _ in range(workers))
    done = 0
    while running:
        _, status = os.wait()
        done += status == 0
        running += _fork(left) - 1
    return done


def _fork(left: Iterator[dict[str, Any]]) -> int:
    case = next(left, None)
    if case is None:
        return 0
    if os.fork() == 0:
        status = 1
        try:
            status = int(not invoke(case))
        finally:
            os._exit(status)
    return 1


def _pooled(cases: list[dict[str, Any]], workers: int) -> int:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["langgraph.graph", "langgraph.checkpoint.memory"])
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        return sum(pool.map(invoke, cases))


if __name__ == "__main__":
    serve(measure)
