"""Reads files of test cases into rows, each with the place that error texts name.

What the columns of a row mean is decided in `wtb.cases`.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from wtb.errors import ConfigurationError, InvalidCaseError, did_you_mean

__all__ = ["Row", "read_rows"]


class Row(NamedTuple):
    """A row, and where it stands, for example `"cases.jsonl:7"`."""

    place: str
    columns: Mapping[str, Any]


def read_rows(
    path: Path, limit: int | None, text: frozenset[str], optional: frozenset[str]
) -> list[Row]:
    """Return the rows of a JSON Lines, JSON or CSV file; the ending tells which it is.

    Args:
        path: The file, in UTF-8, with or without a byte order mark.
        limit: Only the first so many rows.
        text: Columns of a CSV file that are never read as JSON.
        optional: Columns of a CSV file in which an empty cell is None.

    Raises:
        ConfigurationError: There is no such file, it cannot be read, or its kind is unknown.
        InvalidCaseError: A row is malformed; the text names file and line.
    """
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise ConfigurationError(
            f"cannot tell what {str(path)!r} is. "
            f"{did_you_mean(kind, _KINDS, listed_as='files of cases end in')}"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="" if kind == ".csv" else None) as file:
            if kind == ".csv":
                reader = csv.reader(file, strict=True)
                return _csv_rows(str(path), reader, text, optional)[:limit]
            if kind == ".json":
                return _json_rows(str(path), file.read())[:limit]
            return list(islice(_json_lines(str(path), file), limit))
    except FileNotFoundError:
        raise ConfigurationError(_missing(path)) from None
    except UnicodeDecodeError as error:
        raise InvalidCaseError(
            f"{path} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from error


_KINDS = [".jsonl", ".ndjson", ".json", ".csv"]


def _missing(path: Path) -> str:
    folder = path.parent
    try:
        names = sorted(one.name for one in folder.iterdir() if one.suffix.lower() in _KINDS)
    except OSError:
        return f"there is no file {str(path)!r}: there is no folder {str(folder.absolute())!r}"
    listed = f"files of cases in {str(folder.absolute())!r}"
    return f"there is no file {str(path)!r}. {did_you_mean(path.name, names, listed_as=listed)}"


def _json_lines(name: str, lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            is_array = number == 1 and line.lstrip().startswith("[")
            hint = "; the file seems to be one JSON array, so name it .json" if is_array else ""
            raise InvalidCaseError(f"{place}: not valid JSON: {_reason(error)}{hint}") from None
        yield Row(place, _object(place, value))


def _json_rows(name: str, text: str) -> list[Row]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidCaseError(f"{name}{line}: not valid JSON: {_reason(error)}") from None
    if not isinstance(values, list):
        raise InvalidCaseError(
            f"{name} holds {_kind(values)}; it has to be a JSON array of objects, one per case"
        )
    places = (f"{name}[{position}]" for position in range(len(values)))
    return [Row(place, _object(place, one)) for place, one in zip(places, values, strict=True)]


def _object(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidCaseError(f"{place}: a case is a JSON object, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    named = {list: "an array", dict: "an object", str: "a text", type(None): "null"}
    return named.get(type(value), f"the value {value!r}")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return str(error)


def _csv_rows(name: str, reader: Any, text: frozenset[str], optional: frozenset[str]) -> list[Row]:
    header: list[str] = []
    places: list[str] = []
    records: list[list[str]] = []
    line = 1
    try:
        for cells in reader:
            place, line = f"{name}:{line}", reader.line_num + 1
            if not cells:
                continue
            if not header:
                header = _checked_header(place, cells)
            elif len(cells) != len(header):
                raise InvalidCaseError(
                    f"{place}: {len(cells)} cells, but the header has {len(header)} columns; "
                    "a cell that holds a comma or a line break is put in double quotes"
                )
            else:
                places.append(place)
                records.append(cells)
    except csv.Error as error:
        raise InvalidCaseError(f"{name}:{line}: not valid CSV: {error}") from None
    columns = {
        column: _column(cells, column in text, column in optional)
        for column, cells in zip(header, zip(*records, strict=True), strict=False)
    }
    return [
        Row(place, {column: cells[position] for column, cells in columns.items()})
        for position, place in enumerate(places)
    ]


def _checked_header(place: str, header: list[str]) -> list[str]:
    names = [one.strip() for one in header]
    for position, column in enumerate(names):
        if not column:
            raise InvalidCaseError(f"{place}: column {position + 1} of the header has no name")
        if column in names[:position]:
            raise InvalidCaseError(f"{place}: the header names column {column!r} twice")
    return names


def _column(cells: tuple[str, ...], is_text: bool, is_optional: bool) -> list[Any]:
    """Return a column read as JSON, if each of its cells is JSON or empty; else as texts."""
    if not is_text and any(cells):
        try:
            return [_json_cell(cell) if cell else None for cell in cells]
        except (ValueError, RecursionError):
            pass
    return [None if is_optional and not cell else cell for cell in cells]


def _json_cell(cell: str) -> Any:
    value = json.loads(cell, parse_constant=_refuse)
    # Version 1.10 is not the number 1.1: a number counts as one only if it keeps its digits.
    if isinstance(value, int | float) and json.dumps(value) != cell:
        raise ValueError(f"{cell} would be changed")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
