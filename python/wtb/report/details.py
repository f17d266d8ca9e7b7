"""What ran in executions, in pieces that a page decodes when somebody looks at them.

A piece holds all executions of some cases, so that an execution and the baseline's of the same case
are in one.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb.report.files import FilesTable
from wtb.report.values import Allowance, ValueTable

if TYPE_CHECKING:
    from wtb.report.collect import Collected, CollectedExecution, Detail, Part

__all__ = ["pieces"]

DETAIL_CHARACTERS_MAX = 100_000_000
"""Of all executions together about so many characters of values are written."""

EXECUTION_CHARACTERS_MAX = 200_000
"""Of one execution so many characters of values are written."""

EXECUTION_CHARACTERS_MIN = 2_000
"""So many are written of each, however many executions there are."""

PIECE_CHARACTERS = 250_000
"""A piece ends with the case that makes it larger."""

NODES_MAX = 500
"""So many nodes of an execution are written."""

ATTEMPTS_MAX = 50
"""So many attempts of an execution are written, the last ones."""

Piece = tuple[Sequence[int], Mapping[str, Any]]
"""The numbers of the cases that it is about, and its content."""


def pieces(collected: "Collected") -> Iterator[Piece]:
    """Yield the details of a batch, case by case."""
    share = DETAIL_CHARACTERS_MAX // max(len(collected.executions), 1)
    most = max(EXECUTION_CHARACTERS_MIN, min(EXECUTION_CHARACTERS_MAX, share))
    piece = _Piece(collected)
    by_case = sorted(collected.executions, key=lambda one: one.data["case_index"])
    for case, executions in groupby(by_case, key=lambda one: one.data["case_index"]):
        piece.add_case(case, most)
        for execution in executions:
            piece.add(execution, most)
        if piece.characters >= PIECE_CHARACTERS:
            yield piece.finished()
            piece = _Piece(collected)
    if piece.cases:
        yield piece.finished()


class _Piece:
    """The executions of some cases, while they are read."""

    def __init__(self, collected: "Collected") -> None:
        self._collected = collected
        self._table = ValueTable(collected.engine)
        self._files = FilesTable(collected.engine, self._table)
        self._executions: dict[str, Any] = {}
        self._inputs: dict[int, Any] = {}

    @property
    def cases(self) -> Sequence[int]:
        return list(self._inputs)

    @property
    def characters(self) -> int:
        return self._table.characters

    def finished(self) -> Piece:
        content = {
            "cases": self._inputs,
            "executions": self._executions,
            "values": self._table.values,
            "leaves": self._table.leaves,
        }
        return self.cases, content

    def add_case(self, index: int, characters: int) -> None:
        case = self._collected.cases[index]
        allowance = Allowance(characters)
        self._inputs[index] = {
            "input": self._table.add(case.input, allowance),
            "expected": self._table.add(case.expected, allowance),
        }

    def add(self, execution: "CollectedExecution", characters: int) -> None:
        detail = self._collected.detail(execution)
        allowance = Allowance(characters)
        # What matters most comes first, for what comes last may be cut.
        found: dict[str, Any] = {
            "error": self._error(execution.data["error"], allowance),
            "output": self._table.add(execution.output, allowance),
            "attempts": [self._attempt(one, allowance) for one in detail.attempts[-ATTEMPTS_MAX:]],
            "nodes": self._nodes(detail, allowance),
            "nodes_of": len(detail.nodes),
            "attempts_of": len(detail.attempts),
            "scores": [self._score(one, allowance) for one in execution.scores],
        }
        if execution.output is None:
            found["state"] = self._table.add(execution.state, allowance)
        if execution.interrupts is not None:
            asked = _values.load_all(self._collected.engine, execution.interrupts)
            found["questions"] = [self._table.add_plain(one, allowance) for one, _ in asked]
        found["files"] = self._files.of(detail.attempts, allowance)
        self._table.characters += 150 * (len(detail.nodes) + 2)
        self._executions[execution.id] = {
            key: value for key, value in found.items() if value not in (None, [])
        }

    def _attempt(self, part: "Part", allowance: Allowance) -> dict[str, Any]:
        data = part.data
        engine = self._collected.engine
        workspace = data["workspace"] or {}
        return {
            **_only(data, "number", "worker", "status"),
            "error": self._error(data["error"], allowance),
            "workspace": workspace.get("rung"),
            "stdout": self._printed(_values.load_text(engine, part.first), allowance),
            "stderr": self._printed(_values.load_text(engine, part.second), allowance),
        }

    def _nodes(self, detail: "Detail", allowance: Allowance) -> list[list[Any]]:
        """Return nodes as rows; times are microseconds, starts counted from the first one's."""
        shown = detail.nodes[:NODES_MAX]
        begun = min((one.data["started_at"] for one in shown), default=0.0)
        return [self._node(one, begun, allowance) for one in shown]

    def _node(self, part: "Part", begun: float, allowance: Allowance) -> list[Any]:
        data = part.data
        return [
            data["node"],
            data["attempt"],
            data["step"],
            data["status"],
            data["calls"],
            round((data["started_at"] - begun) * 1e6),
            round(data["duration_s"] * 1e6),
            self._table.add(part.first, allowance),
            self._table.add(part.second, allowance),
            self._error(data["error"], allowance),
            data["usage"] or None,
        ]

    def _score(self, score: Mapping[str, Any], allowance: Allowance) -> dict[str, Any]:
        texts = {key: self._printed(score[key], allowance) for key in ("reason", "error")}
        return {**_only(score, "name", "value", "source"), **texts}

    def _error(self, error: Mapping[str, Any] | None, allowance: Allowance) -> Any:
        if error is None:
            return None
        texts = {key: self._printed(error[key], allowance) for key in ("message", "traceback")}
        return {"type": error["type"], "node": error["node"], **texts}

    def _printed(self, text: str | None, allowance: Allowance) -> int | None:
        return self._table.add_printed(text or "", allowance)


def _only(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: data[key] for key in keys}
