"""The reference implementation, `wtb` 0.3.1 from PyPI, through its own SDK.

Runs in the reference's own virtual environment, in the reference's development mode, which keeps
executions in one SQLite file and LangGraph's checkpoints in another. It has no switch for running
without checkpoints.
"""

import os
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import graphs
from serving import serve
from wtb.sdk import WorkflowProject, WTBTestBench
from wtb.sdk.workflow_project import ExecutionConfig


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Time one batch test from the call until it returns; a cluster has been started before."""
    on_cluster = request["runner"] == "ray"
    with WTBTestBench.create(
        "development", data_dir=request["directory"], enable_ray=on_cluster
    ) as bench:
        project = WorkflowProject(
            name="noop",
            graph_factory=graphs.noop,
            execution=ExecutionConfig(batch_executor=request["runner"]),
        )
        project.register_variant(node="second", name="other", implementation=graphs.other_second)
        bench.register_project(project)
        if on_cluster:
            bench.run_batch_test("noop", [{}], graphs.cases(1))
        cases = graphs.cases(request["cases"])
        begun = perf_counter()
        batch = bench.run_batch_test("noop", [{}, {"second": "other"}], cases)
        seconds = perf_counter() - begun
    complete = sum(result.success for result in batch.results)
    return {"seconds": seconds, "executions": complete, "version": version("wtb")}


if __name__ == "__main__":
    # Its actors find the graphs there.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    serve(measure)
