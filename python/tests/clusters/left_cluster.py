"""A program: it leaves its cluster in the middle of a batch.

It prints what has become of the batch, as JSON.
"""

import json
import sys
import time

import ray

from wtb import TestBench
from wtb.errors import WorkerError
from wtb.ray import RayBatchTestRunner, RayConfig


def main(store, address):
    config = RayConfig.for_testing(ray_address=address)
    with RayBatchTestRunner(config) as runner, TestBench(store) as bench:
        batch = bench.start_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "wait_s": 0.2} for number in range(20)],
            runner=runner,
        )
        while not batch.progress.counts["succeeded"]:
            time.sleep(0.05)
        ray.shutdown()
        try:
            batch.wait()
        except WorkerError as error:
            told = {"error": str(error), "has_another": ray.is_initialized()}
        again = bench.resume_batch(batch.id, runner=RayBatchTestRunner(config, keep_actors=False))
        told["statuses"] = sorted({one.status for one in again.results})
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
