"""How many edits two texts are apart."""

from typing import Any

from wtb import _native
from wtb._builtin_evaluators.parts import check_flag, comparing, short, text_of
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import EvaluatorError

__all__ = ["edit_distance"]


def edit_distance(
    field: str | None = None, normalized: bool = True, *, name: str | None = None
) -> Evaluator:
    """Return an evaluator that tells how close the output is to the expected text.

    The distance is Levenshtein's: how many characters (code points) have to be inserted, deleted or
    replaced. Its time grows with the product of the two lengths.

    Args:
        field: See `exact_match`.
        normalized: True gives the similarity, 1 - distance / length of the longer text, from 0 to 1
            (two empty texts: 1); an output that is no text scores 0. False gives the distance
            itself, where less is better; an output that is no text is an error then.
        name: See `exact_match`.

    Raises:
        ConfigurationError: `normalized` is no bool.

    Example:
        >>> edit_distance(normalized=False)("Parris", "Paris").value
        1.0
    """
    check_flag("edit_distance", "normalized", normalized)

    def compare(output: Any, expected: Any) -> Score:
        wanted, given = text_of(expected), text_of(output)
        if wanted is None:
            raise EvaluatorError(f"the expected value {short(expected)} is no text")
        if given is None:
            reason = f"the output {short(output)} is no text"
            if normalized:
                return Score(0.0, reason=reason)
            raise EvaluatorError(reason)
        distance = _native.edit_distance(given, wanted)
        if not normalized:
            return Score(float(distance))
        longer = max(len(given), len(wanted))
        return Score(1 - distance / longer if longer else 1.0)

    return comparing(
        "edit_distance",
        name,
        field,
        compare,
        direction="max" if normalized else "min",
        normalized=normalized,
    )
