"""Programs that are stopped while their processes work: nothing stays, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_remains import below, gone, marked, start
from stores import file_only, store_at

from wtb import TestBench

PROGRAM = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGUSR1, lambda *_: os.fork() or time.sleep(1000))
import wtb
from process_graphs import touching
if __name__ == "__main__":
    store, folder, isolation = sys.argv[1:]
    cases = [wtb.Case({"how": folder}, id=str(number)) for number in range(6)]
    with wtb.TestBench(store) as bench:
        try:
            bench.run_batch("process_graphs:touching", variants=[{}], test_cases=cases,
                            runner="process", isolation=isolation, max_workers=2)
        except KeyboardInterrupt:
            print("interrupted")
"""


@pytest.fixture
def driver(mark, tmp_path, until):
    """A program with a batch of six of which two are under way; and where they write that down."""
    folder = tmp_path / "folder"
    folder.mkdir()
    started = []

    def driver(isolation, within=()):
        store = store_at(tmp_path / "store")
        process = start(PROGRAM, store, str(folder), isolation, within=within)
        started.append(process)
        until(lambda: len(begun(folder)) == 2 or process.poll() is not None, 90)
        assert process.poll() is None, process.communicate()
        return process

    yield driver, folder
    for process in started:
        process.kill()
        process.communicate()


def begun(folder):
    return sorted(one.name for one in folder.glob("?.*"))


def resumed(tmp_path, folder):
    (folder / "go").touch()
    with TestBench(store_at(tmp_path / "store")) as bench:
        batch = bench.resume_batch("latest", max_workers=2)
        assert batch.status == "completed"
        assert [one.output["y"] for one in batch.results] == list("012345")
        ended = [event.execution_id for event in bench.journal(kinds=["execution.succeeded"])]
        assert sorted(ended) == sorted(one.id for one in batch.results)
        return batch


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_a_driver_that_is_killed_takes_all_with_it(driver, mark, tmp_path, isolation):
    begin, folder = driver
    process = begin(isolation)
    assert len(marked(mark)) >= 1 + 2 + 2 * 2
    process.kill()
    process.wait(10)
    assert gone(mark, 5) == {}
    resumed(tmp_path, folder)


def test_ctrl_c_lets_attempts_end(driver, mark, tmp_path):
    begin, folder = driver
    process = begin("fresh")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "it waits for the two that are under way"
    (folder / "go").touch()
    out, err = process.communicate(timeout=60)
    assert (out, err) == ("interrupted\n", "")
    assert gone(mark, 5) == {}
    assert len(begun(folder)) == 2
    batch = resumed(tmp_path, folder)
    assert len(begun(folder)) == 6
    assert {one.attempts_made for one in batch.results} == {1}


def test_ctrl_c_twice_stops_them(driver, mark, tmp_path):
    begin, folder = driver
    process = begin("warm")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out == "interrupted\n"
    assert gone(mark, 5) == {}
    resumed(tmp_path, folder)


UNPRIVILEGED = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
NO_NAMESPACES = ("unshare", "--user", "--map-root-user")
LIMIT = 'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$@"'
LIMITED = (*NO_NAMESPACES, "sh", "-c", LIMIT, "sh")
"""Inside of a namespace of users its own limits hold, and no other program is touched."""

MASKED = 'mount -t tmpfs none /proc/acpi; exec unshare --user --map-user=1000 --map-group=1000 "$@"'
READ_ONLY = (
    "mount --bind /proc /proc; mount -o remount,bind,ro /proc; "
    'exec setpriv --bounding-set -all --inh-caps -all "$@"'
)
"""Workers cannot mount a /proc of their own, or not map their ids: as in containers."""


@pytest.mark.parametrize("within", [(), LIMITED], ids=["namespaces", "no namespaces"])
def test_a_copy_of_the_driver_keeps_nothing_alive(driver, mark, until, within):
    begin, _ = driver
    process = begin("fresh", within)
    before = set(below(process.pid))
    process.send_signal(signal.SIGUSR1)
    until(lambda: len(below(process.pid)) == 1 + len(before), 10)
    (copy,) = set(below(process.pid)) - before
    process.kill()
    process.wait(10)
    try:
        until(lambda: set(marked(mark)) == {copy}, 5)
    finally:
        os.kill(copy, signal.SIGKILL)


GROUNDED = """
import json, os, sys
import wtb
from process_graphs import crashing
ways = ["session", "fork", "daemon", "bomb", "killed", "fine"]
with wtb.TestBench(sys.argv[1]) as bench:
    cases = [wtb.Case({"how": way}, id=way) for way in ways]
    batch = bench.run_batch("process_graphs:crashing", variants=[{}], test_cases=cases,
                            runner="process", max_workers=2, timeout=60)
    limited = open("/proc/sys/user/max_pid_namespaces").read().strip() == "0"
    print(json.dumps([os.geteuid(), limited, {one.case_id: [one.status, one.warnings]
                                              for one in batch.results}]))
"""


def can(within):
    return subprocess.run([*within, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("within", "user", "limited"),
    [
        (UNPRIVILEGED, 1000, False),
        (LIMITED, 0, True),
        ((*NO_NAMESPACES, "--mount", "sh", "-c", MASKED, "sh"), 1000, False),
        (("unshare", "--mount", "sh", "-c", READ_ONLY, "sh"), 0, False),
    ],
    ids=["unprivileged", "no namespaces", "masked", "read-only"],
)
def test_without_the_rights_of_an_administrator(mark, tmp_path, within, user, limited):
    file_only()
    if not can(UNPRIVILEGED) or not can(NO_NAMESPACES):
        pytest.skip("this system has no namespaces of users")
    process = start(GROUNDED, str(tmp_path / "store"), within=within)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    found_user, found_limited, found = json.loads(out)
    assert (found_user, found_limited) == (user, limited)
    assert found.pop("killed")[0] == "failed"
    assert {status for status, _ in found.values()} == {"succeeded"}
    left = "processes were left behind, and ended: "
    assert found["session"][1] == [f"{left}sleep"]
    assert found["fork"][1] == found["daemon"][1] == [f"{left}{Path(sys.executable).name}"]
    assert found["bomb"][1][0].endswith("and 192 more")
    assert gone(mark, 5) == {}
