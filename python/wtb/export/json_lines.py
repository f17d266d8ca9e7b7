"""JSON Lines: one object for each row, all of its columns in order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, BinaryIO

from wtb.export._texts import iso, json_text
from wtb.export.tables import Table

__all__ = ["JsonLinesWriter", "object_of"]


class JsonLinesWriter:
    """Writes the rows of a table, one object in a line."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file = file
        self._table = table

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        line = json_text(object_of(self._table, row)).translate(_LINE_ENDS)
        self._file.write(line.encode() + b"\n")

    def close(self) -> None:
        """Write what is left; the file stays open."""


def object_of(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON data: times as text, values of users as they are."""
    return {
        column.name: iso(value) if isinstance(value := row[column.name], datetime) else value
        for column in table.columns
    }


# These end a line for `str.splitlines`, so they may not stand in one as they are.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
