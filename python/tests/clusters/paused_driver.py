"""A program that drives a batch on a cluster and is stopped in the middle of it, for a while.

It prints what has become of the batch, as JSON.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig


def main(store, address):
    config = RayConfig.for_testing(ray_address=address, result_timeout=1.0)
    processes = {"isolation": "warm"}
    with RayBatchTestRunner(config, processes=processes) as runner, TestBench(store) as bench:
        batch = bench.start_batch(
            "ray_graphs:build",
            variants=[{}],
            test_cases=[{"number": number, "wait_s": 0.2} for number in range(30)],
            runner=runner,
        )
        while batch.progress.counts["succeeded"] < 4:
            time.sleep(0.02)
        wake = f"sleep 4; kill -{signal.SIGCONT.value} {os.getpid()}"
        with subprocess.Popen(["/bin/sh", "-c", wake]):
            os.kill(os.getpid(), signal.SIGSTOP)
        batch.wait()
        told = {
            "statuses": dict(Counter(one.status for one in batch.results)),
            "attempts": sum(len(one.attempts) for one in batch.results),
            "workers": [event.kind for event in bench.journal(batch=batch.id, kinds=["worker.*"])],
        }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
