"""Checkpoints of executions: what stood in the state at each step, what ran, and what came next.

All of it is read from the store, without the workflow: LangGraph writes into a checkpoint which
versions of which channels each node has seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb._records import Interrupt
from wtb.errors import StoreError

if TYPE_CHECKING:
    from wtb._native import CheckpointsRef, StepRow

__all__ = ["Checkpoint", "read_checkpoints", "state_of"]

_BRANCH = "branch:to:"
_JOIN = "join:"
_SENDS = "__pregel_tasks"
_ROOT = "__root__"
_INTERRUPT = "__interrupt__"
_PULL = "~__pregel_pull, "


class Checkpoint:
    """The state of an execution's graph, or of a subgraph in it, at a step.

    Attributes:
        id: LangGraph's id; that of the same checkpoint in every lineage that shares it.
        thread: The lineage (LangGraph: thread) it was read from.
        path: The subgraph that it belongs to, `"agent"` or `"agent/tools"`; "" for the graph.
        step: -1 for the input, 0 for the state that the first node finds, and so on.
        source: What made it: "input", "loop" (nodes ran), "update" or "fork".
        nodes: The nodes that ran in the step that led to it.
        next: The nodes that run next; empty at the end.
        changes: The keys of the state that the step changed.
        parent_id: The checkpoint before it.
        root_id: The checkpoint of the graph itself that it belongs to: from there it is gone on.
        created_at: When it was made, on the clock of its machine.
    """

    def __init__(self, source: "CheckpointsRef", thread: str, row: "_Row") -> None:
        self._source = source
        self._row = row
        self.id: str = row.id
        self.thread = thread
        self.path: str = row.path
        self.step: int = row.metadata.get("step", 0)
        self.source: str = row.metadata.get("source", "")
        self.nodes: tuple[str, ...] = ()
        self.next: tuple[str, ...] = ()
        self.changes: tuple[str, ...] = ()
        self.parent_id: str | None = row.parent
        self.root_id: str = row.metadata.get("parents", {}).get("", row.id)
        self.created_at: datetime | None = _when(row.body.get("ts"))

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
                "checkpoint_ns": self._row.namespace,
                "checkpoint_id": self.id,
            }
        }

    @cached_property
    def values(self) -> Any:
        """The state; read when it is first asked for."""
        return _state(self._channels)

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
        found = self._source.get(self.thread, self._row.namespace, self.id)
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


class _Row:
    """A checkpoint as the store lists it."""

    def __init__(self, row: "StepRow") -> None:
        namespace, self.id, self.parent, self.sequence, self.metadata, body, channels, writes = row
        self.namespace: str = namespace
        self.body: Mapping[str, Any] = _values.serializer().loads_typed(body)
        self.channels: Mapping[str, bytes] = dict(channels)
        self.writes = writes
        self.seen: Mapping[str, Mapping[str, Any]] = self.body.get("versions_seen") or {}
        self.versions: Mapping[str, Any] = self.body.get("channel_versions") or {}

    @property
    def path(self) -> str:
        """The subgraph as a path: without tasks' ids and the numbers of calls."""
        parts = (part.partition(":")[0] for part in self.namespace.split("|"))
        return "/".join(part for part in parts if part and not part.isdigit())


def read_checkpoints(source: "CheckpointsRef", thread: str) -> list[Checkpoint]:
    """Return the checkpoints of a thread, oldest first, with those of its subgraphs."""
    rows = [_Row(row) for row in source.steps(thread)]
    found = [Checkpoint(source, thread, row) for row in rows]
    by_name = {(one._row.namespace, one.id): one for one in found}
    for one in found:
        row = one._row
        parent = by_name.get((row.namespace, row.parent or ""))
        before = None if parent is None else parent._row
        one.changes = tuple(
            name
            for name, value in row.channels.items()
            if _is_state(name) and (before is None or before.channels.get(name) != value)
        )
        if one.source == "loop":
            one.nodes = tuple(_ran(row, parent))
        one.next = tuple(_triggered(one))
    for one in found:
        # What triggers the nodes of graphs that are no StateGraph only they themselves know.
        parent = by_name.get((one._row.namespace, one.parent_id or ""))
        if parent is not None and not parent.next:
            parent.next = one.nodes
    for one in found:
        one.next = one.next or tuple(_writing(one._row))
    return found


def state_of(source: "CheckpointsRef", thread: str) -> Any:
    """Return the state at the head of a thread; None if it has no checkpoint."""
    found = source.head(thread, "")
    if found is None:
        return None
    return _state({name: _loaded(kind, data) for name, kind, data in found[7]})


def _state(channels: Mapping[str, Any]) -> Any:
    values = {name: value for name, value in channels.items() if _is_state(name)}
    return values.get(_ROOT, values)


def _ran(row: _Row, parent: Checkpoint | None) -> Iterable[str]:
    """Yield the nodes that have seen more than before, and those that were sent something."""
    before: Mapping[str, Any] = {} if parent is None else parent._row.seen
    sent = [] if parent is None else _sent(parent)
    own = (name for name, seen in row.seen.items() if seen != before.get(name))
    names = dict.fromkeys([*own, *sent])
    return (name for name in names if not name.startswith("__"))


def _triggered(one: Checkpoint) -> Iterable[str]:
    """Yield the nodes that have not seen what triggers them: see `prepare_next_tasks`."""
    row = one._row
    names: dict[str, None] = {}
    for channel in row.channels:
        if channel.startswith(_BRANCH):
            node = channel.removeprefix(_BRANCH)
        elif channel.startswith(_JOIN):
            starts, _, node = channel.removeprefix(_JOIN).rpartition(":")
            if len(one._channels[channel]) < len(starts.split("+")):
                continue
        else:
            continue
        if row.seen.get(node, {}).get(channel) != row.versions.get(channel):
            names[node] = None
    names.update(dict.fromkeys(_sent(one)))
    return names


def _sent(one: Checkpoint) -> list[str]:
    if _SENDS not in one._row.channels:
        return []
    return [send.node for send in one._channels[_SENDS]]


def _writing(row: _Row) -> Iterable[str]:
    """Yield the nodes that have written already, or ask, on top of a checkpoint."""
    pulled = (path for _, path, _ in row.writes if path.startswith(_PULL))
    return dict.fromkeys(path.removeprefix(_PULL) for path in pulled)


def _is_state(channel: str) -> bool:
    """Whether a channel is a key of the state, and not LangGraph's wiring."""
    if channel == _ROOT:
        return True
    return not channel.startswith(("__", _BRANCH, _JOIN))


def _loaded(kind: str, data: bytes) -> Any:
    return _values.load_state((kind, data))


def _when(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
