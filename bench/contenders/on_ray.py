"""This package on a cluster of this machine, which is started once for all rounds."""

from functools import cache
from time import perf_counter
from typing import Any

import graphs
import wtb
from serving import serve


@cache
def _runner(actors: int) -> wtb.RayBatchTestRunner:
    config = wtb.RayConfig.for_local_development(
        num_cpus_per_task=0.5,
        min_actors=actors,
        max_actors=actors,
        max_pending_tasks=1024,
        object_store_memory_gb=0.25,
    )
    return wtb.RayBatchTestRunner(config, processes={"isolation": "warm"})


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Time one batch from the call until every row of it is in the store."""
    cases = graphs.cases(request["cases"])
    url = f"sqlite:///{request['directory']}/wtb.db?synchronous={request['synchronous']}"
    with wtb.TestBench(url) as bench:
        begun = perf_counter()
        batch = bench.run_batch(
            graphs.noop(),
            variants=[{}, {"second": graphs.other_second}],
            test_cases=cases,
            runner=_runner(request["workers"]),
            checkpoints=request["checkpoints"],
        )
        seconds = perf_counter() - begun
        complete = [
            one for one in batch.results if one.status == "succeeded" and len(one.nodes) == 3
        ]
    return {"seconds": seconds, "executions": len(complete)}


if __name__ == "__main__":
    serve(measure)
