"""From an execution and a place in its history to the snapshot of its files."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wtb import _native
from wtb._place import Named, find_place, head_of
from wtb.checkpoint import Checkpoint
from wtb.errors import CheckpointNotFoundError, ConfigurationError, NotFoundError
from wtb.files import FilesDiff, diff_files

if TYPE_CHECKING:
    from wtb._core import Core
    from wtb._native import SnapshotsRef
    from wtb._records import Attempt
    from wtb.execution import Execution

__all__ = ["START", "changed_between", "restore", "snapshot_at", "snapshots", "standing"]

START = "start"
"""Names, in the place of a checkpoint, what the first attempt found in its workspace."""

_MOVED = ("paused", "queued", "running")
"""In these states what the last attempt left is not where an execution stands."""


def snapshots(core: "Core") -> "SnapshotsRef":
    """Return the snapshots of a bench's store."""
    # Where there are no workspaces the engine has no such class, and the package is imported too.
    return _native.SnapshotsRef(core.engine)


def snapshot_at(core: "Core", execution: "Execution", at: Checkpoint | str | None) -> str:
    """Return the id of a snapshot of an execution's files.

    Args:
        core: The bench's.
        execution: The execution.
        at: A checkpoint, as `TestBench.rollback` takes it; "start" for what the first attempt
            found; None for where the execution stands, or what it has left.

    Raises:
        NotFoundError: It has no files there.
        CheckpointNotFoundError: There is no such checkpoint.
    """
    found = _find(core, execution, at)
    if found is None:
        raise NotFoundError(
            f"execution {execution.id} has no files {_told(at)}: it ran without workspace=, or was "
            "not stored so far"
        )
    return found


def _find(core: "Core", execution: "Execution", at: Checkpoint | str | None) -> str | None:
    if at == START:
        begun = _with_files(execution)
        return begun[0].files_found if begun else None
    if at is not None:
        return find_place(core.checkpoints, execution, Named(at)).checkpoint.snapshot
    if execution.status not in _MOVED:
        ended = _with_files(execution)
        if ended and ended[-1].files_left is not None:
            return ended[-1].files_left
    head = head_of(core.checkpoints, execution)
    return None if head is None else head.checkpoint.snapshot


def _with_files(execution: "Execution") -> "list[Attempt]":
    return [one for one in execution.attempts if one.workspace is not None]


def _told(at: Checkpoint | str | None) -> str:
    if at is None:
        return "where it stands"
    return "at its start" if at == START else f"at checkpoint {getattr(at, 'id', at)}"


def changed_between(core: "Core", one: str | None, other: str | None) -> FilesDiff | None:
    """Return how the files of two executions differ; None where either has none."""
    if one is None or other is None:
        return None
    return diff_files(snapshots(core), one, other)


def standing(core: "Core", execution: "Execution") -> str | None:
    """Return the snapshot of the files where an execution stands, if it has any."""
    try:
        return _find(core, execution, None)
    except CheckpointNotFoundError:
        return None


def restore(core: "Core", snapshot: str, directory: "str | os.PathLike[str]", force: bool) -> Path:
    """Make a directory what a snapshot says; see `TestBench.restore`."""
    if not isinstance(directory, str | os.PathLike) or not os.fspath(directory):
        raise ConfigurationError(f"files are restored into a directory, not {directory!r}")
    # What a link leads to is replaced, not the link.
    path = Path(os.path.realpath(os.fspath(directory)))
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{str(path)!r} is no directory: name one, or a new one")
    if not force and path.is_dir() and any(path.iterdir()):
        raise ConfigurationError(
            f"{str(path)!r} is not empty, and all that is in it would be replaced: name a new "
            "directory, or pass force=True (`--force`)"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    snapshots(core).restore(snapshot, str(path))
    return path
