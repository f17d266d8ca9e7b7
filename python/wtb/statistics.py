"""The statistics of comparisons, for scores that come from anywhere.

`compare_scores` compares variants by a table of numbers, without a store. The other functions are
the parts that comparisons are made of, each with its source.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from wtb import _native
from wtb._checked import (
    checked_attempts,
    checked_confidence,
    checked_count,
    checked_deviation,
    checked_numbers,
    checked_power,
    checked_seed,
)
from wtb.comparison import Comparison
from wtb.context import Direction
from wtb.errors import ConfigurationError, did_you_mean

__all__ = [
    "Correction",
    "adjust",
    "cases_needed",
    "compare_scores",
    "detectable_effect",
    "mcnemar",
    "paired_power",
    "pass_all",
    "pass_at",
    "sign_flip",
    "tango",
    "wilcoxon",
    "wilson",
]

Correction = Literal["holm", "benjamini_hochberg"]
"""How p-values are corrected for the number of comparisons."""

Scores = Mapping[str, Mapping[str, float | Sequence[float | None] | None]]
"""Variant to case to the value, or to the values of its repeats; None where there is none."""

DRAWS_MIN = 100
"""Fewer draws of the bootstrap say nothing."""
DRAWS_MAX = 1_000_000
"""More draws of the bootstrap are not made."""


def compare_scores(
    scores: Scores,
    *,
    metric: str = "score",
    direction: Direction = "max",
    baseline: str | None = None,
    groups: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    correction: Correction = "holm",
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare variants by their scores, case by case.

    Args:
        scores: Variant to case to value, or to the values of its repeats. A case that a variant
            lacks, None and NaN are no scores. Repeats of one place in their lists belong together.
        metric: What the scores are called.
        direction: "max" when more is better, "min" when less is.
        baseline: The variant that the others are measured against; by default the one called
            `baseline`, else the first.
        groups: Case to its group, for cases that are not independent of each other.
        confidence: How sure intervals and findings are, above 0.5 and below 1.
        correction: How p-values are corrected for the number of variants.
        draws: How many draws the bootstrap makes.
        seed: Seeds them: the same scores give the same comparison.

    Raises:
        ConfigurationError: A setting makes no sense, or a score is infinite or no number.

    Example:
        >>> scores = {"baseline": {"a": 0, "b": 1}, "new": {"a": 1, "b": 1}}
        >>> found = compare_scores(scores)
        >>> found["new"]["vs_baseline"]["wins"], found.best
        (1, None)
    """
    for name, own in scores.items():
        if not isinstance(name, str) or any(not isinstance(case, str) for case in own):
            raise ConfigurationError("variants and cases are named by texts")
    if not isinstance(metric, str):
        raise ConfigurationError(f"metric is a name, not {metric!r}")
    names = list(scores)
    cases = list(dict.fromkeys(case for own in scores.values() for case in own))
    if baseline is not None and baseline not in names:
        known = did_you_mean(baseline, names, listed_as="the variants")
        raise ConfigurationError(f"no variant is called {baseline!r}. {known}")
    if isinstance(draws, bool) or not isinstance(draws, int) or not DRAWS_MIN <= draws <= DRAWS_MAX:
        raise ConfigurationError(
            f"draws is a number from {DRAWS_MIN} to {DRAWS_MAX}, not {draws!r}"
        )
    if unknown := [case for case in groups or {} if case not in cases]:
        raise ConfigurationError(f"groups names case {unknown[0]!r}, which has no score")
    return Comparison.parse(
        *_native.compare_scores(
            names,
            cases,
            [None if (group := (groups or {}).get(case)) is None else str(group) for case in cases],
            _values(scores, cases),
            metric,
            direction,
            baseline,
            checked_confidence(confidence),
            correction,
            draws,
            checked_seed(seed),
        )
    )


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    Wilson (1927), JASA 22, 209-212.

    Args:
        successes: From 0 to `n`; may be fractional.
        n: How many there are, above 0.
        confidence: Above 0.5 and below 1.

    Example:
        >>> [round(end, 3) for end in wilson(10, 10)]
        [0.722, 1.0]
    """
    if not (0 <= successes <= n and 0 < n < math.inf):
        raise ConfigurationError(f"{successes} of {n} is no proportion")
    return _native.wilson(successes, n, checked_confidence(confidence))


def tango(gained: float, lost: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Tango's score interval of the difference of two paired proportions.

    Tango (1998), Statistics in Medicine 17, 891-908.

    Args:
        gained: Pairs of which only the first succeeded.
        lost: Pairs of which only the second succeeded.
        n: All pairs, above 0.
        confidence: Above 0.5 and below 1.

    Example:
        >>> [round(end, 3) for end in tango(12, 2, 50)]
        [0.056, 0.34]
    """
    if not (gained >= 0 and lost >= 0 and 0 < n < math.inf and gained + lost <= n):
        raise ConfigurationError(f"of {n} pairs, {gained} and {lost} cannot be discordant")
    return _native.tango(gained, lost, n, checked_confidence(confidence))


def mcnemar(gained: int, lost: int) -> float:
    """Return the p-value of McNemar's exact test, two-sided.

    Args:
        gained: Pairs of which only the first succeeded.
        lost: Pairs of which only the second succeeded.

    Example:
        >>> mcnemar(10, 2)
        0.03857421875
    """
    return _native.mcnemar(checked_count(gained, "gained", 0), checked_count(lost, "lost", 0))


def sign_flip(differences: Iterable[float], *, seed: int = 0) -> tuple[float, str]:
    """Return the p-value of the sign-flip permutation test, two-sided, and how it was found.

    Exact for a few differences, and for whole multiples of something, as means of a few zeros and
    ones are; else by 10,000 seeded draws, and in the far tail by a saddlepoint approximation
    (Robinson 1982, JRSS B 44).

    Example:
        >>> sign_flip([0.1, 0.25, 0.31, 0.07, 0.5])
        (0.0625, 'sign flip (exact)')
    """
    return _native.sign_flip(checked_numbers(differences, "differences"), checked_seed(seed))


def wilcoxon(differences: Iterable[float]) -> float:
    """Return the p-value of Wilcoxon's signed-rank test, two-sided.

    Zeros are dropped. Exact for up to 50 differences without ties and zeros, else the normal
    approximation with the correction for ties.

    Example:
        >>> wilcoxon([0.1, 0.25, 0.31, 0.07, 0.5])
        0.0625
    """
    return _native.wilcoxon(checked_numbers(differences, "differences"))


def adjust(p_values: Iterable[float], correction: Correction = "holm") -> list[float]:
    """Return p-values, corrected for their number, in their order.

    Holm (1979), Scandinavian Journal of Statistics 6; Benjamini and Hochberg (1995), JRSS B 57.

    Example:
        >>> adjust([0.01, 0.04])
        [0.02, 0.04]
    """
    values = checked_numbers(p_values, "p_values")
    if wrong := [one for one in values if not 0 <= one <= 1]:
        raise ConfigurationError(f"a p-value is from 0 to 1, not {wrong[0]}")
    return _native.adjust(values, correction)


def pass_at(n: int, passed: int, k: int) -> float:
    """Return the chance that at least one of `k` attempts succeeds, of `passed` in `n` attempts.

    1 - C(n - c, k) / C(n, k): Chen et al. (2021), arXiv 2107.03374.

    Example:
        >>> pass_at(4, 1, 2)
        0.5
    """
    return _native.pass_at(*checked_attempts(n, passed, k))


def pass_all(n: int, passed: int, k: int) -> float:
    """Return the chance that all of `k` attempts succeed (pass^k), of `passed` in `n` attempts.

    C(c, k) / C(n, k): Yao et al. (2024), arXiv 2406.12045.

    Example:
        >>> pass_all(4, 3, 2)
        0.5
    """
    return _native.pass_all(*checked_attempts(n, passed, k))


def paired_power(effect: float, deviation: float, cases: int, *, confidence: float = 0.95) -> float:
    """Return the chance that a paired comparison finds an effect that is there.

    Of a t-test of differences, two-sided, by the noncentral t distribution.

    Args:
        effect: The true mean difference.
        deviation: The standard deviation of a case's difference.
        cases: How many cases there are, at least 2.
        confidence: Above 0.5 and below 1.

    Example:
        >>> round(paired_power(0.5, 1, 30), 4)
        0.754
    """
    spread = checked_deviation(deviation)
    number = checked_count(cases, "cases", 2)
    return _native.paired_power(float(effect), spread, number, checked_confidence(confidence))


def detectable_effect(
    deviation: float, cases: int, *, confidence: float = 0.95, power: float = 0.8
) -> float | None:
    """Return the smallest true difference that is found with the wanted chance.

    None for fewer than two cases. The arguments are those of `paired_power`.

    Example:
        >>> round(detectable_effect(1, 30), 4)
        0.5292
    """
    wanted = checked_power(power)
    spread = checked_deviation(deviation)
    number = checked_count(cases, "cases", 0)
    return _native.detectable_effect(spread, number, checked_confidence(confidence), wanted)


def cases_needed(
    effect: float, deviation: float, *, confidence: float = 0.95, power: float = 0.8
) -> int | None:
    """Return how many cases it takes to find an effect with the wanted chance.

    None where the effect is 0, or takes more than ten million cases. The arguments are those of
    `paired_power`.

    Example:
        >>> cases_needed(0.2, 1)
        199
    """
    wanted = checked_power(power)
    spread = checked_deviation(deviation)
    return _native.cases_needed(float(effect), spread, checked_confidence(confidence), wanted)


def _values(scores: Scores, cases: Sequence[str]) -> bytes:
    """Return all scores as doubles, variant by variant, case by case; NaN where there is none."""
    rows = [
        [_repeats(own.get(case), f"variant {name!r}, case {case!r}") for case in cases]
        for name, own in scores.items()
    ]
    most = max((len(repeats) for row in rows for repeats in row), default=0)
    values = array("d")
    for row in rows:
        for repeats in row:
            values.extend(repeats)
            values.extend([math.nan] * (most - len(repeats)))
    return values.tobytes()


def _repeats(value: Any, where: str) -> list[float]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [_score(value, where)]
    return [_score(one, f"{where}, repeat {place}") for place, one in enumerate(value)]


def _score(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigurationError(f"{where}: a score is a number or None, not {value!r}") from None
    if math.isinf(number):
        raise ConfigurationError(
            f"{where}: a score is a finite number, not {value!r}; None where there is none"
        )
    return number
