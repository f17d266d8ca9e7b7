"""CSV as RFC 4180 has it, with texts that no spreadsheet takes for a formula.

An empty cell is no value; an empty text is `""`. The rule about formulas has no option: a text
that begins with `=`, `+`, `-`, `@`, a tab, a line end or an apostrophe gets an apostrophe in front,
so that taking one leading apostrophe away gives back every text.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO

from wtb.export._texts import cleaned, iso, json_text
from wtb.export.tables import Column, Table

__all__ = ["CsvWriter"]


class CsvWriter:
    """Writes the rows of a table below a line with the columns' names."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file = file
        self._table = table
        self._line([column.name for column in table.columns])

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row."""
        self._line([_cell(column, row[column.name]) for column in self._table.columns])

    def close(self) -> None:
        """Write what is left; the file stays open."""

    def _line(self, cells: list[str]) -> None:
        self._file.write(",".join(cells).encode() + b"\r\n")


def _cell(column: Column, value: Any) -> str:
    if value is None:
        return ""
    match column.kind:
        case "text":
            return _quoted(defused(cleaned(str(value))))
        case "json":
            # It begins with a bracket, a quote, a digit, a letter, or the minus of a number.
            return _quoted(json_text(value))
        case "time":
            return iso(value)
        case "boolean":
            return "true" if value else "false"
        case _:
            return repr(value)


def defused(text: str) -> str:
    """Return a text that a spreadsheet shows instead of computing it.

    Example:
        >>> defused("=1+1")
        "'=1+1"
        >>> defused("1+1")
        '1+1'
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


# The wide ones count in spreadsheets with East Asian settings.
_FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
    "'",
)


def _quoted(text: str) -> str:
    # Most readers of CSV take a NUL for the end of the text.
    text = text.replace("\0", "\ufffd")
    if text and not any(sign in text for sign in ',"\r\n') and text.strip() == text:
        return text
    return '"' + text.replace('"', '""') + '"'
