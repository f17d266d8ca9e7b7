"""Files of executions, as snapshots have them, and how two snapshots differ."""

import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from wtb._native import EntryRow, SnapshotsRef

__all__ = ["FileChange", "FileEntry", "FilesDiff"]

TEXT_BYTES_MAX = 1_000_000
"""Files that are larger are not compared line by line."""

LISTED_MAX = 20
"""So many changes are printed."""


@dataclass(frozen=True)
class FileEntry:
    """A file, a directory or a symbolic link in a snapshot.

    Attributes:
        path: Where it is, from the root of the workspace. A name that is not UTF-8 is as
            `os.fsdecode` has it.
        kind: "file", "directory" or "symlink".
        mode: The permission bits.
        size: How many bytes a file has; None of anything else.
        hash: The id of a file's content: equal for equal bytes.
        target: What a symbolic link holds.
    """

    path: str
    kind: str
    mode: int
    size: int | None
    hash: str | None
    target: str | None
    _snapshot: str = field(repr=False, compare=False)
    _source: "SnapshotsRef" = field(repr=False, compare=False)

    def read_bytes(self) -> bytes:
        """Return what is in the file, checked against its hash.

        Raises:
            WorkspaceError: It is no file, or its content is damaged.
        """
        return self._source.read(self._snapshot, os.fsencode(self.path))

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return what is in the file as text."""
        return self.read_bytes().decode(encoding)


@dataclass(frozen=True)
class FileChange:
    """How a path differs between two snapshots.

    Attributes:
        path: The path.
        before: What was there; None if nothing was.
        after: What is there; None if nothing is.
    """

    path: str
    before: FileEntry | None
    after: FileEntry | None

    @property
    def kind(self) -> str:
        """What became of it: "added", "removed" or "changed"."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    @cached_property
    def lines(self) -> Sequence[str] | None:
        """The differing lines of a text, as `diff -u` shows them; None of what is no text."""
        before, after = _text(self.before), _text(self.after)
        if before is None or after is None:
            return None
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
        return [*lines][2:]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        sides = {"before": self.before, "after": self.after}
        return {
            "path": printable(self.path),
            "change": self.kind,
            **{name: None if one is None else entry_dict(one) for name, one in sides.items()},
            "lines": None if self.lines is None else [printable(line) for line in self.lines],
        }

    def __str__(self) -> str:
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        sizes = [one.size for one in (self.before, self.after) if one and one.size is not None]
        told = f" ({' -> '.join(map(str, sizes))} bytes)" if sizes else ""
        return f"{sign} {printable(self.path)}{told}"


class FilesDiff(Sequence[FileChange]):
    """The differences between the files of two snapshots, in the order of their paths."""

    def __init__(self, changes: Sequence[FileChange]) -> None:
        self._changes = changes

    @overload
    def __getitem__(self, place: int) -> FileChange: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[FileChange]: ...
    def __getitem__(self, place: int | slice) -> FileChange | Sequence[FileChange]:
        return self._changes[place]

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[FileChange]:
        return iter(self._changes)

    def __str__(self) -> str:
        if not self._changes:
            return "no file differs"
        more = len(self._changes) - LISTED_MAX
        shown = [str(one) for one in self._changes[:LISTED_MAX]]
        return "\n".join([*shown, f"and {more} more"] if more > 0 else shown)

    def __repr__(self) -> str:
        return f"<FilesDiff: {len(self)} changes>"


def read_files(source: "SnapshotsRef", snapshot: str) -> list[FileEntry]:
    """Return the entries of a snapshot, in the order of their paths."""
    return [_entry(source, snapshot, row) for row in source.entries(snapshot)]


def diff_files(source: "SnapshotsRef", before: str, after: str) -> FilesDiff:
    """Return how two snapshots differ."""
    changes = []
    for one, other in source.diff(before, after):
        pair = (
            None if one is None else _entry(source, before, one),
            None if other is None else _entry(source, after, other),
        )
        path = next(entry.path for entry in pair if entry is not None)
        changes.append(FileChange(path, *pair))
    return FilesDiff(changes)


def entry_dict(entry: FileEntry) -> dict[str, Any]:
    """Return an entry as plain data."""
    return {
        "path": printable(entry.path),
        "kind": entry.kind,
        "mode": f"{entry.mode:04o}",
        "size": entry.size,
        "hash": entry.hash,
        "target": None if entry.target is None else printable(entry.target),
    }


def printable(text: str) -> str:
    """Return a path as text that can be printed, whatever its bytes are."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _entry(source: "SnapshotsRef", snapshot: str, row: "EntryRow") -> FileEntry:
    path, kind, mode, size, content, target = row
    return FileEntry(
        path=os.fsdecode(path),
        kind=kind,
        mode=mode,
        size=size,
        hash=content,
        target=None if target is None else os.fsdecode(target),
        _snapshot=snapshot,
        _source=source,
    )


def _text(entry: FileEntry | None) -> str | None:
    """Return the text of a file, or of one that is not there; None of what is no text."""
    if entry is None:
        return ""
    if entry.kind != "file" or (entry.size or 0) > TEXT_BYTES_MAX:
        return None
    data = entry.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
