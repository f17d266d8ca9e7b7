"""What a judge may answer: scales, and reading an answer strictly."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["Scale", "ScaleLike", "read_answer", "read_scale"]

ScaleLike = Sequence[float] | Mapping[str, float]
"""The worst and the best number, or labels with their values."""

_FENCE = re.compile(r"```(?:json)?[ \t]*\r?\n(.*)```", re.DOTALL | re.IGNORECASE)
_SHOWN_CHARACTERS_MAX = 500


@dataclass(frozen=True)
class Scale:
    """A scale of numbers, or of labels.

    Attributes:
        argument: It as JSON data.
        low: The worst number, or the least one of a label.
        high: The best one.
        labels: The values of labels; empty for numbers.
    """

    argument: Any
    low: float
    high: float
    labels: Mapping[str, float]

    @property
    def form(self) -> str:
        """What a prompt says of how to answer."""
        if self.labels:
            meant = (
                f"one of {', '.join(json.dumps(one, ensure_ascii=False) for one in self.labels)}"
            )
        else:
            meant = f"a number from {self.low:g} (worst) to {self.high:g} (best)"
        return (
            "Answer with one JSON object and nothing else: "
            f'{{"reason": "one or two sentences", "score": ...}}. The score is {meant}.'
        )

    def value(self, score: Any) -> float:
        """Return the number that an answer means: from 0 to 1, or the label's own.

        Raises:
            EvaluatorError: It is none of the scale.
        """
        if self.labels:
            if not isinstance(score, str) or score not in self.labels:
                known = ", ".join(map(repr, self.labels))
                raise EvaluatorError(f"the score {score!r} is none of {known}")
            return self.labels[score]
        if not _is_number(score) or not self.low <= score <= self.high:
            raise EvaluatorError(
                f"the score {score!r} is no number from {self.low:g} to {self.high:g}"
            )
        return (float(score) - self.low) / (self.high - self.low)


def read_scale(use: str, given: object) -> Scale:
    """Return the scale that a user asks for.

    Raises:
        ConfigurationError: It is neither two rising numbers nor at least two labels.
    """
    if isinstance(given, Mapping):
        if len(given) < 2 or not all(
            isinstance(label, str) and label and _is_number(value) for label, value in given.items()
        ):
            raise ConfigurationError(
                f"{use}: a scale of labels has at least two, each with its number, not {given!r}"
            )
        labels = {label: float(value) for label, value in given.items()}
        return Scale(labels, min(labels.values()), max(labels.values()), labels)
    if (
        not isinstance(given, Sequence)
        or len(given) != 2
        or not all(map(_is_number, given))
        or not given[0] < given[1]
    ):
        raise ConfigurationError(
            f"{use}: scale is the worst and the best number, such as (1, 5), or labels with their "
            f"numbers, such as {{'wrong': 0, 'right': 1}}, not {given!r}"
        )
    low, high = float(given[0]), float(given[1])
    return Scale([low, high], low, high, {})


def read_answer(answer: Any, key: str) -> tuple[Any, str]:
    """Return the verdict and the reason of a model's answer.

    The answer is one JSON object, perhaps in a code fence, and nothing else.

    Args:
        answer: What the user's function returned.
        key: The key of the verdict.

    Raises:
        EvaluatorError: It is anything else; the text shows it.
    """
    if not isinstance(answer, str):
        raise EvaluatorError(
            f"ask returned {_cut(repr(answer))}; it has to return the model's answer as a text"
        )
    text = answer.strip()
    fenced = _FENCE.fullmatch(text)
    try:
        found = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise EvaluatorError(f"the answer is no JSON object ({error}): {_cut(answer)}") from None
    if not isinstance(found, dict):
        raise EvaluatorError(f"the answer is no JSON object: {_cut(answer)}")
    for needed in (key, "reason"):
        if needed not in found:
            raise EvaluatorError(f"the answer lacks {needed!r}: {_cut(answer)}")
    if not isinstance(found["reason"], str):
        raise EvaluatorError(f"the reason of the answer is no text: {_cut(answer)}")
    return found[key], found["reason"]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _cut(text: str) -> str:
    bound = _SHOWN_CHARACTERS_MAX
    return text if len(text) <= bound else f"{text[: bound - 1]}…"
