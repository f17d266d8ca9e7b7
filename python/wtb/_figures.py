"""Figures of a comparison as `wtb compare` writes them, for what is not printed by the command."""

import math
from collections.abc import Iterable

__all__ = ["decimals_of", "duration", "figure", "interval", "p_value", "percent", "plural"]

NONE = "-"
"""Stands for a figure that there is not."""

_DECIMALS = ((10.0, 4), (100.0, 3), (1_000.0, 2), (math.inf, 0))
"""The decimals of a column whose largest figure is below a bound."""


def decimals_of(values: Iterable[float | None]) -> int:
    """Return how many decimals the figures of one column deserve: what its largest one does.

    Example:
        >>> decimals_of([0.5, None, 12.0])
        3
    """
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return next((count for most, count in _DECIMALS if largest < most), 0)


def figure(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Write a figure, a difference with its sign.

    Example:
        >>> figure(12346.7, 0)
        '12347'
        >>> figure(0.03, 4, signed=True)
        '+0.0300'
    """
    if value is None:
        return NONE
    if not signed:
        return f"{value:.{decimals}f}"
    text = f"{value:+.{decimals}f}"
    # Rounding leaves a sign at a zero, which would say something.
    return text[1:] if float(text) == 0 else text


def interval(low: float | None, high: float | None, decimals: int, *, signed: bool = False) -> str:
    """Write an interval: `[0.6403, 0.7712]`."""
    if low is None or high is None:
        return NONE
    return f"[{figure(low, decimals, signed=signed)}, {figure(high, decimals, signed=signed)}]"


def p_value(value: float | None) -> str:
    """Write a p-value: `<.001`, `0.140`."""
    if value is None:
        return NONE
    return "<.001" if value < 0.001 else f"{value:.3f}"


def percent(share: float) -> str:
    """Write a share in percent, without decimals that say nothing.

    Example:
        >>> percent(0.95), percent(0.995)
        ('95', '99.5')
    """
    return f"{share * 100:.2f}".rstrip("0").rstrip(".")


def duration(seconds: float | None) -> str:
    """Write a duration in at most two units: `850us`, `12ms`, `1.4s`, `3m 20s`."""
    if seconds is None:
        return NONE
    # Halves go up, as in Rust: the median of two is often one.
    micros = math.floor(seconds * 1e6 + 0.5)
    if micros < 1_000:
        return f"{micros}us"
    if micros < 10_000:
        return f"{micros // 1_000}.{micros % 1_000 // 100}ms"
    if micros < _SECOND:
        return f"{micros // 1_000}ms"
    if micros < 60 * _SECOND:
        return f"{micros // _SECOND}.{micros % _SECOND // 100_000}s"
    whole = micros // _SECOND
    size, unit, part, of_unit = next(one for one in _UNITS if whole >= one[0])
    rest = whole % size // part
    return f"{whole // size}{unit} {rest}{of_unit}" if rest else f"{whole // size}{unit}"


_SECOND = 1_000_000
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def plural(count: int, noun: str) -> str:
    """Write a count of things: `1 case`, `3 cases`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
