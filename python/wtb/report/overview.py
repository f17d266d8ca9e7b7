"""What a page shows before anything is opened: the batch, its comparisons, a row of each execution.

Executions are columns of equal length and not objects, which is smaller and faster to read.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wtb import _comparison_words as words
from wtb import _native, _values
from wtb._plain import plain
from wtb.report.values import LEAF_CHARACTERS_MAX

if TYPE_CHECKING:
    from wtb.report.collect import Collected, CollectedCase, CollectedExecution

__all__ = ["overview"]

SEARCHED_CHARACTERS_MAX = 160
"""The beginning of each case's input, which is shown beside its id and searched."""

READ_CHARACTERS_MAX = 16 * 1024
"""Inputs that are larger in the store are not read for that."""

ERROR_CHARACTERS_MAX = 300
"""The beginning of an error, as the overview tells it."""


def overview(collected: "Collected", title: str | None, pieces: Sequence[Sequence[int]]) -> Any:
    """Return the overview.

    Args:
        collected: The batch.
        title: What the page is called; by default as the batch.
        pieces: The numbers of the cases that each piece of details is about.
    """
    batch = collected.batch
    return {
        "title": title or batch["name"] or batch["id"],
        "written_at": datetime.now(UTC).timestamp(),
        "version": _native.__version__,
        "batch": {key: batch[key] for key in _SHOWN_OF_BATCH},
        "settings": _settings(batch["spec"]),
        "comparisons": [_comparison(one.to_dict()) for one in collected.comparisons],
        "left_out": list(collected.left_out),
        "variants": [[name, _substitutes(described)] for name, described in collected.variants],
        "cases": _cases(collected),
        "executions": _executions(collected),
        "pieces": [list(cases) for cases in pieces],
        "bound": LEAF_CHARACTERS_MAX,
    }


_SHOWN_OF_BATCH = (
    "id", "name", "workflow", "reference", "status", "counts", "driven", "created_at",
    "started_at", "finished_at",
)  # fmt: skip


def _settings(spec: Mapping[str, Any]) -> list[list[str]]:
    """Return what was asked of the batch, as names and texts."""
    evaluators = [one["name"] for one in spec.get("evaluators", ())]
    found: dict[str, Any] = {
        "runner": f"{spec['runner']}, {spec['max_workers']} at once",
        "repeats": spec["repeats"],
        "timeout": None if spec["timeout_ms"] is None else f"{spec['timeout_ms'] / 1000:g} s",
        "retries": spec["retries"],
        "evaluators": ", ".join(evaluators),
        "errors count as": {"zero": "0", "exclude": "nothing", "fail": "no mean"}[spec["error"]],
        "checkpoints": spec.get("checkpoints"),
        "seed": spec["seed"],
        "inputs": (spec.get("workspace") or {}).get("inputs"),
    }
    return [[name, str(value)] for name, value in found.items() if value not in (None, "")]


def _comparison(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **data,
        "verdict": words.verdict(data),
        "legend": words.legend(data),
        "advice": words.advice(data),
        "not_beaten": words.pareto(data),
    }


def _substitutes(described: Mapping[str, Any]) -> str:
    """Return what a variant substitutes, as one line; "" for nothing."""
    parts = [f"{node}={name}" for node, name in (described.get("nodes") or {}).items()]
    others = ("config", "context", "params", "graph", "environment")
    told = ((key, described[key]) for key in others if described.get(key))
    parts += [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in told]
    return "; ".join(parts)


def _cases(collected: "Collected") -> dict[str, Any]:
    cases = collected.cases
    return {
        "id": [one.id for one in cases],
        "group": [one.group for one in cases],
        "tags": [list(one.tags) for one in cases],
        "input": [_beginning(collected, one) for one in cases],
    }


def _beginning(collected: "Collected", case: "CollectedCase") -> str:
    if case.input.size > READ_CHARACTERS_MAX:
        return ""
    data = plain(_values.load(collected.engine, case.input))
    if isinstance(data, Mapping) and len(data) == 1:
        data = next(iter(data.values()))
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return " ".join(text[: 2 * SEARCHED_CHARACTERS_MAX].split())[:SEARCHED_CHARACTERS_MAX]


def _executions(collected: "Collected") -> dict[str, Any]:
    executions = collected.executions
    errors: dict[str, int] = {}
    names = [name for name, _ in collected.primary.to_dict()["metrics"]]
    kept = [name for name in names if name not in collected.left_out]
    return {
        "id": [one.id for one in executions],
        **{key: [one.data[key] for one in executions] for key in _COLUMNS},
        "tokens": [_tokens(one.data["usage"]) for one in executions],
        "error": [_error(one, errors) for one in executions],
        "errors": list(errors),
        "warnings": {
            n: one.data["warnings"] for n, one in enumerate(executions) if one.data["warnings"]
        },
        "scores": {name: _column(collected, name) for name in kept},
    }


_COLUMNS = ("variant_index", "case_index", "repeat", "status", "attempts", "duration_s", "seed")


def _column(collected: "Collected", metric: str) -> list[float | None]:
    source = collected.sources.get(metric)
    found: list[float | None] = []
    for one in collected.executions:
        own = (s["value"] for s in one.scores if s["name"] == metric and s["source"] == source)
        found.append(next(own, None))
    return found


def _tokens(usage: Mapping[str, Any] | None) -> int | None:
    told = [model["total_tokens"] for model in (usage or {}).values() if "total_tokens" in model]
    return sum(told) if told else None


def _error(execution: "CollectedExecution", errors: dict[str, int]) -> int | None:
    error = execution.data["error"]
    if error is None:
        return None
    where = f"node {error['node']}: " if error["node"] else ""
    text = f"{where}{error['type']}: {error['message']}"[:ERROR_CHARACTERS_MAX]
    return errors.setdefault(text, len(errors))
