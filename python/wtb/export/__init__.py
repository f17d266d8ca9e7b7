"""Exports of batches: tables for analysis, reports for CI, and the baseline as one file.

`TestBench.export` is the way in. Each format has a module of its own, but the bundle, whose form is
the engine's.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from wtb.errors import ConfigurationError, did_you_mean
from wtb.export._source import StoredBatch
from wtb.export._staged import Staged
from wtb.export.tables import Table, chosen

if TYPE_CHECKING:
    from wtb.comparison import Comparison

__all__ = ["COMPARING", "FORMATS", "TABULAR", "Format", "export_batch", "format_of"]

Format = Literal["json", "jsonl", "csv", "parquet", "junit", "markdown", "bundle"]
"""What a batch can be exported as."""

FORMATS: dict[str, Format] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".xml": "junit",
    ".md": "markdown",
    ".wtb": "bundle",
}
"""The formats by the endings of their files."""

TABULAR: tuple[Format, ...] = ("jsonl", "csv", "parquet")
"""The formats for which `what` is."""

COMPARING: tuple[Format, ...] = ("json", "markdown")
"""The formats for which `baseline` and `metric` are."""


def export_batch(
    batch: StoredBatch,
    compare: "Callable[[str | None, str | None], Comparison]",
    path: "str | os.PathLike[str]",
    format: str | None,  # noqa: A002
    what: str | Sequence[str],
    baseline: str | None,
    metric: str | None,
) -> list[Path]:
    """Write a batch; see `TestBench.export`.

    Args:
        batch: The batch.
        compare: Compares its variants, given a baseline and a primary metric.
        path: Where to.
        format: As what.
        what: Which tables.
        baseline: The variant that the comparison measures others against.
        metric: The comparison's primary metric.
    """
    target = _path(path)
    kind = format_of(target, format)
    _check_arguments(kind, what, baseline, metric)
    with Staged() as files:
        if kind in TABULAR:
            _write_tables(files, batch, target, kind, chosen(what))
        else:
            file = files.open(target)
            _write_one(file, batch, kind, lambda: compare(baseline, metric))
    return files.paths


def _path(path: "str | os.PathLike[str]") -> Path:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(f"path is a file to export to, not {path!r}")
    return Path(text)


def format_of(path: Path, asked: str | None) -> Format:
    """Return the format that is asked for by name, or by the ending of a path.

    Raises:
        ConfigurationError: There is no such format or ending; the text lists those that there are.
    """
    known = list(FORMATS.values())
    if asked is None:
        ending = path.suffix.lower()
        if ending not in FORMATS:
            raise ConfigurationError(
                f"{str(path)!r} does not end like a format that is known. "
                f"{did_you_mean(ending, list(FORMATS), listed_as='the endings')} "
                "Or name the format: format='csv' (`--format csv`)"
            )
        return FORMATS[ending]
    for one in known:
        if one == asked:
            return one
    raise ConfigurationError(
        f"there is no format {asked!r}. {did_you_mean(str(asked), known, listed_as='the formats')}"
    )


def _check_arguments(
    kind: Format, what: str | Sequence[str], baseline: str | None, metric: str | None
) -> None:
    """Refuse what a format would not read."""
    if kind not in TABULAR and what not in ("executions", "all"):
        raise ConfigurationError(
            f"what={what!r} chooses tables, and {kind} has no choice of them; "
            f"tables are for {', '.join(TABULAR)}"
        )
    for name, value in (("baseline", baseline), ("metric", metric)):
        if value is not None and kind not in COMPARING:
            raise ConfigurationError(
                f"{name}={value!r} is for a comparison, which {kind} does not hold; "
                f"{' and '.join(COMPARING)} do"
            )


class _RowWriter(Protocol):
    def write(self, row: Any) -> None: ...

    def close(self) -> None: ...


def _write_tables(
    files: Staged, batch: StoredBatch, path: Path, kind: Format, tables: Sequence[Table]
) -> None:
    writer = _row_writer(kind)
    with ExitStack() as closing:
        open_tables = []
        for table in tables:
            place = path if len(tables) == 1 else _place_of(path, kind, table.name)
            written = writer(files.open(place), table)
            closing.callback(written.close)
            open_tables.append((table, written))
        for execution in batch.executions():
            for table, written in open_tables:
                for row in table.rows(execution):
                    written.write(row)


def _place_of(path: Path, kind: Format, table: str) -> Path:
    """Return where one of several tables goes: `run.csv` -> `run.nodes.csv`."""
    ending = next(ending for ending, known in FORMATS.items() if known == kind)
    stem = path.name[: -len(ending)] if path.name.lower().endswith(ending) else path.name
    return path.with_name(f"{stem}.{table}{ending}")


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
