"""What a report lists of a batch: cases that a variant makes worse, and executions that failed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wtb.export.tables import is_flaky

if TYPE_CHECKING:
    from wtb.comparison import Comparison
    from wtb.execution import Execution
    from wtb.export._source import StoredBatch

__all__ = ["FAILURES_MAX", "REGRESSIONS_MAX", "Failure", "Findings", "Regression", "find"]

REGRESSIONS_MAX = 50
"""So many regressions are listed, the largest first."""

FAILURES_MAX = 50
"""So many failures are listed, the first ones."""


@dataclass(frozen=True)
class Regression:
    """A case on which a variant is worse than the baseline.

    Attributes:
        variant: The variant.
        case_id: The case.
        baseline: The baseline's mean over repeats.
        mean: The variant's.
    """

    variant: str
    case_id: str
    baseline: float
    mean: float


@dataclass(frozen=True)
class Failure:
    """An execution that failed or timed out."""

    execution_id: str
    variant: str
    case_id: str
    repeat: int
    error: str


@dataclass
class Findings:
    """What was found.

    Attributes:
        statuses: How many executions are in each state.
        flaky: How many succeeded after an attempt that did not.
        failures: The first failures.
        regressions: The largest regressions.
        regressed: How many regressions there are.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    flaky: int = 0
    failures: list[Failure] = field(default_factory=list)
    regressions: list[Regression] = field(default_factory=list)
    regressed: int = 0


def find(batch: "StoredBatch", comparison: "Comparison") -> Findings:
    """Look through the executions of a batch once."""
    found = Findings()
    values: dict[tuple[str, str], list[float]] = {}
    for one in batch.executions():
        found.statuses[one.status] += 1
        found.flaky += is_flaky(one)
        if one.status in ("failed", "timed_out") and len(found.failures) < FAILURES_MAX:
            error = one.status if one.error is None else str(one.error)
            found.failures.append(Failure(one.id, one.variant, one.case_id, one.repeat, error))
        value = _value(one, comparison)
        if value is not None:
            values.setdefault((one.variant, one.case_id), []).append(value)
    _add_regressions(found, {key: sum(own) / len(own) for key, own in values.items()}, comparison)
    return found


def _value(one: "Execution", comparison: "Comparison") -> float | None:
    """Return what an execution counts as, as the comparison has it."""
    if comparison.metric is None:
        return None
    if one.status in ("failed", "timed_out"):
        counts = comparison.to_dict()["error"] == "zero" and comparison.direction == "max"
        return 0.0 if counts else None
    return {**one.metrics, **one.scores}.get(comparison.metric)


def _add_regressions(
    found: Findings, means: dict[tuple[str, str], float], comparison: "Comparison"
) -> None:
    sign = 1 if comparison.direction == "max" else -1
    worse = []
    for (variant, case_id), mean in means.items():
        before = means.get((comparison.baseline or "", case_id))
        if before is not None and sign * (mean - before) < 0:
            worse.append(Regression(variant, case_id, before, mean))
    worse.sort(key=lambda one: -abs(one.mean - one.baseline))
    found.regressions, found.regressed = worse[:REGRESSIONS_MAX], len(worse)
