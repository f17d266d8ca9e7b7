"""Finds the processes that a batch has left behind, and runs programs that have batches."""

import os
import subprocess
import sys
import time
from pathlib import Path

import wtb

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(Path(wtb.__file__).parents[1]), str(HERE)])


def marked(mark: str) -> dict[int, str]:
    """The processes that were started with a mark in their environment, with their names."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "comm").read_text().strip()
            except OSError:
                continue
    return found


def gone(mark: str, seconds: float = 10) -> dict[int, str]:
    """Wait until no process has the mark; return those that stay."""
    end = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def below(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and parent(int(folder.name)) == pid:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def start(program: str, *arguments: str, within: tuple[str, ...] = (), **options):
    """Start a program that has its own interpreter, inside of what another command makes."""
    environment = {**os.environ, "PYTHONPATH": PATHS, **options.pop("env", {})}
    return subprocess.Popen(
        [*within, sys.executable, "-c", program, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run(program: str, *arguments: str, within: tuple[str, ...] = (), **options) -> tuple[str, str]:
    """Run such a program to its end; return what it printed."""
    with start(program, *arguments, within=within, **options) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err
