"""A program that starts a cluster of its own for a batch, and ends it.

It prints what the cluster had and what is left of it, as JSON.
"""

import json
import sys

import ray

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig


def main(store):
    config = RayConfig(
        ray_address="local",
        ray_namespace="apart",
        num_cpus=3,
        object_store_memory_gb=0.25,
        memory_per_task_gb=0,
        max_actors=1,
    )
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.run_batch(
            "ray_graphs:build", variants=[{}], test_cases=[{"number": 1}], runner=runner
        )
        had = ray.cluster_resources()
        namespace = ray.get_runtime_context().namespace
    told = {
        "output": batch.results[0].output["number"],
        "cpus": had["CPU"],
        "objects": had["object_store_memory"],
        "namespace": namespace,
        "is left": ray.is_initialized(),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
