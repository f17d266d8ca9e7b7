"""Precision, recall and F1 of two sets."""

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Literal

from wtb._builtin_evaluators.parts import check_flag, comparing, short, text_of
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["set_overlap"]

_WORD = re.compile(r"\w+")
_COLLECTIONS = (list, tuple, set, frozenset)


def set_overlap(
    field: str | None = None,
    split: Literal["words"] | None = None,
    ignore_case: bool = False,
    *,
    name: str | None = None,
) -> Evaluator:
    """Return an evaluator that compares two sets: metrics `f1`, `precision` and `recall`.

    Output and expected value are lists, tuples or sets, whose elements are hashable or JSON. They
    are compared as sets: order and repetition make no difference. Precision is the share of what
    the output holds that is expected, recall the share of what is expected that the output holds,
    F1 their harmonic mean. Two empty sets give 1, 1 and 1; where one of them alone is empty, all
    three are 0. An output that is no collection scores 0.

    Args:
        field: See `exact_match`.
        split: "words" compares texts as the sets of their words, which are runs of letters, digits
            and underscores; by default a text is an error.
        ignore_case: Whether upper and lower case are the same.
        name: Name of the evaluator. The metrics of one that is given a name have it in front:
            `tags_f1`.

    Raises:
        ConfigurationError: `split` or `ignore_case` is something else.

    Example:
        >>> set_overlap()(["a", "b"], ["b", "c", "d"])["recall"]
        Score(value=0.3333333333333333, name=None, reason="missing: 'c', 'd'")
    """
    if split not in (None, "words"):
        raise ConfigurationError(f"set_overlap: split is 'words' or None, not {split!r}")
    check_flag("set_overlap", "ignore_case", ignore_case)
    start = "" if name is None else f"{name}_"

    def compare(output: Any, expected: Any) -> dict[str, Score]:
        wanted = _elements(expected, split, ignore_case)
        if wanted is None:
            raise EvaluatorError(f"the expected value {short(expected)} is no collection")
        found = _elements(output, split, ignore_case)
        if found is None:
            reason = f"the output {short(output)} is no collection"
            scores = dict.fromkeys(("f1", "precision", "recall"), Score(0.0, reason=reason))
        else:
            scores = _overlap(found, wanted)
        return {f"{start}{metric}": score for metric, score in scores.items()}

    return comparing("set_overlap", name, field, compare, split=split, ignore_case=ignore_case)


def _overlap(found: Mapping[Hashable, Any], wanted: Mapping[Hashable, Any]) -> dict[str, Score]:
    common = len(found.keys() & wanted.keys())
    is_same = found.keys() == wanted.keys()
    precision = 1.0 if is_same else common / max(len(found), 1)
    recall = 1.0 if is_same else common / max(len(wanted), 1)
    # The harmonic mean of the two, without a division by zero.
    f1 = 1.0 if is_same else 2 * common / (len(found) + len(wanted))
    superfluous = _told("not expected", (found[key] for key in found if key not in wanted))
    missing = _told("missing", (wanted[key] for key in wanted if key not in found))
    return {
        "f1": Score(f1, reason="; ".join(filter(None, (missing, superfluous))) or None),
        "precision": Score(precision, reason=superfluous),
        "recall": Score(recall, reason=missing),
    }


def _told(what: str, elements: Iterable[Any]) -> str | None:
    listed = sorted(short(one) for one in elements)
    return f"{what}: {', '.join(listed)}" if listed else None


def _elements(value: Any, split: str | None, ignore_case: bool) -> dict[Hashable, Any] | None:
    """Return the elements by what tells them apart; None if there is no collection."""
    if (text := text_of(value)) is not None:
        if split is None and isinstance(value, str):
            raise EvaluatorError(
                f"{short(value)} is a text and no collection; to compare texts by their words: "
                "set_overlap(split='words')"
            )
        value = None if split is None else _WORD.findall(text)
    if not isinstance(value, _COLLECTIONS):
        return None
    return {_key(one, ignore_case): one for one in value}


def _key(value: Any, ignore_case: bool) -> Hashable:
    """Return what two elements have in common that count as the same one."""
    # To Python True equals 1, to JSON it does not.
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, str):
        return value.casefold() if ignore_case else value
    if isinstance(value, Mapping):
        return ("mapping", frozenset((key, _key(one, ignore_case)) for key, one in value.items()))
    if isinstance(value, list | tuple):
        return ("list", *(_key(one, ignore_case) for one in value))
    if isinstance(value, set | frozenset):
        return ("set", frozenset(_key(one, ignore_case) for one in value))
    if not isinstance(value, Hashable):
        raise EvaluatorError(f"the element {short(value)} is neither hashable nor JSON")
    return value
