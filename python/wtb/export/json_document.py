"""One JSON document with everything: the batch, its comparison, and all tables."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from wtb import _native
from wtb.export._texts import json_text
from wtb.export.json_lines import object_of
from wtb.export.tables import TABLES, Table

if TYPE_CHECKING:
    from wtb.comparison import Comparison
    from wtb.export._source import StoredBatch

__all__ = ["VERSION", "write_document"]

VERSION = 1
"""The version of the document's form; it changes when keys go or change their meaning."""


def write_document(file: BinaryIO, batch: "StoredBatch", comparison: "Comparison") -> None:
    """Write the document, a row in each line."""
    head: Mapping[str, Any] = {
        "format": "wtb-export",
        "version": VERSION,
        "wtb_version": _native.__version__,
        "batch": batch.head(),
        "comparison": comparison.to_dict(),
    }
    file.write(b"{\n")
    for name, value in head.items():
        file.write(f"{json_text(name)}: {json_text(value)},\n".encode())
    for table in TABLES.values():
        file.write(b"" if table is next(iter(TABLES.values())) else b",\n")
        file.write(f"{json_text(table.name)}: [".encode())
        for number, row in enumerate(_rows(batch, table)):
            file.write(b",\n" if number else b"\n")
            file.write(json_text(object_of(table, row)).encode())
        file.write(b"\n]")
    file.write(b"\n}\n")


def _rows(batch: "StoredBatch", table: Table) -> Iterator[Mapping[str, Any]]:
    for execution in batch.executions():
        yield from table.rows(execution)
