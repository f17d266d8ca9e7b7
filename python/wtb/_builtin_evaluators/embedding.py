"""How close two texts are by the vectors of the user's own embedding model."""

import math
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from operator import mul
from typing import Any

from wtb._builtin_evaluators.dialogue import carry_on
from wtb._builtin_evaluators.parts import comparing, short, text_of, users_function
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import EvaluatorError

__all__ = ["embedding_similarity"]

VECTORS_MAX = 1024
"""Of how many expected texts one evaluator remembers the vectors."""


def embedding_similarity(
    embed: Callable[[list[str]], Any] | str,
    field: str | None = None,
    *,
    name: str | None = None,
    timeout: float | None = None,
) -> Evaluator:
    """Return an evaluator that gives the cosine similarity of output and expected text, -1 to 1.

    The vectors come from your own function, so that any model will do. Those of expected texts are
    remembered (the last 1,024 of them). An output that is no text scores 0.

    Args:
        embed: Takes a list of texts and returns as many vectors: lists of numbers, or a numpy
            array. It may be async. In a bench file its `"module:attribute"` reference.
        field: See `exact_match`.
        name: See `exact_match`.
        timeout: Seconds that one execution may take; by default the batch's setting counts.

    Raises:
        ConfigurationError: `embed` cannot be called.
        WorkflowImportError: The reference cannot be imported.

    Example:
        >>> letters = lambda texts: [[text.count("a"), text.count("b")] for text in texts]
        >>> round(embedding_similarity(letters)("aab", "abb").value, 3)
        0.8
    """
    function, reference = users_function("embedding_similarity", "embed", embed)
    known = _Remembered()

    def compare(output: Any, expected: Any) -> Any:
        wanted, given = text_of(expected), text_of(output)
        if wanted is None:
            raise EvaluatorError(f"the expected value {short(expected)} is no text")
        if given is None:
            return Score(0.0, reason=f"the output {short(output)} is no text")
        return carry_on(_similarity(given, wanted, known), function)

    return comparing(
        "embedding_similarity",
        name,
        field,
        compare,
        timeout=timeout,
        is_found_again=reference is not None,
        embed=reference,
    )


class _Remembered:
    """The vectors of the texts that were asked for last. Several threads may use it."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[str, array[float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> "array[float] | None":
        with self._lock:
            if text in self._vectors:
                self._vectors.move_to_end(text)
            return self._vectors.get(text)

    def put(self, text: str, vector: "array[float]") -> None:
        with self._lock:
            self._vectors[text] = vector
            if len(self._vectors) > VECTORS_MAX:
                self._vectors.popitem(last=False)


def _similarity(given: str, wanted: str, known: _Remembered) -> Generator[list[str], Any, Score]:
    target = known.get(wanted)
    texts = [given] if target is not None else [given, wanted]
    vectors = _vectors((yield texts), texts)
    if target is None:
        target = vectors[1]
        known.put(wanted, target)
    if len(vectors[0]) != len(target):
        raise EvaluatorError(
            f"embed gave vectors of different lengths: {len(vectors[0])} numbers for the output, "
            f"{len(target)} for the expected text"
        )
    # Rounding can leave the bounds by a last digit.
    return Score(max(-1.0, min(1.0, sum(map(mul, vectors[0], target)))))


def _vectors(answer: Any, texts: Sequence[str]) -> "list[array[float]]":
    """Return what the user's function gave as vectors of length 1."""
    try:
        rows = list(answer)
    except TypeError:
        raise EvaluatorError(
            f"embed returned {short(answer)}; it has to return a list of vectors"
        ) from None
    if len(rows) != len(texts):
        raise EvaluatorError(f"embed returned {len(rows)} vectors for {len(texts)} texts")
    return [_unit(row, text) for row, text in zip(rows, texts, strict=True)]


def _unit(row: Any, text: str) -> "array[float]":
    where = f"the vector of {short(text)}"
    try:
        vector = array("d", map(_number, row))
    except (TypeError, ValueError):
        raise EvaluatorError(f"{where} is {short(row)}, which is no list of numbers") from None
    length = math.hypot(*vector)
    if not math.isfinite(length):
        raise EvaluatorError(f"{where} holds numbers that are not finite, or too large")
    if length == 0:
        raise EvaluatorError(f"{where} is zero, so that it has no direction")
    return array("d", (one / length for one in vector))


def _number(value: Any) -> float:
    # A text that is a number would be taken for it.
    if isinstance(value, str | bytes):
        raise TypeError
    return float(value)
