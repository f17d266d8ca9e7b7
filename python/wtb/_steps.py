"""Steps of a thread, read from what LangGraph writes into checkpoints: what ran, what comes next.

Which nodes have seen which versions of which channels is in every checkpoint, so that no workflow
is needed to tell. The rules are those of LangGraph's `prepare_next_tasks` and `apply_writes`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb._paths import path_of

if TYPE_CHECKING:
    from wtb._native import CheckpointsRef, StepRow

__all__ = ["ROOT", "Step", "answers_given", "is_state", "read_steps"]

ROOT = "__root__"
"""The channel of a state that is no set of keys."""

_START = "__start__"
_SENDS = "__pregel_tasks"
_BRANCH = "branch:to:"
_JOIN = "join:"
_PULL = "~__pregel_pull, "
_RESUME = "__resume__"
_WIRING = (_START, _SENDS, "__input__", "__end__", "__previous__", "__interrupt__")


class Step:
    """A checkpoint as the store lists it.

    Attributes:
        namespace: "" for the graph itself.
        id: LangGraph's id.
        parent: The checkpoint before it, in its namespace.
        metadata: LangGraph's.
        snapshot: The snapshot of the workspace that belongs to it, if there is one.
        body: The checkpoint without values.
        path: The subgraph as a path; "" for the graph itself.
        nodes: The nodes that ran in the step that led to it.
        next: The nodes that run next.
        changes: The keys of the state that the step changed.
    """

    def __init__(self, row: "StepRow") -> None:
        self.namespace, self.id, self.parent, _, self.metadata, body = row[:6]
        channels, writes, self.snapshot = row[6:]
        self.body: Mapping[str, Any] = _values.serializer().loads_typed(body)
        self.path = path_of(self.namespace)
        self.nodes: tuple[str, ...] = ()
        self.next: tuple[str, ...] = ()
        self.changes: tuple[str, ...] = ()
        self._places = {name: (kind, data) for name, kind, data in channels}
        self._writes = writes
        self._seen: Mapping[str, Mapping[str, Any]] = self.body.get("versions_seen") or {}
        self._versions: Mapping[str, Any] = self.body.get("channel_versions") or {}

    @property
    def built_up(self) -> Sequence[str]:
        """The keys that are stored as what was written since an ancestor, and not as values."""
        counters = self.metadata.get("counters_since_delta_snapshot") or {}
        return [name for name in counters if name in self._versions and name not in self._places]

    @property
    def tasks_that_answered(self) -> bool:
        """Whether a task on top of it was given answers."""
        return any(channel == _RESUME for _, _, channel in self._writes)

    def link(self, parent: "Step | None", load: Callable[["Step", str], Any]) -> None:
        """Work out what the step did and what comes next.

        Args:
            parent: The checkpoint before it.
            load: Reads a channel's value from the store.
        """
        before = {} if parent is None else parent._places
        versions = {} if parent is None else parent._versions
        names = [*self._places, *(() if parent is None else self.built_up)]
        self.changes = tuple(
            name
            for name in names
            if is_state(name)
            and (parent is None or self._versions.get(name) != versions.get(name))
            and (name not in before or before[name] != self._places.get(name))
        )
        sent = [] if parent is None else parent._sent(load)
        if self.metadata.get("source") == "loop":
            seen = {} if parent is None else parent._seen
            own = (name for name, versions in self._seen.items() if versions != seen.get(name))
            self.nodes = tuple(name for name in dict.fromkeys([*own, *sent]) if name not in _WIRING)
        self.next = tuple(dict.fromkeys([*self._triggered(), *self._sent(load)]))

    def writing(self) -> tuple[str, ...]:
        """Return the nodes that have written already, or ask, on top of it."""
        pulled = (path for _, path, _ in self._writes if path.startswith(_PULL))
        return tuple(dict.fromkeys(path.removeprefix(_PULL) for path in pulled))

    def _triggered(self) -> Iterator[str]:
        """Yield the nodes that have not seen what triggers them."""
        for channel in self._places:
            node = self._triggers(channel)
            if node and self._seen.get(node, {}).get(channel) != self._versions.get(channel):
                yield node

    def _triggers(self, channel: str) -> str | None:
        """Return the node that a channel triggers as it stands; a key of the state has none."""
        if channel == _START:
            return _START
        if channel.startswith(_BRANCH):
            # What lies in it is nothing; for a node that waits for the end, with whether that came.
            is_there = self._small(channel) in (None, [None, True])
            return channel.removeprefix(_BRANCH) if is_there else None
        if channel.startswith(_JOIN):
            starts, _, node = channel.removeprefix(_JOIN).rpartition(":")
            return node if _is_complete(self._small(channel), starts) else None
        return None

    def _small(self, channel: str) -> Any:
        kind, data = self._places[channel]
        value = ... if kind is None else _loaded(kind, data)
        return list(value) if isinstance(value, tuple) else value

    def _sent(self, load: Callable[["Step", str], Any]) -> Sequence[str]:
        if _SENDS not in self._places:
            return []
        return [send.node for send in load(self, _SENDS)]


def read_steps(source: "CheckpointsRef", thread: str) -> list[Step]:
    """Return the steps of a thread, oldest first, with those of its subgraphs."""
    steps = [Step(row) for row in source.steps(thread)]
    by_name = {(step.namespace, step.id): step for step in steps}

    def load(step: Step, channel: str) -> Any:
        found = source.get(thread, step.namespace, step.id)
        values = () if found is None else found[7]
        return next(
            _values.load_state((kind, data)) for name, kind, data in values if name == channel
        )

    def parent(step: Step) -> Step | None:
        return by_name.get((step.namespace, step.parent or ""))

    for step in steps:
        step.link(parent(step), load)
    # What triggers the nodes of graphs that are no StateGraph only they themselves know.
    for step in steps:
        before = parent(step)
        if before is not None and not before.next:
            before.next = step.nodes
    for step in steps:
        step.next = step.next or step.writing()
    return steps


def answers_given(source: "CheckpointsRef", thread: str) -> int:
    """Return how many questions of a thread have been answered."""
    given = 0
    for step in read_steps(source, thread):
        found = source.get(thread, step.namespace, step.id) if step.tasks_that_answered else None
        writes: Iterable[tuple[str, str, str, bytes]] = () if found is None else found[8]
        for _, channel, kind, data in writes:
            if channel == _RESUME:
                given += len(_loaded(kind, data))
    return given


def is_state(channel: str) -> bool:
    """Whether a channel is a key of the state, and not LangGraph's wiring."""
    return channel not in _WIRING and not channel.startswith((_BRANCH, _JOIN))


def _is_complete(seen: Any, starts: str) -> bool:
    """Whether all nodes have come that a join waits for; their names may hold a plus."""
    # One that also waits for the end says whether that came.
    if isinstance(seen, list) and len(seen) == 2 and isinstance(seen[1], bool):
        if not seen[1]:
            return False
        seen = seen[0]
    if not isinstance(seen, set | list) or not all(isinstance(name, str) for name in seen):
        return False
    return sum(map(len, seen)) + len(seen) - 1 == len(starts)


def _loaded(kind: str, data: bytes) -> Any:
    return _values.load_state((kind, data))
