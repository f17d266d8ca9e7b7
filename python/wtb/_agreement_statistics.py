"""Statistics of agreement: how far several raters say the same of the same units.

Plain Python, for the sizes that people and judges rate: time and memory grow with the number of
ratings, for level "ratio" with the square of the number of different ones.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, permutations
from typing import Any, Final, Literal, NamedTuple

__all__ = ["LEVELS", "Level", "Measured", "Weights", "cohen_kappa", "krippendorff_alpha", "raw"]

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Weights = Literal["linear", "quadratic"]
LEVELS: Final = ("nominal", "ordinal", "interval", "ratio")

_UNPAIRED = "no unit was rated by two"
_SAME = "all ratings are the same, so that chance would agree as well"


class Measured(NamedTuple):
    """A statistic, or why it is undefined."""

    value: float | None
    reason: str | None


def raw(units: Sequence[Sequence[Hashable]]) -> Measured:
    """Return the share of the pairs of ratings of one unit that are the same.

    Args:
        units: The ratings of each unit that has at least two.
    """
    pairs = sum(math.comb(len(unit), 2) for unit in units)
    if not pairs:
        return Measured(None, _UNPAIRED)
    same = sum(math.comb(n, 2) for unit in units for n in Counter(unit).values())
    return Measured(same / pairs, None)


def cohen_kappa(pairs: Sequence[tuple[Any, Any]], weights: Weights | None = None) -> Measured:
    """Return Cohen's kappa of two raters: (p_o - p_e) / (1 - p_e).

    With weights, a disagreement counts by how many of the values that occur lie between the two, or
    by the square of it (Cohen 1968), as in scikit-learn.

    Args:
        pairs: What the two say of each unit that both rated.
        weights: None, "linear" or "quadratic"; the values have to be sortable then.
    """
    if not pairs:
        return Measured(None, _UNPAIRED)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    seen, n = Counter(pairs), len(pairs)
    if weights is None:
        by_chance = n * n - sum(first[value] * second[value] for value in first)
        found = n - sum(count for (one, other), count in seen.items() if one == other)
    else:
        power = 1 if weights == "linear" else 2
        ranks = {value: rank for rank, value in enumerate(sorted({*first, *second}))}
        found = sum(
            count * abs(ranks[one] - ranks[other]) ** power for (one, other), count in seen.items()
        )
        by_chance = _weighted(first, second, ranks, power)
    if by_chance == 0:
        return Measured(None, _SAME)
    return Measured(1 - n * found / by_chance, None)


def _weighted(
    first: Mapping[Any, int], second: Mapping[Any, int], ranks: Mapping[Any, int], power: int
) -> int:
    """Return the sum of |rank - rank|^power over all pairs of one rating of each rater."""
    if power == 2:
        n, m = sum(first.values()), sum(second.values())
        sums = [sum(ranks[value] * count for value, count in of.items()) for of in (first, second)]
        squares = [
            sum(ranks[value] ** 2 * count for value, count in of.items()) for of in (first, second)
        ]
        return m * squares[0] + n * squares[1] - 2 * sums[0] * sums[1]
    # Between two neighbouring ranks pass all pairs of which one lies on each side.
    total = below_first = below_second = 0
    n, m = sum(first.values()), sum(second.values())
    for value in sorted(ranks, key=ranks.__getitem__)[:-1]:
        below_first += first.get(value, 0)
        below_second += second.get(value, 0)
        total += below_first * (m - below_second) + below_second * (n - below_first)
    return total


def krippendorff_alpha(units: Sequence[Sequence[Any]], level: Level) -> Measured:
    """Return Krippendorff's alpha: 1 - observed / expected disagreement.

    Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability". Any number of raters; units
    may lack ratings.

    Args:
        units: The ratings of each unit that has at least two; numbers, unless the level is nominal.
        level: What the difference of two ratings is: whether they differ, by how many ranks, by
            how much, or by how much of their sum.
    """
    n = sum(map(len, units))
    if not n:
        return Measured(None, _UNPAIRED)
    if level == "nominal":
        observed, expected = _nominal(units)
    elif level == "ratio":
        observed, expected = _ratio(_scaled(units))
    else:
        observed, expected = _interval(_ranked(units) if level == "ordinal" else _scaled(units))
    if expected == 0:
        return Measured(None, _SAME)
    return Measured(1 - (n - 1) * observed / expected, None)


# Each returns the sum of squared differences over ordered pairs: of ratings of one unit, each
# unit's divided by one less than its ratings; and of all ratings.


def _nominal(units: Sequence[Sequence[Hashable]]) -> tuple[float, float]:
    return (
        math.fsum(_differing(Counter(unit)) / (len(unit) - 1) for unit in units),
        _differing(Counter(value for unit in units for value in unit)),
    )


def _differing(counts: Mapping[Hashable, int]) -> int:
    return sum(counts.values()) ** 2 - sum(count**2 for count in counts.values())


def _interval(units: Sequence[Sequence[float]]) -> tuple[float, float]:
    values = [value for unit in units for value in unit]
    # Differences to the mean: the sum of squares of large numbers would lose their digits.
    mean = math.fsum(values) / len(values)
    rests = [value - mean for value in values]
    squares = math.fsum(rest * rest for rest in rests)
    everywhere = 2 * (len(values) * squares - math.fsum(rests) ** 2)
    is_same = len(set(values)) == 1
    return _within(units, lambda one, other: (one - other) ** 2), 0.0 if is_same else everywhere


def _ratio(units: Sequence[Sequence[float]]) -> tuple[float, float]:
    def squared(one: float, other: float) -> float:
        return ((one - other) / (one + other)) ** 2 if one != other else 0.0

    counts = Counter(value for unit in units for value in unit)
    everywhere = 2 * math.fsum(
        counts[one] * counts[other] * squared(one, other) for one, other in combinations(counts, 2)
    )
    return _within(units, squared), everywhere


def _scaled(units: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return numbers below 1, by a power of two, so that no square leaves a float's bounds."""
    exponent = math.frexp(max(abs(value) for unit in units for value in unit))[1]
    return [[math.ldexp(value, -exponent) for value in unit] for unit in units]


def _within(units: Sequence[Sequence[float]], squared: Any) -> float:
    return math.fsum(
        math.fsum(squared(one, other) for one, other in permutations(unit, 2)) / (len(unit) - 1)
        for unit in units
    )


def _ranked(units: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the middle ranks of ratings: their differences are the ordinal ones."""
    counts = Counter(value for unit in units for value in unit)
    ranks: dict[float, float] = {}
    below = 0
    for value in sorted(counts):
        ranks[value] = below + counts[value] / 2
        below += counts[value]
    return [[ranks[value] for value in unit] for unit in units]
