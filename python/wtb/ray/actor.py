"""What lives on a machine of the cluster: a supervisor, which makes attempts in processes."""

import json
import os
import socket
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from wtb import _native
from wtb.errors import ConfigurationError
from wtb.processes.launch import Launch

__all__ = ["Post", "VariantExecutionActor"]


@dataclass(frozen=True)
class Post:
    """What an actor has to know of a batch, but its job and cases.

    Attributes:
        plan: What the engine has to know, as JSON with the store's secrets.
        launch: How processes are started.
        tasks: How many attempts are made at once.
        path: Where the driver's program finds modules.
        file: The store's file, and what tells it from others; None for one on a server.
    """

    plan: str
    launch: Launch
    tasks: int
    path: Sequence[str]
    file: "tuple[str, FileMark] | None"


FileMark = tuple[str, int, int]
"""A machine's boot, a device and a number there: what is equal is the same file."""


def mark_of(path: str) -> FileMark | None:
    """Return what tells a file from all others on all machines; None if there is none."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        found = os.stat(path)
    except OSError:
        return None
    return boot, found.st_dev, found.st_ino


class VariantExecutionActor:
    """A supervisor on a machine of the cluster.

    It is made by `ActorLifecycleManager`, and is of use to nobody else. It opens the batch's store
    by itself, makes attempts in processes that it can end, and tells the driver what became of
    them.
    """

    def __init__(self) -> None:
        self._outpost: _native.OutpostRef | None = None
        self._lock = threading.Lock()

    def open(self, name: str, post: Post, job: bytes, cases: Sequence[bytes]) -> dict[str, Any]:
        """Begin to work for a batch, instead of the one before.

        Args:
            name: The actor's name.
            post: What it has to know of the batch.
            job: The packed job.
            cases: The packed cases.

        Returns:
            What the engine calls it, its `worker`; where it is, its `host` and `process`; how long
            it took, in `ready_ms`; and the `warnings` that the driver's user should know.

        Raises:
            ConfigurationError: The store is a file that is not here.
        """
        began = perf_counter()
        self.close()
        _check_file(post)
        for entry in post.path:
            if entry not in sys.path and os.path.isdir(entry):
                sys.path.append(entry)
        host = socket.gethostname()
        worker = f"{name}@{host}"
        own = {"name": worker, "temporary": tempfile.gettempdir()}
        plan = json.dumps({**json.loads(post.plan), **own})
        launch = post.launch
        if launch.directory is not None and not os.path.isdir(launch.directory):
            launch = replace(launch, directory=None)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outpost = launch.start(
                lambda settings: _native.OutpostRef(plan, settings, job, list(cases))
            )
        with self._lock:
            self._outpost = outpost
        for number in range(1, post.tasks + 1):
            process = f"process-{number}"
            arguments = (outpost, process)
            threading.Thread(target=_work, args=arguments, name=process, daemon=True).start()
        return {
            "worker": worker,
            "host": host,
            "process": os.getpid(),
            "ready_ms": round((perf_counter() - began) * 1000),
            "warnings": [str(one.message) for one in caught],
        }

    def exchange(self, handout: bytes | None, timeout: float) -> bytes:
        """Take attempts, and return what has happened since the last time.

        Args:
            handout: What the driver's engine has handed out, if anything.
            timeout: How many seconds to wait for something to say.
        """
        return self._open().exchange(handout, timeout)

    def hand(self, handout: bytes) -> None:
        """Take attempts, or the word that some are to stop, while `exchange` waits."""
        self._open().hand(handout)

    def close(self) -> None:
        """End all processes, and let go of the batch."""
        with self._lock:
            outpost, self._outpost = self._outpost, None
        if outpost is not None:
            outpost.close()

    def _open(self) -> "_native.OutpostRef":
        with self._lock:
            if self._outpost is None:
                raise ConfigurationError("this actor works for no batch")
            return self._outpost


def _work(outpost: "_native.OutpostRef", process: str) -> None:
    try:
        outpost.work(process)
    except BaseException:
        # Only a defect of our own comes here. Without its worker an attempt would never end; the
        # driver knows what to do about an actor that is gone.
        traceback.print_exc()
        os._exit(1)


def _check_file(post: Post) -> None:
    if post.file is not None and mark_of(post.file[0]) != post.file[1]:
        raise ConfigurationError(
            f"the store {post.file[0]!r} is a file of the driver's machine, and this actor is on "
            f"another one ({socket.gethostname()}). Use a store on PostgreSQL for several machines"
        )
