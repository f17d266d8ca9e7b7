"""Ids of cases by content: the same case has the same id in every program and session."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from wtb import _values
from wtb.errors import InvalidCaseError

__all__ = ["content_id"]


def content_id(given: object, expected: object, workspace: str | None = None) -> str:
    """Return the id of a case by its input, its expected value, and its directory as it was given.

    Raises:
        InvalidCaseError: They cannot be serialised.
    """
    try:
        own = [] if workspace is None else [workspace]
        text = json.dumps([_canonical(given), _canonical(expected), *own], sort_keys=True)
    except Exception as error:
        raise InvalidCaseError(
            f"the case has no id, and none can be made of its content, because it cannot be "
            f"serialised ({type(error).__name__}: {error}); give values that LangGraph's "
            "serializer takes, or an id"
        ) from None
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return f"c_{digest}"


def _canonical(value: object) -> Any:
    """Return JSON data that is the same for the same content, in whatever order it was built."""
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value):
            return {key: _canonical(one) for key, one in value.items()}
        return {
            "$mapping": _ordered([_canonical(key), _canonical(one)] for key, one in value.items())
        }
    if isinstance(value, list | tuple):
        return [_canonical(one) for one in value]
    if isinstance(value, set | frozenset):
        return {"$set": _ordered(map(_canonical, value))}
    kind, data = _values.serializer().dumps_typed(value)
    return {f"${kind}": data.hex()}


def _ordered(values: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in values)
