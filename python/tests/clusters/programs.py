"""Runs a program of this folder in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def told_by(program, *arguments):
    """Return what a program says in its last line. It starts a cluster of its own."""
    # The cluster of the other tests is not its.
    apart = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    # Where its sockets are must have a short name.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        return _told(program, arguments, {**apart, "RAY_TMPDIR": folder})


def told_by_member(program, *arguments):
    """Return what a program says in its last line. It joins the cluster of the other tests."""
    return _told(program, arguments, dict(os.environ))


def _told(program, arguments, surroundings):
    command = [sys.executable, str(Path(__file__).with_name(program)), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=180)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads([line for line in ran.stdout.splitlines() if line.startswith("{")][-1])
