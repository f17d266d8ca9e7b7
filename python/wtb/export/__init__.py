"""Exports of batches: tables for analysis, reports for CI, and the baseline as one file.

`TestBench.export` is the way in. Each format has a module of its own, but the bundle, whose form is
the engine's.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from wtb.export._destination import COMPARING, FORMATS, Destination, Format, destination
from wtb.export._source import StoredBatch
from wtb.export.tables import Table

if TYPE_CHECKING:
    from wtb._results import BenchResults
    from wtb._staged import Staged
    from wtb.comparison import Comparison

__all__ = ["FORMATS", "Destination", "Format", "destination", "export_batch"]


def export_batch(
    files: "Staged", bench: "BenchResults", batch: str, destinations: Sequence[Destination]
) -> None:
    """Write a batch to all of its destinations.

    Args:
        files: Where they are written.
        bench: The bench whose store the batch is in.
        batch: The batch's id.
        destinations: What to write where.

    Raises:
        ConfigurationError: A destination cannot be written, or there is no variant, or no score, of
            the name that one gives.
    """
    stored = StoredBatch(bench._core.engine, batch)

    @cache
    def compare(baseline: str | None, metric: str | None) -> "Comparison":
        return bench.compare(batch, baseline=baseline, metric=metric)

    # What may be refused comes first: the rows of a large batch take their time.
    for one in destinations:
        if one.kind in COMPARING:
            compare(one.baseline, one.metric)
    opened = [(one, _opened(files, one)) for one in destinations]
    for one, targets in opened:
        if one.tables:
            _write_tables(stored, one.kind, zip(one.tables, targets, strict=True))
        else:
            _write_one(targets[0], stored, one.kind, partial(compare, one.baseline, one.metric))


def _opened(files: "Staged", one: Destination) -> list[BinaryIO]:
    return [files.open_output() if path is None else files.open(path) for path in one.files()]


class _RowWriter(Protocol):
    def write(self, row: Any) -> None: ...

    def close(self) -> None: ...


def _write_tables(
    batch: StoredBatch, kind: Format, targets: Iterable[tuple[Table, BinaryIO]]
) -> None:
    writer = _row_writer(kind)
    with ExitStack() as closing:
        open_tables = []
        for table, file in targets:
            written = writer(file, table)
            closing.callback(written.close)
            open_tables.append((table, written))
        for execution in batch.executions():
            for table, written in open_tables:
                for row in table.rows(execution):
                    written.write(row)


def _row_writer(kind: Format) -> Callable[[BinaryIO, Table], _RowWriter]:
    match kind:
        case "jsonl":
            from wtb.export.json_lines import JsonLinesWriter

            return JsonLinesWriter
        case "csv":
            from wtb.export.csv_text import CsvWriter

            return CsvWriter
        case _:
            from wtb.export.parquet import ParquetWriter

            return ParquetWriter


def _write_one(
    file: BinaryIO, batch: StoredBatch, kind: Format, compare: "Callable[[], Comparison]"
) -> None:
    match kind:
        case "json":
            from wtb.export.json_document import write_document

            write_document(file, batch, compare())
        case "junit":
            from wtb.export.junit import write_junit

            write_junit(file, batch)
        case "markdown":
            from wtb.export.markdown import markdown

            file.write(markdown(batch, compare()).encode())
        case _:
            file.write(batch.engine.bundle(batch.id))
