"""Compares two executions by their records; what comes of it is in `wtb.diff`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import groupby, zip_longest
from typing import Any, NamedTuple

from wtb import _sources, _values
from wtb._records import NodeRecord
from wtb.checkpoint import Checkpoint
from wtb.diff import ABSENT, Divergence, ExecutionDiff, Pair
from wtb.execution import Execution
from wtb.files import FilesDiff

__all__ = ["difference"]


def difference(
    a: Execution,
    history_a: Sequence[Checkpoint],
    b: Execution,
    history_b: Sequence[Checkpoint],
    files: FilesDiff | None = None,
) -> ExecutionDiff:
    """Return how two executions differ.

    Args:
        a: The one.
        history_a: The checkpoints of the lineage that it stands in, oldest first.
        b: The other.
        history_b: Those of the other one.
        files: How their files differ; None where either has none.
    """
    shared = _shared_until(history_a, history_b)
    first = _first_divergent(_work(a, history_a, shared), _work(b, history_b, shared))
    state = _pairs(_state(a, history_a), _state(b, history_b))
    scores_a, scores_b = _counted(a), _counted(b)
    names = dict.fromkeys([*scores_a, *scores_b])
    scores = {name: (scores_a.get(name), scores_b.get(name)) for name in names}
    return ExecutionDiff(a, b, shared, first, state, scores, files)


def _counted(execution: Execution) -> Mapping[str, float]:
    """Return its scores and metrics as the comparison of its batch counts them."""
    if execution.batch_id is None:
        return execution._counted
    return execution._counted_by(_sources.stored(execution._engine, execution.batch_id))


def _shared_until(a: Sequence[Checkpoint], b: Sequence[Checkpoint]) -> int | None:
    ids = {one.id for one in b}
    return max((one.step for one in a if not one.namespace and one.id in ids), default=None)


def _state(execution: Execution, history: Sequence[Checkpoint]) -> Any:
    """Return the state in which an execution is: that of its head, while it has no final one."""
    heads = [one for one in history if not one.namespace]
    return heads[-1].values if heads and not execution.succeeded else execution.state


class _Work(NamedTuple):
    """What a node did.

    Attributes:
        step: The step of the graph itself in which it was done, also by a node of a subgraph.
        record: The node's record.
    """

    step: int
    record: NodeRecord


def _work(execution: Execution, history: Sequence[Checkpoint], shared: int | None) -> list[_Work]:
    """Return what led to where an execution stands, in order, without what is shared.

    An attempt that went back, or goes on from a checkpoint, takes the place of what earlier ones
    did from its first step on.
    """
    kept: list[NodeRecord] = []
    for _, records in groupby(execution.nodes, lambda one: one.attempt):
        group = list(records)
        steps = [one.step for one in group if _is_root(one)]
        if steps:
            kept = kept[: _position(kept, min(steps))]
        kept += group
    if shared is not None:
        kept = kept[_position(kept, shared + 1) :]
    reached = {one.step: one for one in history if not one.namespace}
    if reached and execution.status == "paused":
        # It may have been put back, and not have gone on yet.
        kept = kept[: _position(kept, max(reached) + 1)]
    stands = (one for one in _placed(kept) if _stands(one, reached.get(one.step)))
    # Which of the nodes of a step begins first is chance.
    return sorted(stands, key=lambda one: (one.step, _root_name(one.record)))


def _stands(work: _Work, checkpoint: Checkpoint | None) -> bool:
    """Whether what was done is what led to the checkpoint of its step.

    It is not where the execution was put back, and its state was updated in the place of the step.
    """
    if checkpoint is None or not (checkpoint.nodes or checkpoint.source == "update"):
        return True
    return _root_name(work.record) in checkpoint.nodes


def _position(records: Sequence[NodeRecord], step: int) -> int:
    """Return where in the records a step of the graph itself begins."""
    found = (at for at, one in enumerate(records) if _is_root(one) and one.step >= step)
    return next(found, len(records))


def _placed(records: Sequence[NodeRecord]) -> list[_Work]:
    steps: dict[str, int] = {}
    placed = []
    for one in records:
        if _is_root(one):
            steps[one.node] = one.step
        placed.append(_Work(steps.get(_root_name(one), one.step), one))
    return placed


def _is_root(record: NodeRecord) -> bool:
    return "/" not in record.node


def _root_name(record: NodeRecord) -> str:
    return record.node.partition("/")[0]


def _first_divergent(a: Sequence[_Work], b: Sequence[_Work]) -> Divergence | None:
    for one, other in zip_longest(a, b):
        if one is None or other is None or one.record.node != other.record.node:
            names = tuple(ABSENT if work is None else work.record.node for work in (one, other))
            work = one or other
            return Divergence(work.record.node, work.step, "node", {"node": (names[0], names[1])})
        found = _differs(one.record, other.record)
        if found is not None:
            what, values = found
            # A subgraph begins before the node in it that is to blame.
            inner = (
                None if what == "input" else _first_divergent(_inside(one, a), _inside(other, b))
            )
            return inner or Divergence(one.record.node, one.step, what, values)
    return None


def _inside(work: _Work, among: Sequence[_Work]) -> list[_Work]:
    """Return what was done by the nodes of a subgraph."""
    folder = f"{work.record.node}/"
    return [one for one in among if one.step == work.step and one.record.node.startswith(folder)]


def _differs(a: NodeRecord, b: NodeRecord) -> tuple[str, Mapping[str, Pair]] | None:
    if given := _pairs(a.input, b.input):
        return "input", given
    if a.status != b.status:
        values: dict[str, Pair] = {"status": (a.status, b.status)}
        if a.error or b.error:
            values["error"] = (_text(a.error), _text(b.error))
        return "status", values
    if returned := _pairs(a.output, b.output):
        return "output", returned
    return None


def _text(error: object) -> Any:
    return ABSENT if error is None else str(error)


def _pairs(a: Any, b: Any) -> dict[str, Pair]:
    """Return what differs: by key, or under "" where one of them is no mapping."""
    if not isinstance(a, Mapping) or not isinstance(b, Mapping):
        return {} if _comparable(a) == _comparable(b) else {"": (a, b)}
    names = dict.fromkeys([*a, *b])
    pairs = {str(name): (a.get(name, ABSENT), b.get(name, ABSENT)) for name in names}
    return {
        name: (one, other)
        for name, (one, other) in pairs.items()
        if _comparable(one) != _comparable(other)
    }


def _comparable(value: Any) -> Any:
    """Return data that is equal for equal content, without the ids of messages."""
    if value is None or value is ABSENT or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, float):
        return value if value == value else "nan"
    if isinstance(value, Mapping):
        return {repr(key): _comparable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(part) for part in value]
    if hasattr(value, "model_dump"):
        dumped = value.model_dump()
        if {"content", "type"} <= dumped.keys():
            dumped.pop("id", None)
        return _comparable(dumped)
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _comparable(getattr(value, one.name)) for one in fields(value)}
    try:
        return _values.serializer().dumps_typed(value)
    except Exception:
        return repr(value)
