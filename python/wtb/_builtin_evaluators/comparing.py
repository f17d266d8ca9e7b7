"""The evaluators that compare an output with an expected value by a rule, and say yes or no."""

import math
import re
from collections.abc import Mapping
from typing import Any

from wtb._builtin_evaluators.parts import (
    built_in,
    check_field,
    comparing,
    number_of,
    parsed,
    pick,
    short,
    text_of,
)
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["contains", "exact_match", "json_equal", "numeric_close", "regex_match"]


def exact_match(field: str | None = None, *, name: str | None = None) -> Evaluator:
    """Return an evaluator that gives 1 if the output equals what is expected, else 0.

    Args:
        field: What of the output is compared, `"answer"` or `"messages.-1.content"`; by default
            all of it. Where the expected value is a mapping that has the field too, its field is
            compared, else the whole expected value. A case that expects nothing gets no score.
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
    list, all elements have to be contained.

    Args:
        field: See `exact_match`.
        ignore_case: Whether upper and lower case are the same.
        name: See `exact_match`.

    Example:
        >>> contains()("Paris, France", ["Paris", "Rome"])
        Score(value=False, name=None, reason="missing: 'Rome'")
    """

    def compare(output: Any, expected: Any) -> Score:
        wanted = list(expected) if isinstance(expected, list | tuple | set) else [expected]
        missing = [one for one in wanted if not _is_in(one, output, ignore_case)]
        reason = f"missing: {', '.join(map(repr, missing))}" if missing else None
        return Score(not missing, reason=reason)

    return comparing("contains", name, field, compare, ignore_case=ignore_case)


def regex_match(
    pattern: str | None = None, field: str | None = None, *, name: str | None = None
) -> Evaluator:
    r"""Return an evaluator that gives 1 if a regular expression is found in the output, else 0.

    It may be found anywhere; `^` and `$` bind it to the ends.

    Args:
        pattern: The expression for every case; by default each case expects its own.
        field: See `exact_match`.
        name: See `exact_match`.

    Raises:
        ConfigurationError: The pattern is no regular expression.

    Example:
        >>> regex_match(r"^\d{4}$")("2026")
        Score(value=True, name=None, reason=None)
    """
    if pattern is None:
        return comparing("regex_match", name, field, _is_found)
    if not isinstance(pattern, str):
        raise ConfigurationError(f"regex_match: the pattern is a text, not {pattern!r}")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(
            f"regex_match: {pattern!r} is no regular expression: {error}"
        ) from None
    check_field("regex_match", field)

    def evaluate(output: Any) -> Score:
        return _is_found(output if field is None else pick(output, field), pattern)

    return built_in("regex_match", name, evaluate, pattern=pattern, field=field)


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
        if wanted is None:
            raise EvaluatorError(f"the expected value {short(expected)} is no number")
        given = number_of(output)
        if given is None:
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
    return whole is not None and _folded(part, ignore_case) in _folded(whole, ignore_case)


def _folded(value: Any, ignore_case: bool) -> Any:
    return value.casefold() if ignore_case and isinstance(value, str) else value


def _is_found(output: Any, pattern: Any) -> Score:
    if not isinstance(pattern, str):
        raise EvaluatorError(f"the expected value {short(pattern)} is no regular expression")
    text = text_of(output)
    if text is None:
        return Score(False, reason=f"the output {short(output)} is no text")
    try:
        return Score(re.search(pattern, text) is not None)
    except re.error as error:
        raise EvaluatorError(
            f"the expected value {pattern!r} is no regular expression: {error}"
        ) from None


def _same_json(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same_json(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same_json, one, other))
    # To Python True equals 1, to JSON it does not.
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
