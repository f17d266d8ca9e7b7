"""A program that is killed at any moment leaves files and state of one checkpoint."""

import os
import re
import subprocess
import sys
from pathlib import Path

KILLED_MIN = 50


def test_killed_at_each_call_it_leaves_no_mixture(tmp_path):
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "killed.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(here)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    (times,) = re.findall(r"killed (\d+) times", done.stdout)
    assert int(times) >= KILLED_MIN
