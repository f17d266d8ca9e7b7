"""Parquet by pyarrow, with proper types; users' values are JSON text.

Rows are written in groups, so that only one group is in memory.
"""

import importlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from wtb.errors import ConfigurationError
from wtb.export._texts import cleaned, json_text
from wtb.export.tables import Column, Table

__all__ = ["ParquetWriter"]

ROWS_MAX = 10_000
"""So many rows are in a group at the most."""

GROUP_CHARACTERS_MAX = 32 * 2**20
"""A group is closed once its texts have so many characters."""


class ParquetWriter:
    """Writes the rows of a table.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._arrow = _pyarrow("pyarrow")
        self._table = table
        types = self._types()
        self._schema = self._arrow.schema([(one.name, types[one.kind]) for one in table.columns])
        parquet = _pyarrow("pyarrow.parquet")
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[list[Any]] = []
        self._characters = 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Write a row, or keep it until its group is full."""
        cells = [_cell(column, row[column.name]) for column in self._table.columns]
        self._rows.append(cells)
        self._characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if len(self._rows) >= ROWS_MAX or self._characters >= GROUP_CHARACTERS_MAX:
            self._write_group()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        columns = [
            self._arrow.array(cells, field.type)
            for cells, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
        self._rows, self._characters = [], 0

    def _types(self) -> dict[str, Any]:
        arrow = self._arrow
        return {
            "text": arrow.string(),
            "json": arrow.string(),
            "integer": arrow.int64(),
            "number": arrow.float64(),
            "boolean": arrow.bool_(),
            "time": arrow.timestamp("us", tz="UTC"),
        }


def _cell(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "json":
        return json_text(value)
    return cleaned(str(value)) if column.kind == "text" else value


def _pyarrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            "Parquet is written by pyarrow, which is not installed: "
            "pip install 'workflow-test-bench[parquet]'"
        ) from error
