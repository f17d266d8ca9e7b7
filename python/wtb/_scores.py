"""Scores: what an evaluator may return, checked and made ready for the engine.

What is no score becomes an error with a text, never a number.
"""

import asyncio
import math
import os
import reprlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from wtb.context import Direction
from wtb.errors import EvaluatorError

__all__ = ["Score", "ScoreTuple", "describe_error", "failed", "read_scores"]

TEXT_CHARACTERS_MAX = 4_000
"""Names, reasons and error texts are cut to this many characters before they are stored."""

_OWN = tuple(os.path.join(os.path.dirname(one), "") for one in (__file__, asyncio.__file__))


@dataclass(frozen=True)
class Score:
    """A number that an evaluator gives, with its reason.

    Args:
        value: A finite number, or a bool, which counts as 1 or 0.
        name: Name of the metric; by default the evaluator's.
        reason: Why the value is what it is; it is stored with the value.

    Example:
        >>> Score(0.5, reason="one of two facts is missing")
        Score(value=0.5, name=None, reason='one of two facts is missing')
    """

    value: float
    name: str | None = None
    reason: str | None = None


class ScoreTuple(NamedTuple):
    """A score as the engine takes it; `error` says why there is no value.

    `version` is that of the evaluator: see `Evaluator.version`.
    """

    name: str
    value: float | None
    direction: Direction
    source: str
    reason: str | None
    error: str | None
    version: str | None = None


def read_scores(result: object, evaluator: str, direction: Direction) -> list[ScoreTuple]:
    """Return what an evaluator returned as scores.

    A single number that is none becomes the error of its metric; the other metrics stay.

    Args:
        result: What it returned.
        evaluator: Its name.
        direction: Its direction.

    Raises:
        EvaluatorError: The result has no form that scores can have.
    """
    named = _named(result, evaluator)
    names = [name for name, _ in named]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise EvaluatorError(
            f"evaluator {evaluator!r} gave metric {twice!r} twice; "
            "give each score a name: Score(value, name=...)"
        )
    return [_score(name, score, evaluator, direction) for name, score in named]


def failed(name: str, error: str, evaluator: str, direction: Direction) -> ScoreTuple:
    """Return the score that says why there is none."""
    return ScoreTuple(_stored(name), None, direction, _stored(evaluator), None, _stored(error))


def describe_error(error: BaseException) -> str:
    """Return type and message, and the first place outside of this package."""
    try:
        message = str(error)
    except Exception as second:
        message = f"its text cannot be made ({type(second).__name__})"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    place = next(
        (
            f" ({frame.f_code.co_filename}:{line})"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not frame.f_code.co_filename.startswith(_OWN)
        ),
        "",
    )
    return _stored(text, keep=len(place)) + place


def _named(result: object, evaluator: str) -> list[tuple[str, Score]]:
    if result is None:
        return []
    if isinstance(result, Mapping):
        return [_entry(key, one, evaluator) for key, one in result.items() if one is not None]
    if isinstance(result, list | tuple):
        return [_item(one, evaluator) for one in result]
    if isinstance(result, Score):
        return [_item(result, evaluator)]
    return [(evaluator, Score(result))]  # type: ignore[arg-type]


def _entry(key: object, value: object, evaluator: str) -> tuple[str, Score]:
    if not isinstance(key, str) or not key:
        raise EvaluatorError(
            f"evaluator {evaluator!r} returned a mapping with the key {reprlib.repr(key)}; "
            "its keys are names of metrics"
        )
    score = value if isinstance(value, Score) else Score(value)  # type: ignore[arg-type]
    if score.name not in (None, key):
        raise EvaluatorError(
            f"evaluator {evaluator!r} gave one score two names: {key!r} and {score.name!r}"
        )
    return key, score


def _item(value: object, evaluator: str) -> tuple[str, Score]:
    if not isinstance(value, Score):
        raise EvaluatorError(
            f"evaluator {evaluator!r} returned a list that holds {reprlib.repr(value)}; "
            "a list holds Score objects; several numbers are a mapping of names to numbers"
        )
    name = evaluator if value.name is None else value.name
    if not isinstance(name, str) or not name:
        raise EvaluatorError(
            f"evaluator {evaluator!r}: {reprlib.repr(name)} is no name of a metric"
        )
    return name, value


def _score(name: str, score: Score, evaluator: str, direction: Direction) -> ScoreTuple:
    try:
        value, reason = _number(score.value, evaluator), _reason(score.reason, evaluator)
    except Exception as error:
        return failed(name, describe_error(error), evaluator, direction)
    return ScoreTuple(_stored(name), value, direction, _stored(evaluator), reason, None)


def _number(value: Any, evaluator: str) -> float:
    # Scalars of numpy and torch; numpy's bool is no `Real`.
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        value = value.item()
    if not isinstance(value, Real):
        raise EvaluatorError(
            f"evaluator {evaluator!r} returned {reprlib.repr(value)} ({type(value).__name__}); "
            "it has to return a number, a bool, a Score, a mapping of names to numbers, "
            "a list of Score, or None for no score"
        )
    number = float(value)
    if not math.isfinite(number):
        raise EvaluatorError(
            f"evaluator {evaluator!r} returned {number}; a score is a finite number, "
            "and None where there is none"
        )
    return number


def _reason(reason: object, evaluator: str) -> str | None:
    if reason is None:
        return None
    if not isinstance(reason, str):
        raise EvaluatorError(
            f"evaluator {evaluator!r}: the reason of a score is a text, not {reprlib.repr(reason)}"
        )
    return _stored(reason)


def _stored(text: str, *, keep: int = 0) -> str:
    """Return the text as it can be stored: cut to its bound, and without lone surrogates."""
    bound = TEXT_CHARACTERS_MAX - keep
    if len(text) > bound:
        text = f"{text[: bound - 1]}…"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
