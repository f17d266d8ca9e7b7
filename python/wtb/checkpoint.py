"""Checkpoints of executions: what stood in the state at each step, what ran, and what came next."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb._records import Interrupt
from wtb._steps import ROOT, Step, is_state, read_steps
from wtb.errors import StoreError

if TYPE_CHECKING:
    from wtb._native import CheckpointsRef

__all__ = ["Checkpoint", "read_checkpoints", "state_of"]

_INTERRUPT = "__interrupt__"

Rebuild = Callable[["Checkpoint"], Mapping[str, Any]]
"""Returns the state of a checkpoint with the help of its graph."""


class Checkpoint:
    """The state of an execution's graph, or of a subgraph in it, at a step.

    Attributes:
        id: LangGraph's id; that of the same checkpoint in every lineage that shares it.
        thread: The lineage (LangGraph: thread) it was read from.
        namespace: LangGraph's name of the subgraph's call; "" for the graph itself.
        path: The subgraph that it belongs to, `"agent"` or `"agent/tools"`; "" for the graph.
        step: -1 for the input, 0 for the state that the first node finds, and so on.
        source: What made it: "input", "loop" (nodes ran), "update" or "fork".
        nodes: The nodes that ran in the step that led to it.
        next: The nodes that run next; empty at the end.
        changes: The keys of the state that the step changed.
        parent_id: The checkpoint before it.
        snapshot: The id of the snapshot of the workspace that belongs to it; None without one.
        root_id: The checkpoint of the graph itself that it belongs to: from there it is gone on.
        created_at: When it was made, on the clock of its machine.
    """

    def __init__(
        self, source: "CheckpointsRef", thread: str, step: Step, rebuild: Rebuild | None = None
    ) -> None:
        self._source = source
        self._rebuild = rebuild
        self._step = step
        self.id: str = step.id
        self.thread = thread
        self.namespace: str = step.namespace
        self.path: str = step.path
        self.step: int = step.metadata.get("step", 0)
        self.source: str = step.metadata.get("source", "")
        self.nodes: tuple[str, ...] = step.nodes
        self.next: tuple[str, ...] = step.next
        self.changes: tuple[str, ...] = step.changes
        self.parent_id: str | None = step.parent
        self.snapshot: str | None = step.snapshot
        self.root_id: str = step.metadata.get("parents", {}).get("", step.id)
        self.created_at: datetime | None = _when(step.body.get("ts"))

    @property
    def node(self) -> str | None:
        """The node that ran in the step that led to it; several are joined by commas."""
        return ", ".join(self.nodes) or None

    @property
    def config(self) -> Mapping[str, Any]:
        """LangGraph's config that names it."""
        return {
            "configurable": {
                "thread_id": self.thread,
                "checkpoint_ns": self.namespace,
                "checkpoint_id": self.id,
            }
        }

    @cached_property
    def values(self) -> Any:
        """The state; read when it is first asked for.

        Keys that LangGraph stores as what was written since an ancestor (delta channels) are in it
        where the workflow is known to the program.
        """
        stored = _state(self._channels)
        if not self._step.built_up or self._rebuild is None:
            return stored
        rebuilt = self._rebuild(self)
        built_up = (name for name in self._step.built_up if name in rebuilt)
        return {**stored, **{name: rebuilt[name] for name in built_up}}

    @cached_property
    def interrupts(self) -> Sequence[Interrupt]:
        """The questions that nodes of the next step ask."""
        asked = [value for _, channel, value in self._writes if channel == _INTERRUPT]
        return [Interrupt(one.value, one.id) for part in asked for one in part]

    def __repr__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        after = f"after {self.node}" if self.node else self.source
        before = f", before {', '.join(self.next)}" if self.next else ""
        return f"<Checkpoint {self.id} {where}step {self.step}, {after}{before}>"

    @cached_property
    def _stored(self) -> Any:
        found = self._source.get(self.thread, self.namespace, self.id)
        if found is None:
            raise StoreError(f"checkpoint {self.id} of {self.thread} was deleted in the meantime")
        return found

    @cached_property
    def _channels(self) -> Mapping[str, Any]:
        return {name: _loaded(kind, data) for name, kind, data in self._stored[7]}

    @property
    def _writes(self) -> Iterable[tuple[str, str, Any]]:
        for task, channel, kind, data in self._stored[8]:
            yield task, channel, _loaded(kind, data)


def read_checkpoints(
    source: "CheckpointsRef", thread: str, rebuild: Rebuild | None = None
) -> list[Checkpoint]:
    """Return the checkpoints of a thread, oldest first, with those of its subgraphs.

    Args:
        source: The store's.
        thread: The thread.
        rebuild: How to get states that the store alone does not have.
    """
    return [Checkpoint(source, thread, step, rebuild) for step in read_steps(source, thread)]


def state_of(source: "CheckpointsRef", thread: str) -> Any:
    """Return the state at the head of a thread; None if it has no checkpoint."""
    found = source.head(thread, "")
    if found is None:
        return None
    return _state({name: _loaded(kind, data) for name, kind, data in found[7]})


def _state(channels: Mapping[str, Any]) -> Any:
    values = {name: value for name, value in channels.items() if is_state(name)}
    return values.get(ROOT, values)


def _loaded(kind: str, data: bytes) -> Any:
    return _values.load_state((kind, data))


def _when(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
