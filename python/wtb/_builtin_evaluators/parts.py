"""What built-in evaluators are made of: choosing a field, reading values, checking arguments."""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from wtb._evaluator import Evaluator, reference_of
from wtb._scores import Score
from wtb.context import Direction
from wtb.errors import ConfigurationError, EvaluatorError, did_you_mean
from wtb.workflow import import_reference

__all__ = [
    "Compare",
    "built_in",
    "check_field",
    "check_flag",
    "comparing",
    "expected_part",
    "number_of",
    "parsed",
    "pick",
    "short",
    "text_of",
    "users_function",
]

_NEARNESS = 0.8
"""A key of an expected value that is so like the field (`difflib`'s ratio) is taken for it."""

Compare = Callable[[Any, Any], Any]
"""Compares a part of the output with what is expected; returns what an evaluator may return."""


def built_in(
    use: str,
    name: str | None,
    function: Callable[..., Any],
    *,
    direction: Direction = "max",
    timeout: float | None = None,
    is_found_again: bool = True,
    **arguments: Any,
) -> Evaluator:
    """Make an evaluator that knows how a later session makes it again.

    Args:
        use: The name in `BUILT_IN`.
        name: What the user calls it.
        function: What scores.
        direction: See `Evaluator`.
        timeout: See `Evaluator`; a given one counts among the arguments.
        is_found_again: Whether the arguments can be stored. A function of the user's that no module
            holds by name cannot.
        arguments: What the built-in was given; None counts as not given.
    """
    given = {**arguments, "name": name, "timeout": timeout}
    return Evaluator(
        function,
        name=use if name is None else name,
        direction=direction,
        timeout=timeout,
        use=use if is_found_again else None,
        arguments={key: value for key, value in given.items() if value is not None},
    )


def comparing(
    use: str,
    name: str | None,
    field: str | None,
    compare: Compare,
    *,
    direction: Direction = "max",
    timeout: float | None = None,
    is_found_again: bool = True,
    **arguments: Any,
) -> Evaluator:
    """Make an evaluator that compares the chosen parts of the output and the expected value."""
    check_field(use, field)

    def evaluate(output: Any, expected: Any) -> Any:
        if expected is None:
            return None
        if field is not None:
            return _compared_field(compare, pick(output, field), expected, field)
        if isinstance(output, Mapping) and not isinstance(expected, Mapping):
            raise EvaluatorError(
                f"{use} would compare the whole output with {short(expected)}; say which field "
                f"of it is meant: {use}(field=...). The output has: "
                f"{', '.join(repr(key) for key in list(output)[:20])}"
            )
        return compare(output, expected)

    return built_in(
        use,
        name,
        evaluate,
        direction=direction,
        timeout=timeout,
        is_found_again=is_found_again,
        field=field,
        **arguments,
    )


def _compared_field(compare: Compare, part: Any, expected: Any, field: str) -> Any:
    wanted = expected_part(expected, field)
    if wanted is not expected or not isinstance(expected, Mapping):
        return compare(part, wanted)
    _check_misspelt(expected, field, parsed(part))
    score = compare(part, expected)
    if isinstance(score, Score) and not score.value and score.reason is None:
        reason = f"the expected value has no {field!r}, so all of it is compared"
        return replace(score, reason=reason)
    return score


def _check_misspelt(expected: Mapping[Any, Any], field: str, part: Any) -> None:
    """Check that an expected mapping without the field does not have it under a similar name.

    Raises:
        EvaluatorError: It has, so that comparing all of it would say no to every output.
    """
    value: Any = expected
    for key in field.split("."):
        if not isinstance(value, Mapping):
            return
        if key not in value:
            names = {one.casefold(): one for one in value if isinstance(one, str)}
            near = difflib.get_close_matches(key.casefold(), names, n=1, cutoff=_NEARNESS)
            # An output may have just such a part as the whole expected value is.
            if near and not (isinstance(part, Mapping) and names[near[0]] in part):
                known = did_you_mean(key, list(names.values()), listed_as="it has")
                raise EvaluatorError(
                    f"the expected value {short(expected)} has no {key!r}. {known} If all of it is "
                    f"what {field!r} should be, put it under that name"
                )
            return
        value = value[key]


def check_field(use: str, field: object) -> None:
    """Check the argument `field`.

    Raises:
        ConfigurationError: It is no name and no path.
    """
    if field is not None and (not isinstance(field, str) or not all(field.split("."))):
        raise ConfigurationError(
            f"{use}: field is a name, or a path like 'messages.-1.content', not {field!r}"
        )


def check_flag(use: str, argument: str, given: object) -> None:
    """Check an argument that is yes or no.

    Raises:
        ConfigurationError: It is something else.
    """
    if not isinstance(given, bool):
        raise ConfigurationError(f"{use}: {argument} is True or False, not {given!r}")


def users_function(use: str, argument: str, given: object) -> tuple[Callable[..., Any], str | None]:
    """Return a function of the user's, and the reference that a later session finds it by.

    Args:
        use: The built-in that asks for it.
        argument: Which of its arguments.
        given: A function, or its `"module:attribute"` reference.

    Raises:
        ConfigurationError: It is neither.
        WorkflowImportError: The reference cannot be imported.
    """
    found = import_reference(given) if isinstance(given, str) and ":" in given else given
    if not callable(found):
        raise ConfigurationError(
            f"{use}: {argument} is a function or its 'module:attribute' reference, not {given!r}"
        )
    return found, given if isinstance(given, str) else reference_of(given)


def pick(value: object, path: str) -> Any:
    """Return the part of an output that a path leads to.

    Raises:
        EvaluatorError: There is no such part.
    """
    return reduce(_part, path.split("."), value)


def _part(value: Any, key: str) -> Any:
    """Return the value of a mapping, the element of a sequence, or the attribute of an object."""
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        known = [str(one) for one in value]
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        if re.fullmatch(r"-?\d+", key) and -len(value) <= int(key) < len(value):
            return value[int(key)]
        known = [f"0 to {len(value) - 1}"] if value else []
    else:
        if not key.startswith("_") and hasattr(value, key):
            return getattr(value, key)
        known = [one for one in getattr(value, "__dict__", {}) if not one.startswith("_")]
    raise EvaluatorError(
        f"the output has no {key!r} in {short(value)}. "
        f"{did_you_mean(key, known, listed_as='there is')}"
    )


def expected_part(expected: Any, field: str) -> Any:
    """Return the field of an expected mapping that has it, else all of the expected value."""
    if not isinstance(expected, Mapping):
        return expected
    try:
        return pick(expected, field)
    except EvaluatorError:
        return expected


def text_of(value: Any) -> str | None:
    """Return a text, or a number's digits; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def parsed(value: Any) -> Any:
    """Return what a text that is JSON stands for, and anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def number_of(value: Any) -> float | None:
    """Return a number, or the number that a text is; None for anything else."""
    # Python reads "1_0" as 10, people do not.
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def short(value: object) -> str:
    """Return how a value looks, cut to what fits into a sentence."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
