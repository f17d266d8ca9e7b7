"""The files of executions as a page shows them: which there are, and what became of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wtb import _native
from wtb.files import FileEntry, diff_files, printable, read_files
from wtb.report.values import Allowance, ValueTable

if TYPE_CHECKING:
    from wtb._native import EngineRef
    from wtb.report.collect import Part

__all__ = ["FilesTable"]

FILES_MAX = 200
"""So many files of an execution are listed, those that were added or changed first."""

FILE_BYTES_MAX = 10_000
"""The content of a text that was added or changed is shown up to this size."""


class FilesTable:
    """Lists the files of attempts for one piece of a report."""

    def __init__(self, engine: "EngineRef", table: ValueTable) -> None:
        self._engine = engine
        self._table = table

    def of(self, attempts: Sequence["Part"], allowance: Allowance) -> dict[str, Any] | None:
        """Return the files that the last attempt with a workspace left; None without any."""
        with_files = [one.data for one in attempts if one.data["files"] is not None]
        if not with_files:
            return None
        found, left = with_files[-1]["found"], with_files[-1]["files"]
        source = _native.SnapshotsRef(self._engine)
        changes = (
            {} if found is None else {one.path: one for one in diff_files(source, found, left)}
        )
        rows = [
            [
                one.kind,
                printable(path),
                *self._content(one.after or one.before, one.after, allowance),
            ]
            for path, one in list(changes.items())[:FILES_MAX]
        ]
        rest = [one for one in read_files(source, left) if one.kind != "directory"]
        same = [one for one in rest if one.path not in changes]
        room = FILES_MAX - len(rows)
        rows += [["same", printable(one.path), one.size, None] for one in same[:room]]
        return {"rows": rows, "of": len(changes) + len(same)}

    def _content(
        self, entry: FileEntry | None, after: FileEntry | None, allowance: Allowance
    ) -> tuple[int | None, int | None]:
        size = None if entry is None else entry.size
        if after is None or after.kind != "file" or (after.size or 0) > FILE_BYTES_MAX:
            return size, None
        data = after.read_bytes()
        if b"\0" in data:
            return size, None
        try:
            return size, self._table.add_printed(data.decode(), allowance)
        except UnicodeDecodeError:
            return size, None
