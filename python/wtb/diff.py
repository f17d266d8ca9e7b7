"""How two executions differ: the first node that did something else, the state, the scores."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from wtb import _native
from wtb._plain import plain
from wtb.execution import Execution
from wtb.files import FilesDiff

__all__ = ["ABSENT", "Divergence", "ExecutionDiff", "Pair"]

LINES_CHARACTERS_MAX = 100_000
"""Texts longer than this are not compared line by line."""


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent.ABSENT
"""Stands where one of two executions has no such value."""

Pair = tuple[Any, Any]
"""A value of the one and of the other execution; `ABSENT` where there is none."""


@dataclass(frozen=True)
class Divergence:
    """The first node whose work differs.

    Attributes:
        node: The node, `"agent/tools"` inside a subgraph.
        step: The graph's step in which it ran, as the first of the two executions counts.
        differs: "input", "output", "status", or "node": in its place another one ran, or none.
        values: What differs: key -> what it is in the one and in the other.
    """

    node: str
    step: int
    differs: str
    values: Mapping[str, Pair]


@dataclass(frozen=True)
class ExecutionDiff:
    """Two executions, and how they differ.

    Attributes:
        a: The one.
        b: The other.
        shared_until: The last step that both have in common because one was forked from the other,
            or both from a third; None if there is none.
        first_divergent: The first node whose work differs; None if none does.
        state: Keys of the state that differ -> their values.
        scores: Scores and metrics of either -> their values; None where there is none.
        files: How the files differ where the two stand; None where either has none.
    """

    a: Execution
    b: Execution
    shared_until: int | None
    first_divergent: Divergence | None
    state: Mapping[str, Pair]
    scores: Mapping[str, tuple[float | None, float | None]]
    files: FilesDiff | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data.

        Values that are no JSON are replaced by their fields or their `repr`, and ids of messages
        are left out. A pair is `{"a": ..., "b": ...}` without what is absent; two texts of several
        lines have their differences as `"lines"`, too.
        """
        first = self.first_divergent
        return {
            "a": _side(self.a),
            "b": _side(self.b),
            "shared_until": self.shared_until,
            "first_divergent": None
            if first is None
            else {
                "node": first.node,
                "step": first.step,
                "differs": first.differs,
                "values": {key: _pair(pair) for key, pair in first.values.items()},
            },
            "state": {key: _pair(pair) for key, pair in self.state.items()},
            "scores": {name: {"a": a, "b": b} for name, (a, b) in self.scores.items()},
            "files": None if self.files is None else [one.to_dict() for one in self.files],
        }

    def __str__(self) -> str:
        return _native.render_difference(json.dumps(self.to_dict()))

    def __repr__(self) -> str:
        first = self.first_divergent
        where = "no node differs" if first is None else f"{first.differs} of {first.node!r} differs"
        return f"<ExecutionDiff of {self.a.id} and {self.b.id}: {where}>"


def _side(execution: Execution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "workflow": execution.workflow,
        "variant": execution.variant,
        "case": execution.case_id,
        "repeat": execution.repeat,
        "parent": execution.parent_id,
        "status": execution.status,
        "duration_s": execution.duration_s,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    named = zip(("a", "b"), pair, strict=True)
    found = {name: without_ids(plain(value)) for name, value in named if value is not ABSENT}
    if all(isinstance(one, str) for one in pair) and any("\n" in one for one in pair):
        a, b = (one.splitlines() for one in pair)
        if sum(map(len, pair)) <= LINES_CHARACTERS_MAX:
            found["lines"] = [*difflib.unified_diff(a, b, lineterm="", n=1)][2:]
    return found


def without_ids(value: Any) -> Any:
    """Return plain data without the ids of messages, which are made anew each time."""
    if isinstance(value, list):
        return [without_ids(part) for part in value]
    if not isinstance(value, dict):
        return value
    is_message = {"content", "type", "id"} <= value.keys()
    return {
        key: without_ids(part) for key, part in value.items() if not (is_message and key == "id")
    }
