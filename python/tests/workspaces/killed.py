"""Kills a program at each of its calls into the engine, and looks what it leaves: run by a test.

Everything is done in forks of one program that has imported what it takes: hundreds are quick then.
"""

import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

from workspace_graphs import chain, here

import wtb
from wtb.langgraph import adapter  # noqa: F401  # what a bench would import in each fork

ROUNDS_MAX = 2_000


def note(name):
    """A node that writes its name both into a file and into the state."""

    def node(state):
        with (here() / "log.txt").open("a") as file:
            file.write(f"{name}\n")
        if state["how"] == "fail" and name == "third":
            raise ValueError("as asked")
        return {"seen": [*state.get("seen", []), name]}

    return node


def build():
    return chain(first=note("first"), second=note("second"), third=note("third"))


def opened(folder):
    return wtb.TestBench(folder / "store", workspaces=folder / "workspaces")


def prepare(folder):
    """Make an execution that fails in its last node."""
    with opened(folder) as bench:
        ran = bench.run("killed:build", {"how": "fail"}, workspace=folder / "inputs")
        assert ran.status == "failed", ran


def roll_back_and_fork(folder):
    """Go back and on, and make a fork with another state."""
    with opened(folder) as bench:
        (ran,) = bench.executions()
        back = bench.rollback(ran, before="second")
        assert bench.resume(back, update={"how": "x"}).succeeded
        fork = bench.fork(ran, before="third", update={"how": "y"})
        assert bench.resume(fork).succeeded


def check(folder):
    """Files and state are of one moment everywhere, and all can be gone on with."""
    with opened(folder) as bench:
        for found in bench.executions():
            for one in bench.checkpoints(found):
                files = {file.path: file for file in bench.files(found, at=one)}
                assert files["log.txt"].read_text().split() == one.values.get("seen", []), one
        for found in bench.executions():
            if found.status in ("queued", "running"):
                # Its program was killed: it is taken up where it stands.
                bench.resume(found)
            back = bench.rollback(found, before="second")
            on = bench.resume(back, update={"how": "z"}).raise_for_status()
            assert on.output["seen"] == ["first", "second", "third"]
            (log,) = [one for one in bench.files(on) if one.path == "log.txt"]
            assert log.read_text().split() == on.output["seen"]


def in_fork(work, *arguments) -> int:
    """Do something in a fork, and return what it ended with as `waitpid` has it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def killed_at(number, work, folder):
    """Do something until the call of that number into the engine, before it or after it."""
    left = number

    def count(_frame, event, called):
        nonlocal left
        if event not in ("c_call", "c_return"):
            return
        if type(getattr(called, "__self__", None)).__module__ != "wtb._native":
            return
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    work(folder)


def main(root):
    prepared = root / "prepared"
    (prepared / "inputs").mkdir(parents=True)
    (prepared / "inputs" / "log.txt").write_text("")
    assert in_fork(prepare, prepared) == 0
    # Before each call, and so after the one before it.
    for number in range(0, ROUNDS_MAX, 2):
        folder = root / str(number)
        shutil.copytree(prepared, folder)
        ended = in_fork(killed_at, number, roll_back_and_fork, folder)
        assert in_fork(check, folder) == 0, f"killed at {number}: see {folder}"
        if ended == 0:
            sys.stdout.write(f"killed {number // 2} times\n")
            return
        assert os.waitstatus_to_exitcode(ended) == -signal.SIGKILL, ended
        shutil.rmtree(folder)
    raise AssertionError("it never came to its end")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
