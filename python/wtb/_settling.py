"""Going on until variants can be told from the baseline: what is added, and when to stop.

How often results are looked at is settled before the first run, and the error is split among these
looks: what is found at any of them is as sure as if there were only one.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _plan
from wtb.cases import Case, normalise_cases
from wtb.errors import ConfigurationError

if TYPE_CHECKING:
    from wtb._arguments import BatchArguments
    from wtb.batch import Batch
    from wtb.bench import TestBench
    from wtb.comparison import Comparison

__all__ = ["Look", "go_on", "looks_of", "open_variants", "run"]

_COMPLETE = ("completed", "completed_with_errors")


class Look(NamedTuple):
    """How much there is when results are looked at."""

    cases: int
    repeats: int


def looks_of(variants: int, first: int, cases: int, repeats: int, until: int) -> list[Look]:
    """Return the looks: twice as many cases each time, and when there are no more, repeats.

    Args:
        variants: How many variants there are.
        first: How many cases there are at first.
        cases: How many there are in all.
        repeats: How many repeats there are at first.
        until: How many repeats there may be.

    Raises:
        ConfigurationError: There would be nothing to add, or nothing to settle.

    Example:
        >>> looks_of(2, 50, 120, 1, 3)
        [Look(cases=50, repeats=1), Look(cases=100, repeats=1), Look(cases=120, repeats=1), \
Look(cases=120, repeats=2), Look(cases=120, repeats=3)]
    """
    until = _plan.count(until, "until")
    if variants < 2:
        raise ConfigurationError("there is nothing to settle: it takes at least two variants")
    looks = [Look(first, repeats)]
    while first < cases:
        first = min(2 * first, cases)
        looks.append(Look(first, repeats))
    while repeats < until:
        repeats = min(2 * repeats, until)
        looks.append(Look(cases, repeats))
    if len(looks) == 1:
        raise ConfigurationError(
            f"there is nothing to go on with: all {cases} cases run at once, and there are already "
            f"{repeats} repeats; allow more repeats, or begin with fewer cases"
        )
    return looks


def run(
    bench: "TestBench",
    workflow: object,
    until: int,
    first: int | None,
    on_look: Callable[[str], object] | None,
    arguments: "BatchArguments",
) -> "Batch":
    """Run a batch until it is settled; see `TestBench.run_until_settled`."""
    limit = arguments.get("limit")
    cases = _plan.limited(normalise_cases(arguments["test_cases"]), limit)
    begun = cases[: _plan.count_or_none(first, "first")]
    variants = len(arguments["variants"])
    looks = looks_of(variants, len(begun), len(cases), arguments.get("repeats", 1), until)
    given: dict[str, Any] = {**arguments, "test_cases": begun, "limit": None, "looks": len(looks)}
    batch, drive = bench._core.create(workflow, **given)
    drive.run()

    def extend(added: Sequence[Case], repeats: int) -> None:
        progress = arguments.get("progress")
        bench.extend(
            batch, test_cases=tuple(added), repeats=repeats, workflow=workflow, progress=progress
        )

    go_on(batch, cases, looks, extend, on_look or (lambda _: None))
    return batch


def open_variants(comparison: "Comparison") -> list[str]:
    """Return the variants that cannot be told from the baseline at this look."""
    alpha = 1 - comparison.to_dict()["confidence_each"]
    return [
        line["name"]
        for line in comparison.variants
        if line["name"] != comparison.baseline
        and (line["vs_baseline"] is None or line["vs_baseline"]["p_adjusted"] > alpha)
    ]


def go_on(
    batch: "Batch",
    cases: Sequence[Case],
    looks: Sequence[Look],
    extend: Callable[[Sequence[Case], int], object],
    say: Callable[[str], object],
) -> None:
    """Add to a batch that has run, look by look, until it is settled or there is no more.

    Args:
        batch: The batch; what the first look has is run.
        cases: All cases, those that are in the batch first.
        looks: The looks.
        extend: Adds cases and a number of repeats, and runs them.
        say: Is told what was seen.
    """
    for place, (before, after) in enumerate(pairwise(looks), start=1):
        # A batch that was stopped, or given up, is not gone on with.
        if batch.status not in _COMPLETE:
            return
        seen = open_variants(batch.comparison)
        if not seen:
            say(f"Settled at look {place} of {len(looks)}")
            return
        what = (
            f"{after.cases - before.cases} more cases"
            if after.cases > before.cases
            else f"{after.repeats} repeats"
        )
        say(f"Look {place} of {len(looks)}: not settled: {', '.join(seen)}; going on with {what}")
        extend(cases[before.cases : after.cases], after.repeats - before.repeats)
