"""A program: a cluster of two machines, both here, of which each has room for one actor and a half.

It prints how much room there is said to be, and what has become of a batch, as JSON.
"""

import json
import sys

import ray
from ray.cluster_utils import Cluster

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig
from wtb.ray.cluster import lacking, room_for

GIB = 2**30


def main(store):
    small = {"num_cpus": 3, "memory": 3 * GIB, "object_store_memory": 2**27}
    head = {**small, "resources": {"left": 1}, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(**small, resources={"right": 1})
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    config = RayConfig(num_cpus_per_task=2, memory_per_task_gb=0, max_actors=4)
    nowhere = RayConfig(memory_per_task_gb=0, resources_per_task={"left": 1, "right": 1})
    told = {
        "room by CPUs": room_for(config),
        "room by memory": room_for(RayConfig(num_cpus_per_task=0.5, memory_per_task_gb=2)),
        "room for what is nowhere together": room_for(nowhere),
        "lacking": lacking(nowhere),
    }
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.run_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "wait_s": 0.1} for number in range(12)],
            runner=runner,
        )
        told["statuses"] = sorted({one.status for one in batch.results})
        told["actors"] = [one.status for one in runner.actors.states()]
    sys.stdout.write(json.dumps(told) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
