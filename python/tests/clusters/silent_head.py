"""A program: a cluster whose head goes in the middle of a batch, and then one of its actors.

It prints what has become of the batch, as JSON.
"""

import json
import os
import signal
import sys
import time
from collections import Counter

import ray
from ray.cluster_utils import Cluster

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig


def ready(runner):
    return [one for one in runner.actors.states() if one.status == "ready"]


def main(store):
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": 2**27, "include_dashboard": False},
    )
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    # There may be more actors than there are, so that the driver wants to know of room for them.
    config = RayConfig(memory_per_task_gb=0, max_actors=4)
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.start_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "wait_s": 0.2} for number in range(40)],
            runner=runner,
        )
        while len(ready(runner)) < 2:
            time.sleep(0.05)
        head = cluster.head_node.all_processes["gcs_server"][0].process
        head.kill()
        time.sleep(1)
        os.kill(ready(runner)[0].process, signal.SIGKILL)
        batch.wait()
        told = {
            "statuses": dict(Counter(one.status for one in batch.results)),
            "lost": sum(len(one.attempts) - 1 for one in batch.results),
            "actors": Counter(one.status for one in runner.actors.states()),
        }
        sys.stdout.write(json.dumps(told) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
