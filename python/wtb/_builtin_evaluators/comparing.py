"""The evaluators that compare an output with an expected value by a rule, and say yes or no."""

import math
from collections.abc import Mapping
from typing import Any

from wtb._builtin_evaluators.parts import (
    comparing,
    number_of,
    parsed,
    short,
    text_of,
)
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["contains", "exact_match", "json_equal", "numeric_close"]


def exact_match(field: str | None = None, *, name: str | None = None) -> Evaluator:
    """Return an evaluator that gives 1 if the output equals what is expected, else 0.

    Args:
        field: What of the output is compared, `"answer"` or `"messages.-1.content"`; by default
            all of it. Where the expected value is a mapping that has the field too, its field is
            compared, else the whole expected value; one that has it under a similar name
            (`"Answer"`) is an error. A case that expects nothing gets no score.
        name: Name of the evaluator and its metric.

    Example:
        >>> exact_match("answer")({"answer": "Paris"}, "Paris")
        Score(value=True, name=None, reason=None)
    """
    return comparing("exact_match", name, field, _equal)


def contains(
    field: str | None = None, ignore_case: bool = False, *, name: str | None = None
) -> Evaluator:
    """Return an evaluator that gives 1 if the output contains what is expected, else 0.

    A text contains its parts, and a number its digits; a list contains its elements. Of an expected
    list, all elements have to be contained. An empty list, and an empty text in a text, are errors:
    every output contains them.

    Args:
        field: See `exact_match`.
        ignore_case: Whether upper and lower case are the same.
        name: See `exact_match`.

    Example:
        >>> contains()("Paris, France", ["Paris", "Rome"])
        Score(value=False, name=None, reason="missing: 'Rome'")
    """

    def compare(output: Any, expected: Any) -> Score:
        is_many = isinstance(expected, list | tuple | set | frozenset)
        wanted = list(expected) if is_many else [expected]
        if not wanted:
            raise EvaluatorError(_everywhere(expected))
        missing = [one for one in wanted if not _is_in(one, output, ignore_case)]
        reason = f"missing: {', '.join(map(repr, missing))}" if missing else None
        return Score(not missing, reason=reason)

    return comparing("contains", name, field, compare, ignore_case=ignore_case)


def json_equal(field: str | None = None, *, name: str | None = None) -> Evaluator:
    """Return an evaluator that gives 1 if output and expected value are the same JSON, else 0.

    Texts that are JSON are parsed first. The order of keys, and 1 against 1.0, make no difference.

    Args:
        field: See `exact_match`.
        name: See `exact_match`.

    Example:
        >>> json_equal()('{"a": 1.0, "b": [2]}', {"b": [2], "a": 1})
        Score(value=True, name=None, reason=None)
    """
    return comparing(
        "json_equal",
        name,
        field,
        lambda output, expected: Score(_same_json(parsed(output), parsed(expected))),
    )


def numeric_close(
    field: str | None = None,
    rel_tol: float = 1e-9,
    abs_tol: float = 0.0,
    *,
    name: str | None = None,
) -> Evaluator:
    """Return an evaluator that gives 1 if the output is the expected number, or close to it.

    Close means within either tolerance, as `math.isclose` has it. Texts that are a number count as
    that number; an output that is none scores 0.

    Args:
        field: See `exact_match`.
        rel_tol: Tolerance as a share of the larger of the two numbers.
        abs_tol: Tolerance in the unit of the numbers.
        name: See `exact_match`.

    Raises:
        ConfigurationError: A tolerance is negative or no number.

    Example:
        >>> numeric_close(abs_tol=0.01)("3.14", 3.1416)
        Score(value=True, name=None, reason=None)
    """
    for label, tolerance in (("rel_tol", rel_tol), ("abs_tol", abs_tol)):
        if (number := number_of(tolerance)) is None or not 0 <= number < math.inf:
            raise ConfigurationError(
                f"numeric_close: {label} is a number that is not negative, not {tolerance!r}"
            )

    relative, absolute = float(rel_tol), float(abs_tol)

    def compare(output: Any, expected: Any) -> Score:
        wanted = number_of(expected)
        if wanted is None or math.isnan(wanted):
            raise EvaluatorError(f"the expected value {short(expected)} is no number")
        given = number_of(output)
        if given is None or math.isnan(given):
            return Score(False, reason=f"the output {short(output)} is no number")
        return Score(math.isclose(given, wanted, rel_tol=relative, abs_tol=absolute))

    return comparing("numeric_close", name, field, compare, rel_tol=relative, abs_tol=absolute)


def _equal(output: Any, expected: Any) -> Score:
    return Score(bool(output == expected))


def _is_in(wanted: Any, output: Any, ignore_case: bool) -> bool:
    if isinstance(output, list | tuple | set | frozenset):
        return any(_folded(wanted, ignore_case) == _folded(one, ignore_case) for one in output)
    part, whole = text_of(wanted), text_of(output)
    if part is None:
        raise EvaluatorError(f"the expected value {short(wanted)} is no text")
    if not part:
        raise EvaluatorError(_everywhere(wanted))
    return whole is not None and _folded(part, ignore_case) in _folded(whole, ignore_case)


def _everywhere(wanted: Any) -> str:
    return (
        f"every output contains the expected value {wanted!r}; "
        "a case that expects nothing has None, and gets no score"
    )


def _folded(value: Any, ignore_case: bool) -> Any:
    return value.casefold() if ignore_case and isinstance(value, str) else value


def _same_json(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same_json, one, other))
    # To Python True equals 1, to JSON it does not.
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
