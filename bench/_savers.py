"""What the benchmarks of checkpoint savers share: savers, states, and taking turns with them."""

import os
import sqlite3
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _harness import note
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from wtb.langgraph import WtbSaver

SYNCHRONOUS = ("normal", "full")
Saver = BaseCheckpointSaver[Any]


def name_of(kind: str, synchronous: str) -> str:
    """Return what tables call a saver."""
    return f"{kind}, synchronous={synchronous}"


@contextmanager
def sqlite_saver(directory: Path, synchronous: str) -> Iterator[SqliteSaver]:
    """Give LangGraph's own saver, with SQLite's write-ahead log."""
    path = directory / "langgraph.db"
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        saver = SqliteSaver(connection)
        saver.setup()
        connection.execute(f"PRAGMA synchronous={synchronous}")
        yield saver
    finally:
        connection.close()


@contextmanager
def wtb_saver(directory: Path, synchronous: str) -> Iterator[WtbSaver]:
    """Give the saver of this package."""
    url = f"sqlite:///{directory / 'wtb.db'}?synchronous={synchronous}"
    with WtbSaver.from_conn_string(url) as saver:
        yield saver


def message(size: int) -> HumanMessage:
    """Return a message of random text, which no compression makes much smaller."""
    return HumanMessage(content=os.urandom(size // 2).hex(), id=str(uuid.uuid4()))


def messages(count: int, size: int) -> list[AnyMessage]:
    """Return messages of random text."""
    return [message(size) for _ in range(count)]


class Thread:
    """A thread of checkpoints, each the parent of the next, as a graph would put them."""

    def __init__(self, saver: Saver, name: str) -> None:
        self.saver = saver
        self.latest: RunnableConfig = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
        self._versions: dict[str, Any] = {}
        self._step = -1

    def prepare(self, values: Mapping[str, Any], new: Sequence[str]) -> "Put":
        """Return the next checkpoint, whose channels `new` have changed."""
        self._step += 1
        for name in new:
            self._versions[name] = self.saver.get_next_version(self._versions.get(name), None)
        checkpoint: Checkpoint = {
            **empty_checkpoint(),
            "channel_values": dict(values),
            "channel_versions": dict(self._versions),
            "versions_seen": {"node": dict(self._versions)},
        }
        return Put(self, checkpoint, self._step, {name: self._versions[name] for name in new})

    def put(self, values: Mapping[str, Any], new: Sequence[str]) -> None:
        """Put the next checkpoint."""
        self.prepare(values, new)()


class Put:
    """A checkpoint that is ready to be put."""

    def __init__(
        self, thread: Thread, checkpoint: Checkpoint, step: int, new: Mapping[str, Any]
    ) -> None:
        self._thread = thread
        self._checkpoint = checkpoint
        self._step = step
        self._new = new

    def __call__(self) -> None:
        """Put it."""
        thread = self._thread
        thread.latest = thread.saver.put(
            thread.latest,
            self._checkpoint,
            {"source": "loop", "step": self._step, "parents": {}},
            dict(self._new),
        )


def in_turns(
    rounds: int,
    works: Mapping[str, Callable[[], Sequence[Callable[[], object]]]],
    proofs: Mapping[str, Callable[[], None]] | None = None,
) -> dict[str, list[float]]:
    """Let contenders take turns; return the milliseconds of their median call, by round.

    Args:
        rounds: How many rounds count; one before them warms up.
        works: For each contender what prepares a round: it returns the calls to be timed.
        proofs: For each contender what raises after a round if the work was not done. Not timed.
    """
    samples: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        note(f"round {number} of {rounds}" if number else "warming up")
        order = list(works.items())
        for name, prepare in order if number % 2 == 0 else reversed(order):
            times = [_timed(call) for call in prepare()]
            if number:
                samples[name].append(statistics.median(times) * 1000)
            if proofs is not None:
                proofs[name]()
    return samples


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def size_of(directory: Path) -> int:
    """Return how many bytes the files of a directory have."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
