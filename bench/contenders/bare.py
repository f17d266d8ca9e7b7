"""LangGraph alone: `graph.invoke` in a loop or in a thread pool. Nothing is stored."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import graphs
from serving import serve


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Invoke each graph with each case; compiling is not counted."""
    cases = graphs.cases(request["cases"])
    if request["graph"] == "sleeping":
        return _pool(graphs.sleeping().compile(), cases, request["workers"])
    variants = [graphs.noop().compile(), graphs.other_noop().compile()]
    begun = perf_counter()
    outputs = [graph.invoke(case) for graph in variants for case in cases]
    seconds = perf_counter() - begun
    return {"seconds": seconds, "executions": sum(output["third"] == 3 for output in outputs)}


def _pool(graph: Any, cases: list[dict[str, Any]], workers: int) -> dict[str, Any]:
    begun = perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        outputs = list(pool.map(graph.invoke, cases))
    seconds = perf_counter() - begun
    return {"seconds": seconds, "executions": sum(output["first"] == 1 for output in outputs)}


if __name__ == "__main__":
    serve(measure)
