"""Test cases, and loading them from files and lists.

Whether a case fits a graph's input is checked by `wtb.langgraph`.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from wtb._case_files import Row, read_rows
from wtb._case_ids import content_id
from wtb.errors import ConfigurationError, InvalidCaseError, did_you_mean, near_misses

__all__ = ["Case", "CaseLike", "load_cases", "normalise_cases"]

_TAGS: Final = "tags"
_ANSWERS: Final = "answers"
_DEFAULTS: Final = {"expected": "expected", "id": "id", "group": "group", "workspace": None}


@dataclass(frozen=True, init=False)
class Case:
    """A test case: an input, and what is expected of the output.

    Args:
        input: The initial state of the workflow.
        expected: What evaluators compare the output with; None when nothing is expected.
        id: How results call the case. By default it is made of input, expected value and workspace,
            so that the same case has the same id in every program.
        tags: Free labels.
        group: Cases that are not independent of each other (questions on one document) are of one
            group.
        answers: How the workflow's questions (`interrupt`) are answered: a list, in the order in
            which is asked, or a mapping from questions that are texts. Where it has no answer, the
            batch's `on_interrupt` is asked, and then the execution awaits a person's.
        workspace: The directory of inputs that its executions work on, in the place of the
            batch's; see `wtb.Workspace`.

    Raises:
        InvalidCaseError: The id, a tag, the group or the workspace is no text, the answers are
            neither list nor mapping, or there is no id and the content cannot be serialised.

    Example:
        >>> Case({"query": "capital of France"}, "Paris").id
        'c_71a3bca436b8'
    """

    input: Any
    expected: Any
    id: str
    tags: tuple[str, ...]
    group: str | None
    answers: Sequence[Any] | Mapping[str, Any] | None
    workspace: str | None

    def __init__(
        self,
        input: Any,  # noqa: A002
        expected: Any = None,
        *,
        id: str | None = None,  # noqa: A002
        tags: Sequence[str] = (),
        group: str | None = None,
        answers: Sequence[Any] | Mapping[str, Any] | None = None,
        workspace: str | os.PathLike[str] | None = None,
    ) -> None:
        if id is not None and (not isinstance(id, str) or not id):
            raise InvalidCaseError(f"a case's id is a non-empty text, not {id!r}")
        where = f"case {id!r}" if id else "a case"
        if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
            raise InvalidCaseError(f"{where}: tags are a list of texts, not {tags!r}")
        if group is not None and not isinstance(group, str):
            raise InvalidCaseError(f"{where}: a group is named by a text, not by {group!r}")
        object.__setattr__(self, "input", input)
        object.__setattr__(self, "expected", expected)
        if workspace is not None and not (isinstance(workspace, str | os.PathLike) and workspace):
            raise InvalidCaseError(f"{where}: a workspace is a directory, not {workspace!r}")
        own = None if workspace is None else os.fspath(workspace)
        object.__setattr__(self, "id", id or content_id(input, expected, own))
        object.__setattr__(self, "tags", tuple(tags))
        if isinstance(answers, str | bytes) or not isinstance(answers, Sequence | Mapping | None):
            raise InvalidCaseError(
                f"{where}: answers are a list, or a mapping from questions, not {answers!r}"
            )
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "workspace", None if own is None else os.path.abspath(own))

    def __hash__(self) -> int:
        return hash(self.id)


CaseLike = Case | Mapping[str, Any]
"""A `Case`, or an initial state."""


def load_cases(
    source: str | os.PathLike[str] | Iterable[CaseLike],
    *,
    input: str | Sequence[str] | None = None,  # noqa: A002
    expected: str | None = "expected",
    id: str | None = "id",  # noqa: A002
    group: str | None = None,
    workspace: str | None = None,
    limit: int | None = None,
) -> list[Case]:
    """Load cases from a JSON Lines, JSON or CSV file, or from a list of rows.

    A row's input is its `input` column, where it has one; else all of its columns but those of the
    expected value, the id, the group, the tags and the answers. Tags are in the column `tags`: a
    list, or a text with commas. Answers to questions are in the column `answers`: a list, or a
    mapping from questions; in a CSV file as JSON.

    A CSV column is read as JSON (numbers, true, false, null, lists, objects) if every cell in it is
    JSON or empty, and as text otherwise; numbers that would lose digits (007, 1.10) make it text.
    Ids, groups and tags are always text. An empty cell is None in a JSON column, and no expected
    value, id or group.

    Args:
        source: A path (`.jsonl`, `.ndjson`, `.json`, `.csv`), or rows: mappings and `Case`s.
        input: The column that holds the input, or a list of columns that make up the input.
        expected: The column of the expected value; None when there is none.
        id: The column of the id; None when there is none.
        group: The column of the group; by default `group`, where rows have it.
        workspace: The column of the directory of inputs, which is relative to the file's; None
            when there is none.
        limit: Only the first so many rows.

    Raises:
        ConfigurationError: There is no such file or column, or it cannot be read.
        InvalidCaseError: A row is malformed or two cases have one id; the text names the lines.

    Example:
        >>> load_cases([{"query": "2 + 2", "expected": "4"}])[0].input
        {'query': '2 + 2'}
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ConfigurationError(f"limit is a positive number of cases, not {limit!r}")
    columns = _Columns(input, expected, id, group, workspace)
    if isinstance(source, str | os.PathLike):
        columns.folder = Path(source).parent
        name = str(source)
        rows: Sequence[Row | tuple[str, Case]] = read_rows(
            Path(source), limit, columns.text, columns.optional
        )
    else:
        name = "the list of cases"
        rows = _listed_rows(source, limit)
    if not rows:
        raise InvalidCaseError(f"{name} holds no cases")
    columns.check([row for row in rows if isinstance(row, Row)], name)
    placed = [(one[0], columns.case(one) if isinstance(one, Row) else one[1]) for one in rows]
    _check_distinct(placed)
    return [case for _, case in placed]


def normalise_cases(cases: Iterable[CaseLike]) -> list[Case]:
    """Return the cases of a batch; a mapping among them is an initial state as it stands.

    Raises:
        ConfigurationError: It is no list of cases.
        InvalidCaseError: There is no case, or two have one id.
    """
    if isinstance(cases, str | os.PathLike):
        raise ConfigurationError(
            f"test cases are a list; wtb.load_cases({str(cases)!r}) reads them from a file"
        )
    if isinstance(cases, Case | Mapping) or not isinstance(cases, Iterable):
        raise ConfigurationError(
            f"test cases are a list of Case or of initial states, not {_short(cases)}; "
            "a single one is written [case]"
        )
    placed: list[tuple[str, Case]] = []
    for position, one in enumerate(cases):
        place = f"test_cases[{position}]"
        if not isinstance(one, Case | Mapping):
            raise InvalidCaseError(
                f"{place} is a {type(one).__name__}; give a Case or a mapping. "
                "An initial state of another kind is wrapped: Case(state)"
            )
        placed.append((place, one if isinstance(one, Case) else _at(place, one)))
    if not placed:
        raise InvalidCaseError("the list of test cases is empty; give at least one")
    _check_distinct(placed)
    return [case for _, case in placed]


class _Columns:
    """What each column of a row means."""

    def __init__(
        self,
        given: str | Sequence[str] | None,
        expected: str | None,
        key: str | None,
        group: str | None,
        workspace: str | None,
    ) -> None:
        self.folder = Path()
        self._workspace = workspace
        self._input = given
        self._expected = expected
        self._id = key
        self._group = group or _DEFAULTS["group"]
        self._asked = {
            "expected": expected,
            "id": key,
            "group": self._group,
            "workspace": workspace,
        }
        if given is not None and not isinstance(given, str) and not given:
            raise ConfigurationError("input=[] selects no columns; leave it out or name some")

    @property
    def text(self) -> frozenset[str]:
        """The columns that are text in any case."""
        texts = (self._id, self._group, self._workspace, _TAGS)
        return frozenset(name for name in texts if name)

    @property
    def optional(self) -> frozenset[str]:
        """The columns that may be empty."""
        return frozenset(name for name in (*self._asked.values(), _ANSWERS) if name)

    def check(self, rows: Sequence[Row], name: str) -> None:
        """Refuse a column that was asked for and that no row has.

        If one row has an input column, all have to.
        """
        if self._input is None and any("input" in row.columns for row in rows):
            self._input = "input"
        known = list(dict.fromkeys(str(column) for row in rows for column in row.columns))
        for argument, column in self._asked.items():
            if column and column != _DEFAULTS[argument] and rows and column not in known:
                listed = f"the columns of {name}"
                raise ConfigurationError(
                    f"{argument}={column!r}: no row of {name} has such a column. "
                    f"{did_you_mean(column, known, listed_as=listed)}"
                )

    def case(self, row: Row) -> Case:
        """Return the case that a row describes."""
        place, columns = row
        tags = columns.get(_TAGS)
        if isinstance(tags, str):
            tags = [tag.strip() for tag in tags.split(",") if tag.strip()]
        given, expected = self._input_of(row), self._value(columns, self._expected)
        own = self._value(columns, self._workspace)
        key = _as_text(self._value(columns, self._id))
        if key is None and isinstance(own, str) and own:
            # Wherever the file is.
            key = content_id(given, expected, own)
        return _at(
            place,
            given,
            expected,
            id=key,
            tags=tags or (),
            group=_as_text(self._value(columns, self._group)),
            answers=columns.get(_ANSWERS),
            workspace=self.folder / own if isinstance(own, str) and own else own or None,
        )

    def _value(self, columns: Mapping[str, Any], column: str | None) -> Any:
        return None if column is None else columns.get(column)

    def _input_of(self, row: Row) -> Any:
        if self._input is None:
            meant = {*self._asked.values(), _TAGS, _ANSWERS}
            return {name: value for name, value in row.columns.items() if name not in meant}
        if isinstance(self._input, str):
            self._refuse_misspelt(row, self._input)
            return self._cell(row, self._input)
        return {name: self._cell(row, name) for name in self._input}

    def _cell(self, row: Row, column: str) -> Any:
        if column not in row.columns:
            known = [str(name) for name in row.columns]
            raise InvalidCaseError(
                f"{row.place} has no column {column!r}. "
                f"{did_you_mean(column, known, listed_as='it has')}"
            )
        return row.columns[column]

    def _refuse_misspelt(self, row: Row, column: str) -> None:
        """Refuse a column that would be left out, but looks like one that is looked for."""
        meant = [name for name in (*self._asked.values(), _TAGS) if name]
        absent = [name for name in meant if name not in row.columns]
        for name in row.columns:
            close = [] if name in (column, _ANSWERS, *meant) else near_misses(str(name), absent)
            if close:
                raise InvalidCaseError(
                    f"{row.place}: column {name!r} is not read. Did you mean {close[0]!r}? "
                    "Rename it, or name the columns: load_cases(..., expected=, id=, group=)"
                )


def _listed_rows(source: Iterable[CaseLike], limit: int | None) -> list[Row | tuple[str, Case]]:
    if isinstance(source, Case | Mapping) or not isinstance(source, Iterable):
        raise ConfigurationError(f"cases are a path or a list of rows, not {_short(source)}")
    rows: list[Row | tuple[str, Case]] = []
    for position, one in enumerate(islice(source, limit)):
        place = f"cases[{position}]"
        if isinstance(one, Case):
            rows.append((place, one))
        elif isinstance(one, Mapping):
            rows.append(Row(place, one))
        else:
            raise InvalidCaseError(f"{place} is a {type(one).__name__}; give a mapping or a Case")
    return rows


def _at(place: str, *args: Any, **kwargs: Any) -> Case:
    try:
        return Case(*args, **kwargs)
    except InvalidCaseError as error:
        raise InvalidCaseError(f"{place}: {error}") from None


def _as_text(value: Any) -> Any:
    """Return an integer as text; a case refuses whatever else is no text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_distinct(placed: Sequence[tuple[str, Case]]) -> None:
    first: dict[str, tuple[str, Case]] = {}
    for place, case in placed:
        other_place, other = first.setdefault(case.id, (place, case))
        if other_place == place:
            continue
        if case.id.startswith("c_") and _is_same_content(case, other):
            raise InvalidCaseError(
                f"{place} has the same input and expected value as {other_place}. repeats= runs "
                "each case more than once; two cases that only look alike need ids"
            )
        raise InvalidCaseError(
            f"{place} has the id {case.id!r} that {other_place} has already; "
            "each case needs an id of its own"
        )


def _is_same_content(one: Case, other: Case) -> bool:
    return all(case.id == content_id(case.input, case.expected) for case in (one, other))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
