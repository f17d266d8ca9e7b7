"""Graphs that tests of the process runner run; importable, so that workers find them by name."""

import ctypes
import itertools
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

import wtb

IMPORTED_BY = os.getpid()
"""The process that imported this module, as it sees itself."""

seen: list[Any] = []
"""What attempts leave in memory."""


class State(TypedDict, total=False):
    how: Any
    y: Any


def chain(**nodes) -> StateGraph:
    """A graph that runs the given functions in their order."""
    graph = StateGraph(State)
    for name, function in nodes.items():
        graph.add_node(name, function)
    for one, other in itertools.pairwise([START, *nodes, END]):
        graph.add_edge(one, other)
    return graph


def sleeping(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(["sleep", "1000"], start_new_session="session" in arguments)


def forked(work) -> None:
    """Run something in a child that is a copy of this process, and do not wait for it."""
    if os.fork() == 0:
        try:
            work()
        finally:
            os._exit(0)


def daemonise() -> None:
    os.setsid()
    forked(lambda: time.sleep(1000))


def daemon() -> None:
    """Leave a process that has no parent any more, and whose own parent has ended."""
    forked(daemonise)
    os.wait()


def detached() -> None:
    os.setsid()
    time.sleep(1000)


def take_memory() -> None:
    taken = []
    while True:
        taken.append(b"x" * (16 << 20))


def take_time() -> None:
    while True:
        pass


def flood() -> None:
    line = b"0123456789abcde\n" * 4096
    for _ in range((100 << 20) // len(line)):
        os.write(1, line)
    print("the last line")  # noqa: T201


def breed() -> None:
    for _ in range(200):
        forked(detached)


def connection() -> int:
    """The descriptor of this worker's connection to its supervisor: the only socket that it has."""
    return next(fd for fd in range(3, 256) if _link(fd).startswith("socket:"))


def _link(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


def close_all() -> None:
    os.closerange(3, 4096)


def close_all_and_stay() -> None:
    os.closerange(3, 4096)
    time.sleep(1000)


def copy_goes_on() -> None:
    """Leave a second process that believes to be the worker, and that takes longer."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.3)


WAYS = {
    "fine": lambda: None,
    "exit": lambda: os._exit(7),
    "quiet exit": lambda: os._exit(0),
    "segfault": lambda: ctypes.string_at(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "aborted": os.abort,
    "sys.exit": lambda: sys.exit(3),
    "memory": take_memory,
    "time": take_time,
    "flood": flood,
    "bomb": breed,
    "child": sleeping,
    "session": lambda: sleeping("session"),
    "fork": lambda: forked(detached),
    "daemon": daemon,
    "closed": close_all,
    "closed, stays": close_all_and_stay,
    "rubbish": lambda: (os.write(connection(), b"rubbish\n" * 10), time.sleep(0.5)),
    "copy": copy_goes_on,
}
"""What a node can do to its process, by name."""


def act(state):
    print("about to be", state["how"])  # noqa: T201
    WAYS[state["how"]]()
    return {"y": state["how"]}


def after(state):
    return {"y": [state["y"], wtb.current().attempt]}


def crashing() -> StateGraph:
    return chain(act=act, after=after)


def blocked_sleep() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(1000)


def deaf_sleep() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1000)


def busy_regex() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")


def stubborn_sleep() -> None:
    end = time.monotonic() + 1000
    while time.monotonic() < end:
        try:
            time.sleep(1)
        except BaseException:
            continue


WAITS = {
    "fine": lambda: None,
    "sleep": lambda: time.sleep(1000),
    "deaf": deaf_sleep,
    "blocked": blocked_sleep,
    "regex": busy_regex,
    "stubborn": stubborn_sleep,
    "children": lambda: (sleeping("session"), forked(daemonise), time.sleep(1000)),
}
"""How a node can take too long, by name."""


def before(state):
    return {"y": "before"}


def wait(state):
    WAITS[state["how"]]()
    return {"y": state["how"]}


def waiting() -> StateGraph:
    return chain(before=before, wait=wait)


def touch(state):
    """Write down that it runs, and wait for a file that lets it go."""
    folder = Path(state["how"])
    run = wtb.current()
    (folder / f"{run.case_id}.{run.attempt}.{time.monotonic_ns()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return {"y": run.case_id}


def touching() -> StateGraph:
    return chain(touch=touch)


def look(state):
    """Tell what an attempt sees, and change all of it for the next one."""
    import numpy

    found = {
        "seen": list(seen),
        "pid": os.getpid(),
        "imported here": os.getpid() == IMPORTED_BY,
        "comm": Path(f"/proc/{os.getpid()}/comm").read_text().strip(),
        "argv": Path(f"/proc/{os.getpid()}/cmdline").read_bytes().count(b"\0") > 0,
        "directory": os.getcwd(),
        "variable": os.environ.get("WTB_TEST_LOOK"),
        "path": "/nowhere" in sys.path,
        "nice": os.nice(0),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "stdin": sys.stdin.read() if sys.stdin else "",
        "draws": [random.random(), float(numpy.random.random())],
    }
    seen.append(wtb.current().case_id)
    os.chdir("/")
    os.environ["WTB_TEST_LOOK"] = "changed"
    sys.path.append("/nowhere")
    return {"y": found}


def looking() -> StateGraph:
    return chain(look=look)
