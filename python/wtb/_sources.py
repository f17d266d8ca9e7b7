"""Whose values of a metric count, where several sources give one of its name.

It is the engine's rule for comparisons: the first evaluator in the batch's order that has given a
value counts, for all executions; then come evaluators that were not declared, and what the workflow
logged. So a metric is never a mixture of two evaluators.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["WORKFLOW", "Ranked", "evaluators_of", "ranked", "stored"]

WORKFLOW = "workflow"
"""The source of what nodes logged."""

Ranked = Mapping[str, Sequence[str]]
"""The sources of each metric, the one whose values count first."""


def ranked(records: Iterable[Mapping[str, Any]], evaluators: Sequence[str]) -> Ranked:
    """Return the sources of each metric that have a value of it.

    Args:
        records: Scores with their names, values and sources.
        evaluators: The names of the batch's evaluators, in its order.

    Example:
        >>> given = [{"name": "f1", "value": 1.0, "source": source} for source in ("a", "b")]
        >>> ranked(given, ["b", "a"])
        {'f1': ['b', 'a']}
    """
    found: dict[str, dict[str, None]] = {}
    for record in records:
        if record["value"] is not None:
            found.setdefault(record["name"], {})[record["source"]] = None
    ranks = {name: rank for rank, name in enumerate(evaluators)}
    return {
        name: sorted(sources, key=lambda source: ranks.get(source, len(ranks)))
        for name, sources in found.items()
    }


def stored(engine: "EngineRef", batch: str) -> Ranked:
    """Return the sources of each metric of a stored batch."""
    scores = json.loads(engine.scores(batch))
    return ranked(chain.from_iterable(scores.values()), evaluators_of(engine, batch))


def evaluators_of(engine: "EngineRef", batch: str) -> list[str]:
    """Return the names of a stored batch's evaluators, in its order."""
    return [one["name"] for one in json.loads(engine.batch(batch))["spec"]["evaluators"]]
