"""Which workspaces stay, for how long, and what becomes of those of programs that were killed."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workspace_graphs import listing

import wtb
from wtb import TestBench


def run(bench, inputs, how, keep="failed", runner="process", **options):
    return bench.run(
        "workspace_graphs:build",
        {"how": how},
        workspace=wtb.Workspace(inputs, keep=keep),
        runner=runner,
        **options,
    )


@pytest.mark.parametrize(
    ("keep", "how", "stays"),
    [
        ("failed", "x", False),
        ("failed", "fail", True),
        ("all", "x", True),
        ("none", "fail", False),
    ],
)
def test_it_stays_as_it_was_asked_for(bench, inputs, runner, left, keep, how, stays):
    ran = run(bench, inputs, how, keep, runner)
    assert ran.workspace.is_kept is stays
    assert len(left()) == int(stays)
    if stays:
        found = listing(ran.workspace.directory)
        assert found["data.csv"] == "input\nfirst\nsecond\n"


@pytest.mark.parametrize("how", ["exit", "sleep"])
def test_what_a_killed_attempt_has_left_is_kept_and_stored(bench, inputs, how):
    timeout = 3 if how == "sleep" else None
    ran = run(bench, inputs, how, timeout=timeout)
    assert ran.status == ("timed_out" if how == "sleep" else "failed")
    assert ran.workspace.is_kept
    stored = {one.path: one.read_text() for one in bench.files(ran) if one.kind == "file"}
    assert stored["made/second.txt"] == how


def test_of_attempts_that_failed_the_last_one_is_kept(bench, inputs, left):
    batch = bench.run_batch(
        "workspace_graphs:build",
        variants=[{}],
        test_cases=[{"how": "fail"}],
        workspace=inputs,
        runner="process",
        retries=2,
        backoff=0,
    )
    (ran,) = batch.results
    assert left() == [f"{ran.id}.3"]
    assert [one.workspace.is_kept for one in ran.attempts] == [False, False, True]


def test_kept_ones_go_when_they_take_too_much(inputs, store, base, left):
    (inputs / "large").write_bytes(bytes(range(256)) * 4096)
    try:
        with TestBench(store, workspaces=base, workspaces_max=3 * 2**20) as bench:
            ran = [run(bench, inputs, "fail", runner="inline") for _ in range(4)]
            assert left() == sorted(f"{one.id}.1" for one in ran[2:])
            # What was stored of the others is there as before.
            assert "large" in {one.path for one in bench.files(ran[0])}
    finally:
        (inputs / "large").unlink()


KILLED = """
import os, sys, wtb
store, base, inputs = sys.argv[1:]
if __name__ == "__main__":
    with wtb.TestBench(store, workspaces=base) as bench:
        bench.run("workspace_graphs:build", {"how": "fail"}, workspace=inputs, runner="process")
        def wait(state):
            print("there", flush=True)
            import time
            time.sleep(1000)
        from workspace_graphs import chain, first
        bench.run(chain(first=first, wait=wait), {"how": "x"}, workspace=inputs)
"""


def test_what_a_killed_program_has_left_is_removed_by_the_next_one(
    inputs, store, base, left, until
):
    arguments = [sys.executable, "-c", KILLED, str(store), str(base), str(inputs)]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=here) as program:
        assert program.stdout.readline() == b"there\n"
        assert len(left()) == 2
        # While it lives, nobody touches them.
        with TestBench(store, workspaces=base) as bench:
            run(bench, inputs, "x", runner="inline")
        assert len(left()) == 2
        program.send_signal(signal.SIGKILL)
    with TestBench(store, workspaces=base) as bench:
        (failed,) = bench.executions(status="failed")
        run(bench, inputs, "x", runner="inline")
        assert left() == [f"{failed.id}.1"]
        assert failed.workspace.is_kept


@pytest.fixture
def uncollected():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")  # The traceback of a node's error refers to its attempt.
def test_what_was_kept_goes_when_a_later_program_tries_again(inputs, store, base, left):
    with TestBench(store, workspaces=base) as bench:
        ran = run(bench, inputs, "fail", runner="inline")
    assert left() == [f"{ran.id}.1"]
    with TestBench(store, workspaces=base) as bench:
        again = bench.retry(ran.id)
        assert again.status == "failed"
        assert left() == [f"{ran.id}.2"]


def test_a_thread_that_still_writes_does_not_keep_the_next_attempt_from_beginning(bench, inputs):
    batch = bench.run_batch(
        "workspace_graphs:restless",
        variants=[{}],
        test_cases=[{"how": "x"}],
        workspace=inputs,
        runner="thread",
        timeout=1,
        retries=1,
        backoff=0,
    )
    (ran,) = batch.results
    assert [one.error.type for one in ran.attempts] == ["TimeoutError", "TimeoutError"]
    assert all(one.workspace is not None for one in ran.attempts)
