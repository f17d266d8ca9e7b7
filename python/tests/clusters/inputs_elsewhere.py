"""A program: a cluster whose only machine for attempts does not have the directory of inputs.

It prints what has become of the batch, as JSON.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from wtb import TestBench
from wtb.errors import WtbError
from wtb.ray import RayBatchTestRunner, RayConfig

WITHOUT = 'mount -t tmpfs none "$0" && exec "$@"'
"""Runs a program that does not see what is in a directory."""


def told_of(bench, inputs, runner):
    try:
        batch = bench.run_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "how": "tell the inputs"} for number in range(4)],
            workspace=inputs,
            runner=runner,
        )
    except WtbError as error:
        return {"error": str(error)}
    return {
        "statuses": [one.status for one in batch.results],
        "found": [one.metrics["found"] for one in batch.results],
        "warnings": sorted({text for one in batch.results for text in one.warnings}),
        "there": sorted({str(one.attempts[0].workspace.inputs) for one in batch.results}),
        "files": {entry.path: entry.size for entry in bench.files(batch.results[0])},
    }


def main(store, inputs, workspaces, objects):
    small = {"num_cpus": 0, "object_store_memory": 2**27, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=small)
    kind = "-m" if os.geteuid() == 0 else "-rm"
    elsewhere = ["unshare", kind, "sh", "-c", WITHOUT, str(Path(inputs).parent)]
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=2"]
    where = [f"--address={cluster.address}", f"--object-store-memory={2**27}"]
    machine = subprocess.Popen([*elsewhere, *start, *where], stdout=subprocess.DEVNULL)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        config = RayConfig(memory_per_task_gb=0, max_actors=2)
        with (
            RayBatchTestRunner(config) as runner,
            TestBench(store, object_store=objects, workspaces=workspaces) as bench,
        ):
            told = told_of(bench, inputs, runner)
        sys.stdout.write(json.dumps(told) + "\n")
        ray.shutdown()
    finally:
        machine.terminate()
        machine.wait()
        cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
