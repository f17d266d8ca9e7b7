"""What is to be written where, checked before anything is read or written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wtb._staged import named_file
from wtb.errors import ConfigurationError, did_you_mean
from wtb.export.tables import Table, chosen

__all__ = [
    "BINARY",
    "COMPARING",
    "FORMATS",
    "TABULAR",
    "Destination",
    "Format",
    "destination",
    "format_of",
]

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

BINARY: tuple[Format, ...] = ("parquet", "bundle")
"""The formats that are no text."""


@dataclass(frozen=True)
class Destination:
    """A file of an export, or several: of several tables each has one.

    Attributes:
        path: The file; None for standard output.
        kind: As what.
        tables: Which tables; none for formats that have no choice of them.
        baseline: The variant that the comparison measures others against.
        metric: The comparison's primary metric.
    """

    path: Path | None
    kind: Format
    tables: Sequence[Table]
    baseline: str | None
    metric: str | None

    def files(self) -> list[Path | None]:
        """Return its files: of several tables, `run.csv` becomes `run.nodes.csv` and so on."""
        if self.path is None or len(self.tables) < 2:
            return [self.path]
        ending = next(ending for ending, known in FORMATS.items() if known == self.kind)
        name = self.path.name
        stem = name[: -len(ending)] if name.lower().endswith(ending) else name
        return [self.path.with_name(f"{stem}.{table.name}{ending}") for table in self.tables]


def destination(
    path: "str | os.PathLike[str] | None",
    format: str | None,  # noqa: A002
    what: str | Sequence[str],
    baseline: str | None,
    metric: str | None,
) -> Destination:
    """Return a destination; for the arguments see `TestBench.export`.

    Raises:
        ConfigurationError: It asks for what there is not, or for what its format would not read.
    """
    place = None if path is None else named_file(path)
    kind = format_of(place, format)
    names = [what] if isinstance(what, str) else list(what)
    if kind not in TABULAR and names not in (["executions"], ["all"]):
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
    tables = chosen(names) if kind in TABULAR else []
    if place is None and len(tables) > 1:
        raise ConfigurationError(
            f"of several tables ({', '.join(one.name for one in tables)}) each has a file of its "
            "own: standard output takes one"
        )
    return Destination(place, kind, tables, baseline, metric)


def format_of(path: Path | None, asked: str | None) -> Format:
    """Return the format that is asked for by name, or by the ending of a path.

    Raises:
        ConfigurationError: There is no such format or ending; the text lists those that there are.
    """
    known = list(FORMATS.values())
    if asked is None:
        if path is None:
            raise ConfigurationError(
                "standard output has no ending that says the format: name it, as in "
                f"`--format csv`. The formats: {', '.join(known)}"
            )
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
