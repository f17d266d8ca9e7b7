"""This package: `TestBench.run_batch` into a new store on disk."""

from time import perf_counter
from typing import Any

import graphs
import wtb
from serving import serve


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Time one batch from the call until every row of it is in the store."""
    sleeping = request["graph"] == "sleeping"
    graph = graphs.sleeping() if sleeping else graphs.noop()
    variants = [{}] if sleeping else [{}, {"second": graphs.other_second}]
    cases = graphs.cases(request["cases"])
    url = f"sqlite:///{request['directory']}/wtb.db?synchronous={request['synchronous']}"
    with wtb.TestBench(url) as bench:
        begun = perf_counter()
        batch = bench.run_batch(
            graph,
            variants=variants,
            test_cases=cases,
            runner=request["runner"],
            max_workers=request["workers"],
            checkpoints=request["checkpoints"],
            workspace=request.get("workspace"),
            **({"isolation": request["isolation"]} if "isolation" in request else {}),
        )
        seconds = perf_counter() - begun
        nodes = 1 if sleeping else 3
        complete = [one for one in batch.results if _is_complete(one, nodes)]
    return {"seconds": seconds, "executions": len(complete)}


def _is_complete(execution: wtb.Execution, nodes: int) -> bool:
    return (
        execution.status == "succeeded"
        and execution.output["first"] == 1
        and len(execution.nodes) == nodes
    )


if __name__ == "__main__":
    serve(measure)
