"""The history of an execution as plain data, as `wtb checkpoints` shows it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtb._place import lineages_of
from wtb._plain import plain
from wtb.checkpoint import Checkpoint, read_checkpoints

if TYPE_CHECKING:
    from wtb._native import CheckpointsRef
    from wtb.execution import Execution

__all__ = ["head_of", "history_of", "standing_of"]


def history_of(
    source: "CheckpointsRef", execution: "Execution", *, every: bool, values: bool
) -> dict[str, Any]:
    """Return an execution with its checkpoints, oldest first.

    Args:
        source: The store's checkpoints.
        execution: The execution.
        every: Whether those of all lineages are wanted: lineage by lineage, and what several share
            once, with the numbers of all of them.
        values: Whether the values of changed keys are wanted.
    """
    threads = [*lineages_of(execution)]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for number, thread in reversed(threads if every else threads[:1]):
        checkpoints = read_checkpoints(source, thread)
        head = _last(checkpoints) if number == execution.lineages else None
        for one in checkpoints:
            key = (one.config["configurable"]["checkpoint_ns"], one.id)
            before = found[key]["lineages"] if key in found else []
            described = _described(one, execution, number, is_head=one is head)
            found[key] = {**described, "lineages": [*before, number]}
            if values:
                found[key]["values"] = _changed(one)
    return {**_whose(execution), "checkpoints": [*found.values()]}


def standing_of(source: "CheckpointsRef", execution: "Execution") -> dict[str, Any]:
    """Return an execution with the checkpoint at which it stands."""
    head = head_of(source, execution)
    number = execution.lineages
    described = None if head is None else _described(head, execution, number, is_head=True)
    if described is not None:
        described["lineages"] = [number]
    return {**_whose(execution), "checkpoint": described}


def head_of(source: "CheckpointsRef", execution: "Execution") -> Checkpoint | None:
    """Return the checkpoint at which an execution stands; None without checkpoints."""
    for _, thread in lineages_of(execution):
        return _last(read_checkpoints(source, thread))
    return None


def _last(checkpoints: list[Checkpoint]) -> Checkpoint | None:
    return next((one for one in reversed(checkpoints) if not one.namespace), None)


def _whose(execution: "Execution") -> dict[str, Any]:
    return {
        "id": execution.id,
        "status": execution.status,
        "workflow": execution.workflow,
        "variant": execution.variant,
        "case": execution.case_id,
        "batch": execution.batch_id,
        "parent": execution.parent_id,
        "thread": execution.thread_id,
        "lineages": execution.lineages,
    }


def _described(
    one: Checkpoint, execution: "Execution", number: int, *, is_head: bool
) -> dict[str, Any]:
    step = str(one.step) if number == execution.lineages else f"{number}/{one.step}"
    # What was asked before the head was answered.
    asked = one.interrupts if is_head and execution.status == "interrupted" else ()
    return {
        "at": None if one.namespace else step,
        "id": one.id,
        "parent": one.parent_id,
        "root": one.root_id,
        "thread": one.thread,
        "path": one.path,
        "step": one.step,
        "source": one.source,
        "nodes": [*one.nodes],
        "next": [*one.next],
        "changes": [*one.changes],
        "created_at": None if one.created_at is None else one.created_at.isoformat(),
        "is_head": is_head,
        "interrupts": [{"id": question.id, "value": plain(question.value)} for question in asked],
    }


def _changed(one: Checkpoint) -> dict[str, Any]:
    values = one.values
    if not isinstance(values, Mapping) or one.changes == ("__root__",):
        # The state is one value, and not a mapping of keys.
        return {name: plain(values) for name in one.changes}
    return {name: plain(values[name]) for name in one.changes if name in values}
