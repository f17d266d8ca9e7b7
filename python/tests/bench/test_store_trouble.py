"""A disk that is full: a clear error, and nothing that was durable is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bench_graphs import chain

import wtb
from wtb import TestBench

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(Path(wtb.__file__).parents[1]), str(HERE)])

PROGRAM = """
import json, resource, signal, sys, wtb
from bench_graphs import chain

def node(state):
    return {"y": str(state["x"]) * 2_000}

# What is written beyond this size fails, as on a full disk.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 2**20, 4 * 2**20))
bench = wtb.TestBench(sys.argv[1])
try:
    bench.run_batch(chain(node=node), variants=[{}], max_workers=2, runner=sys.argv[2],
                    test_cases=[{"x": number} for number in range(2_000)])
except wtb.StoreError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps(None))
try:
    bench.close()
except wtb.StoreError as error:
    print("closing:", error, file=sys.stderr)
"""


def test_a_full_disk_is_a_clear_error_and_the_batch_can_be_resumed(tmp_path):
    for runner in ("thread", "inline"):
        store = tmp_path / runner
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(store), runner],
            env={**os.environ, "PYTHONPATH": PATHS},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        text = json.loads(done.stdout)
        assert "full" in text or "I/O" in text
        assert "bench.resume_batch('b_" in text
        with TestBench(store) as bench:
            batch = bench.batch("latest")
            before = {one.id: one.output for one in batch.results if one.succeeded}
            assert 0 < len(before) < 2_000
            again = bench.resume_batch(batch, workflow=chain(node=lambda state: {"y": "z"}))
            assert again.status == "completed"
            assert all(bench.execution(key).output == value for key, value in before.items())
