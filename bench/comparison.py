"""Comparing variants: intervals, tests and ranks, beside the same computation in plain numpy."""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _harness import Figure, Measured, main, print_caveats
from wtb.statistics import compare_scores

CAVEATS = (
    "all on one core; numpy's own threads are off",
    "numpy does the nested bootstrap, percentiles, ranks and sign flips, and no more; the "
    "comparison also reads its scores from dictionaries, chooses intervals and writes JSON",
    "with 100,000 cases the bootstrap draws blocks of cases, and the comparison says so",
)
VARIANTS, CASES, REPEATS = 20, 200, 3


def measure(options: argparse.Namespace) -> Measured:
    """Time both in turns and hold the figures against the targets."""
    print_caveats(CAVEATS)
    rounds = 2 if options.quick else 7
    draws = 2_000 if options.quick else 10_000
    values = _scores(VARIANTS, CASES, REPEATS)
    named = _named(values)
    ours, theirs = [], []
    with _one_core():
        for _ in range(rounds):
            ours.append(_timed(lambda: compare_scores(named, draws=draws)))
            theirs.append(_timed(lambda: _in_numpy(values, draws)))
        many = _named(_scores(10, 5_000 if options.quick else 100_000, 1))
        large = [_timed(lambda: compare_scores(many)) for _ in range(1 if options.quick else 3)]
    ratio = statistics.median(theirs) / statistics.median(ours)
    size = f"{VARIANTS} x {CASES} x {REPEATS}, {draws:,} nested draws"
    return [
        Figure(
            name=f"comparison, {size}",
            value=statistics.median(ours) * 1e3,
            unit="ms",
            target=600,
            better="at most",
            basis=f"median of {rounds}, one core",
            samples={"wtb": ours},
        ),
        Figure(
            name="plain numpy / comparison",
            value=ratio,
            unit="x",
            target=20,
            better="at least",
            basis=f"medians of {rounds} rounds in turns",
            samples={"wtb": ours, "numpy": theirs},
        ),
        Figure(
            name=f"comparison, 10 x {len(next(iter(many.values()))):,}",
            value=statistics.median(large),
            unit="s",
            target=3,
            better="at most",
            basis=f"median of {len(large)}, one core, by blocks",
            samples={"wtb": large},
        ),
    ]


def _scores(variants: int, cases: int, repeats: int) -> Any:
    """Return variants x cases x repeats: coins where there are repeats, else grades."""
    random = np.random.default_rng(0)
    difficulty = random.random(cases)[None, :, None]
    drawn = random.random((variants, cases, repeats))
    return (drawn < difficulty).astype(float) if repeats > 1 else drawn * difficulty


def _named(values: Any) -> dict[str, dict[str, Any]]:
    return {
        f"v{variant}": {f"c{case}": own for case, own in enumerate(cases.tolist())}
        for variant, cases in enumerate(values)
    }


def _in_numpy(values: Any, draws: int) -> None:
    """Compute what the comparison shows as one would write it down."""
    random = np.random.default_rng(1)
    variants, cases, repeats = values.shape
    means = np.empty((draws, variants))
    for draw in range(draws):
        taken = random.integers(0, cases, cases)
        repeat = random.integers(0, repeats, (cases, repeats))
        means[draw] = values[:, taken[:, None], repeat].mean(axis=(1, 2))
    np.percentile(means, [2.5, 97.5], axis=0)
    np.percentile(means - means[:, :1], [2.5, 97.5], axis=0)
    ranks = (-means).argsort(axis=1).argsort(axis=1)
    [np.bincount(own, minlength=variants) / draws for own in ranks.T]
    cells = values.mean(axis=2)
    leader = int(cells.mean(axis=1).argmax())
    for reference in (0, leader):
        for variant in range(variants):
            differences = cells[variant] - cells[reference]
            signs = random.integers(0, 2, (draws, cases)) * 2 - 1
            beyond = np.abs((signs * differences).sum(axis=1)) >= abs(differences.sum())
            beyond.mean()


class _one_core:  # noqa: N801
    """Keeps the process on one core while it lasts."""

    def __enter__(self) -> None:
        self._before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(self._before)})

    def __exit__(self, *_: object) -> None:
        os.sched_setaffinity(0, self._before)


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(measure, __doc__)
