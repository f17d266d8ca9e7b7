"""Ways to let an actor die of memory: by the kernel's hand, and by an allocation that fails."""

import os
import resource
from contextlib import contextmanager, suppress
from pathlib import Path

from wtb import _native

ROOM = 2**26
"""How much an actor may still take."""

GROUPS = Path("/sys/fs/cgroup")
"""Where the kernel is told what groups of processes may take."""


def take(_):
    """Have the engine take over a job for which there is room once, but not twice."""
    _native.OutpostRef("", "", b"x" * (ROOM * 3 // 4), [])


def take_without_room(_):
    """The same; a limit of the process says that there is no room."""
    job = b"x" * ROOM
    resource.setrlimit(resource.RLIMIT_AS, (0, 0))
    _native.OutpostRef("", "", job, [])


@contextmanager
def by_its_allocations(process):
    """Yield what an actor has to do to die of an allocation that fails."""
    yield take_without_room


@contextmanager
def by_the_kernel(process):
    """Yield what an actor has to do to be killed by the kernel, where that can be told to do so."""
    group = _group()
    if not _limited(group, process):
        yield take_without_room
        return
    yield take
    told = [group / "memory.events", group / "memory.oom_control"]
    (events,) = [one.read_text() for one in told if one.exists()]
    assert "oom_kill 1" in events.splitlines()
    group.rmdir()


def _group():
    """Return where a new group of processes could be."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    paths = {controllers: path.strip("/") for _, controllers, path in own}
    name = f"wtb-test-{os.getpid()}"
    if "memory" in paths:
        return GROUPS / "memory" / paths["memory"] / name
    # Beside our own one: below a group that has processes, none is limited.
    return GROUPS / Path(paths.get("", "")).parent / name


def _limited(group, process):
    """Have a process be in a group that may take so much; return whether it is."""
    try:
        group.mkdir()
        files = {one.name: one for one in group.iterdir()}
        for file, limit in [
            ("memory.limit_in_bytes", ROOM),
            ("memory.memsw.limit_in_bytes", ROOM),
            ("memory.max", ROOM),
            ("memory.swap.max", 0),
            ("cgroup.procs", process),
        ]:
            if file in files:
                files[file].write_text(str(limit))
    except OSError:
        with suppress(OSError):
            group.rmdir()
        return False
    return bool({"memory.limit_in_bytes", "memory.max"} & set(files))
