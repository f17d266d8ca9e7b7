"""What a summary lists of a batch: how its executions ended, and those that failed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wtb.export.tables import is_flaky

if TYPE_CHECKING:
    from wtb.export._source import StoredBatch

__all__ = ["FAILURES_MAX", "Failure", "Findings", "find"]

FAILURES_MAX = 50
"""So many failures are listed, the first ones."""


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
    """

    statuses: Counter[str] = field(default_factory=Counter)
    flaky: int = 0
    failures: list[Failure] = field(default_factory=list)


def find(batch: "StoredBatch") -> Findings:
    """Look through the executions of a batch once."""
    found = Findings()
    for one in batch.executions():
        found.statuses[one.status] += 1
        found.flaky += is_flaky(one)
        if one.status in ("failed", "timed_out") and len(found.failures) < FAILURES_MAX:
            error = one.status if one.error is None else str(one.error)
            found.failures.append(Failure(one.id, one.variant, one.case_id, one.repeat, error))
    return found
