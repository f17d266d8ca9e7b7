"""The lineage (LangGraph: thread) that an attempt writes: its saver, and where it begins."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.types import Command

from wtb import _values
from wtb.context import Metric
from wtb.errors import WtbError
from wtb.langgraph.executor import Executor
from wtb.langgraph.loading import AnyGraph
from wtb.langgraph.saver import WtbSaver

if TYPE_CHECKING:
    from wtb._answers import Answers
    from wtb._native import CheckpointsRef

__all__ = ["BenchSaver", "Lineage", "Staged", "Start"]

Durability = Literal["sync", "exit"]

_EXECUTOR = Executor()
os.register_at_fork(after_in_child=_EXECUTOR.renew)


class NotResumableError(WtbError):
    """A checkpoint holds a value that could not be stored."""


class _TolerantSerializer:
    """Stores a mark where something cannot be serialised, instead of failing the execution.

    Its user is told by the records of the nodes that gave or got it.
    """

    def dumps_typed(self, value: Any) -> tuple[str, bytes]:
        return _values.dump_state(value)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        return _values.load_state(data)


class BenchSaver(WtbSaver):
    """The bench's saver.

    Without an id the checkpoint answers that was inserted last, and not that of the greatest id:
    ids come from clocks, and after a clock was set back LangGraph would run finished nodes again.

    Args:
        checkpoints: The store's, with the lease of an attempt or without.
    """

    def __init__(self, checkpoints: "CheckpointsRef") -> None:
        self._begin(checkpoints, _TolerantSerializer(), ())
        # Every attempt has a saver of its own, and all of them the same few threads.
        self._executor = _EXECUTOR

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that the config names, or the one that was inserted last.

        Raises:
            NotResumableError: A value of it could not be stored, so that nothing can go on from it.
        """
        if get_checkpoint_id(config):
            found = super().get_tuple(config)
        else:
            configurable = config["configurable"]
            row = self._checkpoints.head(
                str(configurable["thread_id"]), configurable.get("checkpoint_ns", "")
            )
            found = None if row is None else self._tuple(row)
        if found is not None:
            _check_whole(found)
        return found


class Staged(NamedTuple):
    """An update of the state, worked out but not stored yet.

    Attributes:
        puts: What to `put`, and before it the writes that lead there, in order: functions of a
            saver and a thread.
        parent: The checkpoint that it was worked out for.
    """

    puts: Sequence[Callable[[BenchSaver, str], object]]
    parent: str | None

    def store(self, saver: BenchSaver, thread: str) -> None:
        """Store it in a thread."""
        for put in self.puts:
            put(saver, thread)


class StagingSaver(BenchSaver):
    """Reads like `BenchSaver`, and keeps what is written to itself."""

    def __init__(self, checkpoints: "CheckpointsRef") -> None:
        super().__init__(checkpoints)
        self.staged: list[Callable[[BenchSaver, str], object]] = []
        self.parent: str | None = None

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        self.parent = self.parent or get_checkpoint_id(config)
        self.staged.append(
            lambda saver, thread: saver.put(_of(config, thread), checkpoint, metadata, new_versions)
        )
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote."""
        kept = list(writes)
        self.staged.append(
            lambda saver, thread: saver.put_writes(_of(config, thread), kept, task_id, task_path)
        )


@dataclass(frozen=True)
class Start:
    """How an attempt goes on from the head of its lineage.

    Attributes:
        staged: An update to store first.
        answers: Answers to questions that are open, by their ids.
        update: An update that comes with the answers.
        metrics: What was logged before.
    """

    staged: Staged | None = None
    answers: Mapping[str, Any] | None = None
    update: Any = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """What an attempt has to know of the lineage that it writes.

    Attributes:
        saver: Under the attempt's lease.
        thread: LangGraph's thread id.
        durability: When checkpoints are written: "sync" after each step, "exit" at the end.
        from_head: Whether the attempt goes on from the lineage's head, and not from its input.
        start: How it goes on.
        breakpoints: Nodes before which it stops.
        answers: What answers its questions without a person.
    """

    saver: BenchSaver
    thread: str
    durability: Durability
    from_head: bool = False
    start: Start = field(default_factory=Start)
    breakpoints: Sequence[str] = ()
    answers: "Answers | None" = None

    def config(self, config: RunnableConfig) -> RunnableConfig:
        """Return the config, with the thread in it."""
        configurable = {**config.get("configurable", {}), "thread_id": self.thread}
        return {**config, "configurable": configurable}

    def head(self) -> CheckpointTuple | None:
        """Return where the attempt begins; None for its input."""
        if not self.from_head:
            return None
        return self.saver.get_tuple(self.config({}))

    def update(self) -> bool:
        """Store the update that the attempt goes on from; return whether there is one."""
        if self.start.staged is None:
            return False
        self.start.staged.store(self.saver, self.thread)
        return True

    def first_turn(self) -> Any:
        """Return what the graph is given at the head, where it stands."""
        if self.start.answers is not None:
            return Command(resume=dict(self.start.answers), update=self.start.update)
        return None


def with_saver(graph: AnyGraph, saver: BenchSaver) -> AnyGraph:
    """Return the graph with a saver, for one execution."""
    # A shallow copy costs a fifth of `graph.copy`, which validates the graph again.
    private = copy.copy(graph)
    private.checkpointer = saver
    return private


def _of(config: RunnableConfig, thread: str) -> RunnableConfig:
    return {**config, "configurable": {**config["configurable"], "thread_id": thread}}


def _check_whole(found: CheckpointTuple) -> None:
    values = found.checkpoint["channel_values"].items()
    lost = [name for name, value in values if _values.is_incomplete(value)]
    lost += [name for _, name, value in found.pending_writes or () if _values.is_incomplete(value)]
    if lost:
        raise NotResumableError(
            f"checkpoint {found.checkpoint['id']} cannot be gone on from: {lost[0]!r} of its state "
            "holds what could not be stored (see the execution's warnings). Keep such objects out "
            "of the state, or go on from an earlier checkpoint"
        )
