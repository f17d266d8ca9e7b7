"""How far raters agree: checking what they said, and what the statistics are together."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

from wtb._agreement_statistics import (
    LEVELS,
    Level,
    Weights,
    cohen_kappa,
    krippendorff_alpha,
    raw,
)
from wtb._figures import plural
from wtb.errors import ConfigurationError

__all__ = ["Agreement", "Level", "Weights", "agreement_of"]


@dataclass(frozen=True)
class Agreement:
    """How far raters agree.

    Attributes:
        raters: Their names.
        level: What the difference of two ratings is; see `agreement_of`.
        weights: How kappa counts disagreements: None (all alike), "linear" or "quadratic".
        n: How many units at least two of them rated.
        raw: The share of the pairs of ratings of one unit that are the same.
        kappa: Cohen's kappa; None where it is undefined.
        alpha: Krippendorff's alpha; None where it is undefined.
        reasons: Why the statistics that are None are undefined, by their names.
    """

    raters: Sequence[str]
    level: Level
    weights: Weights | None
    n: int
    raw: float | None
    kappa: float | None
    alpha: float | None
    reasons: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {**asdict(self), "raters": list(self.raters), "reasons": dict(self.reasons)}

    def __str__(self) -> str:
        told = [
            f"{label} {'-' if value is None else format(value, '.3f')}"
            for label, value in (
                ("raw agreement", self.raw),
                ("Cohen's kappa", self.kappa),
                (f"Krippendorff's alpha ({self.level})", self.alpha),
            )
        ]
        return f"{', '.join(self.raters)} on {plural(self.n, 'unit')}: {', '.join(told)}"


def agreement_of(
    ratings: Mapping[str, Sequence[Any]] | Sequence[Sequence[Any]],
    *,
    level: Level = "interval",
    weights: Weights | None = None,
) -> Agreement:
    """Return how far raters agree on what they all rated.

    Raw agreement does not know how often chance agrees; kappa (of two raters) and alpha (of any
    number) do: 1 is perfect, 0 is what chance gives.

    Args:
        ratings: The ratings of each rater, by name or in order; the n-th of each are of the same
            unit. None is no rating.
        level: What the difference of two ratings is, for alpha: "nominal" (whether they differ),
            "ordinal" (by how many ranks), "interval" (by how much) or "ratio" (by which share;
            numbers that are not negative). All but nominal ones are numbers.
        weights: How kappa counts a disagreement: all alike, or by ("linear"), or by the square of
            ("quadratic"), how far apart the two are in the order of the values that occur.

    Raises:
        ConfigurationError: There are fewer than two raters, they have not rated the same units, or
            a rating is not of that level.

    Example:
        >>> agreement_of({"ann": [1, 0, 1, 1], "bob": [1, 0, 0, 1]}, level="nominal").kappa
        0.5
    """
    by_rater = _by_rater(ratings)
    if level not in LEVELS:
        raise ConfigurationError(f"level is one of {', '.join(LEVELS)}, not {level!r}")
    if weights not in (None, "linear", "quadratic"):
        raise ConfigurationError(f"weights are None, 'linear' or 'quadratic', not {weights!r}")
    if weights is not None and level == "nominal":
        raise ConfigurationError("weights count how far ratings are apart: level is not 'nominal'")
    for rater, given in by_rater.items():
        for place, one in enumerate(given):
            _check_rating(one, level, f"ratings[{rater!r}][{place}]")
    rated = [
        [one for one in unit if one is not None] for unit in zip(*by_rater.values(), strict=True)
    ]
    units = [unit for unit in rated if len(unit) >= 2]
    found = {"raw": raw(units), "alpha": krippendorff_alpha(units, level)}
    if len(by_rater) == 2:
        found["kappa"] = cohen_kappa([(one, other) for one, other in units], weights)
    values = {name: one.value for name, one in found.items()}
    reasons = {name: one.reason for name, one in found.items() if one.reason is not None}
    if "kappa" not in found:
        reasons["kappa"] = f"Cohen's kappa compares two raters, and there are {len(by_rater)}"
    return Agreement(
        tuple(by_rater),
        level,
        weights,
        len(units),
        values["raw"],
        values.get("kappa"),
        values["alpha"],
        reasons,
    )


def _by_rater(
    ratings: Mapping[str, Sequence[Any]] | Sequence[Sequence[Any]],
) -> dict[str, Sequence[Any]]:
    if isinstance(ratings, Mapping):
        found = dict(ratings)
    else:
        found = {str(place): given for place, given in enumerate(ratings)}
    if len(found) < 2:
        raise ConfigurationError(f"agreement is between at least two raters, not {len(found)}")
    lengths = {rater: len(given) for rater, given in found.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{rater!r}: {length}" for rater, length in lengths.items())
        raise ConfigurationError(
            f"the raters have not rated the same units ({told}); None is no rating"
        )
    return found


def _check_rating(rating: Any, level: Level, where: str) -> None:
    if rating is None:
        return
    if level == "nominal":
        if not isinstance(rating, Hashable) or rating != rating:
            raise ConfigurationError(f"{where} is {rating!r}, which equals nothing")
        return
    if not isinstance(rating, Real) or not math.isfinite(rating):
        raise ConfigurationError(
            f"{where} is {rating!r}; of level {level!r} a rating is a number (labels: 'nominal')"
        )
    if level == "ratio" and rating < 0:
        raise ConfigurationError(f"{where} is {rating!r}; at level 'ratio' nothing is negative")
