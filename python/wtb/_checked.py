"""Checks of what statistics are asked for: each returns its argument, or says what is wrong."""

import math
from collections.abc import Iterable, Mapping
from numbers import Real

from wtb.errors import ConfigurationError

__all__ = [
    "checked_attempts",
    "checked_confidence",
    "checked_count",
    "checked_deviation",
    "checked_margin",
    "checked_numbers",
    "checked_power",
    "checked_seed",
    "checked_weights",
]


def checked_confidence(confidence: float) -> float:
    """Return the confidence if it is one.

    Raises:
        ConfigurationError: It is no number above 0.5 and below 1.
    """
    if isinstance(confidence, bool) or not isinstance(confidence, Real) or not 0.5 < confidence < 1:
        raise ConfigurationError(f"confidence is between 0.5 and 1, as 0.95, not {confidence!r}")
    return float(confidence)


def checked_margin(margin: float) -> float:
    """Return a gate's margin if it is one.

    Raises:
        ConfigurationError: It is no finite number from 0 on.
    """
    if isinstance(margin, bool) or not isinstance(margin, Real) or not 0 <= margin < math.inf:
        raise ConfigurationError(f"max_regression is a number from 0 on, as 0.02, not {margin!r}")
    return float(margin)


def checked_weights(objective: Mapping[str, float] | None) -> list[tuple[str, float]]:
    """Return an objective's weights; none without one.

    Raises:
        ConfigurationError: It is no mapping of names to finite numbers, or is empty.
    """
    if objective is None:
        return []
    if not isinstance(objective, Mapping) or not objective:
        raise ConfigurationError(
            f"objective is a mapping of metrics to weights, as {{'accuracy': 1}}, not {objective!r}"
        )
    for name, weight in objective.items():
        is_number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not is_number or not math.isfinite(weight):
            raise ConfigurationError(f"the weight of {name!r} is a finite number, not {weight!r}")
    return [(str(name), float(weight)) for name, weight in objective.items()]


def checked_numbers(values: Iterable[float], what: str) -> list[float]:
    """Return numbers as a list if all of them are finite.

    Raises:
        ConfigurationError: Some are not.
    """
    numbers = [float(one) for one in values]
    if not all(map(math.isfinite, numbers)):
        raise ConfigurationError(f"{what} are finite numbers")
    return numbers


def checked_attempts(n: int, passed: int, k: int) -> tuple[int, int, int]:
    """Return how many attempts there are, how many passed and how many are drawn.

    Raises:
        ConfigurationError: They do not fit together.
    """
    if not (0 <= passed <= n and 1 <= k <= n):
        raise ConfigurationError(f"{k} of {n} attempts of which {passed} passed make no sense")
    return n, passed, k


def checked_seed(seed: int) -> int:
    """Return a seed if it is one.

    Raises:
        ConfigurationError: It is no whole number from 0 to 2**64 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ConfigurationError(f"seed is a whole number from 0 to 2**64 - 1, not {seed!r}")
    return seed


def checked_count(value: int, what: str, least: int) -> int:
    """Return a count if it is a whole number from the least one on.

    Raises:
        ConfigurationError: It is something else, or too large.
    """
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if not is_count or not least <= value < 2**32:
        raise ConfigurationError(f"{what} is a whole number from {least} on, not {value!r}")
    return value


def checked_deviation(deviation: float) -> float:
    """Return a standard deviation if it is one.

    Raises:
        ConfigurationError: It is negative or not finite.
    """
    if not 0 <= deviation < math.inf:
        raise ConfigurationError(f"a standard deviation is finite and not negative: {deviation!r}")
    return float(deviation)


def checked_power(power: float) -> float:
    """Return a chance above 0 and below 1.

    Raises:
        ConfigurationError: It is something else.
    """
    if not 0 < power < 1:
        raise ConfigurationError(f"power is between 0 and 1, as 0.8, not {power!r}")
    return float(power)
