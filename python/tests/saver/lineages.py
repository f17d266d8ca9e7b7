"""Checkpoints as LangGraph makes them, for tests that call a saver themselves."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint
from langgraph.checkpoint.base.id import uuid6

import wtb

PATHS = os.pathsep.join([str(Path(wtb.__file__).parents[1]), str(Path(__file__).parent)])
LARGE = "large " * 2_000
"""A value that is not kept with the checkpoint itself."""


def config(thread: str, checkpoint: str | None = None, ns: str = "") -> dict[str, Any]:
    """A config that names a thread, or a checkpoint of it."""
    configurable = {"thread_id": thread, "checkpoint_ns": ns}
    if checkpoint is not None:
        configurable["checkpoint_id"] = checkpoint
    return {"configurable": configurable}


def named(given: Mapping[str, Any]) -> str:
    """The checkpoint that a config names."""
    return given["configurable"]["checkpoint_id"]


def new_id() -> str:
    return str(uuid6(clock_seq=-2))


def checkpoint(
    values: Mapping[str, Any], versions: Mapping[str, Any], name: str | None = None
) -> Checkpoint:
    return {
        "v": 4,
        "id": name or new_id(),
        "ts": datetime.now(UTC).isoformat(),
        "channel_values": dict(values),
        "channel_versions": dict(versions),
        "versions_seen": {"__input__": {}},
        "updated_channels": None,
    }


class Lineage:
    """Puts one checkpoint after the other, with new versions for the channels that change."""

    def __init__(self, saver: BaseCheckpointSaver, thread: str, ns: str = "") -> None:
        self.saver, self.thread, self.ns = saver, thread, ns
        self.values: dict[str, Any] = {}
        self.versions: dict[str, Any] = {}
        self.head: str | None = None
        self.step = -1

    def put(self, *removed: str, name: str | None = None, metadata=None, **changed: Any) -> str:
        """Put the next checkpoint; returns its id. What is removed has no value any more."""
        for channel in removed:
            del self.values[channel]
        self.values |= changed
        new = {
            channel: self.saver.get_next_version(self.versions.get(channel), None)
            for channel in (*removed, *changed)
        }
        self.versions |= new
        full = {"source": "loop", "step": self.step, "parents": {}, **(metadata or {})}
        put = self.saver.put(
            config(self.thread, self.head, self.ns),
            checkpoint(self.values, self.versions, name),
            full,
            new,
        )
        self.head, self.step = named(put), self.step + 1
        return self.head

    def branch(self) -> "Lineage":
        """Another lineage that goes on from the same checkpoint."""
        other = Lineage(self.saver, self.thread, self.ns)
        other.values, other.versions = dict(self.values), dict(self.versions)
        other.head, other.step = self.head, self.step
        return other

    def at(self, checkpoint: str | None = None) -> dict[str, Any] | None:
        """The values of a checkpoint (by default the thread's newest), as the saver has them."""
        found = self.saver.get_tuple(config(self.thread, checkpoint, self.ns))
        return None if found is None else found.checkpoint["channel_values"]

    def ids(self, **options: Any) -> list[str]:
        """The ids of all checkpoints, newest first."""
        return [
            named(one.config) for one in self.saver.list(config(self.thread, ns=self.ns), **options)
        ]


def run(program: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": PATHS, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
