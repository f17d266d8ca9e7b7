"""A program: a cluster of three machines, all here. Amid a batch one goes, and one is cut off.

It prints what has become of the batch, as JSON.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig

CASES = 60

SOON_DEAD = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""The head gives a machine up that is silent for a few seconds, and not for half a minute."""


def of_status(runner, status):
    return [one for one in runner.actors.states() if one.status == status]


def is_there(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def machine_of(process):
    """Return the process of the machine's own program that an actor's process belongs to."""
    stat = Path(f"/proc/{process}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def main(store, marks):
    small = {"num_cpus": 1, "object_store_memory": 2**27}
    head = {**small, "include_dashboard": False, "_system_config": SOON_DEAD}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    going, cut_off = cluster.add_node(**small), cluster.add_node(**small)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    config = RayConfig(memory_per_task_gb=0, max_actors=3, actor_max_restarts=3)
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.start_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[
                {"number": number, "wait_s": 0.2, "marks": marks} for number in range(CASES)
            ],
            runner=runner,
        )
        while len(of_status(runner, "ready")) < 3:
            time.sleep(0.05)
        time.sleep(1)
        gone_at = time.time()
        cluster.remove_node(going, allow_graceful=False)
        # Its actor does not die, and nobody tells it that it is given up.
        frozen = cut_off.all_processes["raylet"][0].process.pid
        (zombie,) = [
            one.process for one in of_status(runner, "ready") if machine_of(one.process) == frozen
        ]
        os.kill(frozen, signal.SIGSTOP)
        batch.wait()
        lives = is_there(zombie)
        os.kill(frozen, signal.SIGCONT)
        again = [one.attempts[-1] for one in batch.results if len(one.attempts) > 1]
        recorded = {f"{one.id}.{made.number}" for one in batch.results for made in one.attempts}
        events = bench.journal(batch=batch.id, kinds=["execution.*"])
        ended = Counter(one.execution_id for one in events if one.kind == "execution.succeeded")
        told = {
            "statuses": dict(Counter(one.status for one in batch.results)),
            "most ends of one": max(ended.values()),
            "lost": len(of_status(runner, "lost")),
            "a zombie lives": lives,
            "begun and not recorded": sorted(set(os.listdir(marks)) - recorded),
            "elsewhere after": [one.started_at.timestamp() - gone_at for one in again],
        }
        sys.stdout.write(json.dumps(told) + "\n")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
