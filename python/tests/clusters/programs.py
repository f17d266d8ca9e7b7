"""Runs a program of this folder in a process of its own, away from the cluster of the tests."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def told_by(program, *arguments):
    """Return what the last line of a program says."""
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    # The cluster of the other tests is not its.
    apart = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    # Where its sockets are must have a short name.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        apart["RAY_TMPDIR"] = folder
        ran = subprocess.run(command, capture_output=True, text=True, env=apart, timeout=180)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads([line for line in ran.stdout.splitlines() if line.startswith("{")][-1])
