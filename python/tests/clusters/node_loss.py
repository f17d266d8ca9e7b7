"""A program: a cluster of three machines, all here, of which one goes in the middle of a batch.

It prints what has become of the batch, as JSON.
"""

import json
import sys
import time
from collections import Counter

import ray
from ray.cluster_utils import Cluster

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig


def main(store):
    small = {"num_cpus": 1, "object_store_memory": 2**27}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    going = cluster.add_node(**small)
    cluster.add_node(**small)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    config = RayConfig(memory_per_task_gb=0, max_actors=3, actor_max_restarts=3)
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.start_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "wait_s": 0.2} for number in range(90)],
            runner=runner,
        )
        while len([one for one in runner.actors.states() if one.status == "ready"]) < 3:
            time.sleep(0.05)
        time.sleep(1)
        gone_at = time.time()
        cluster.remove_node(going, allow_graceful=False)
        batch.wait()
        again = [one.attempts[-1] for one in batch.results if len(one.attempts) > 1]
        events = bench.journal(batch=batch.id, kinds=["execution.*"])
        ended = Counter(one.execution_id for one in events if one.kind == "execution.succeeded")
        told = {
            "statuses": dict(Counter(one.status for one in batch.results)),
            "most ends of one": max(ended.values()),
            "lost": [one.name for one in runner.actors.states() if one.status == "lost"],
            "elsewhere after": [one.started_at.timestamp() - gone_at for one in again],
        }
        sys.stdout.write(json.dumps(told) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
