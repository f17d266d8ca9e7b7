"""What users publish, as JSON text: checked so that it comes back as it went in."""

import json
import math
from collections.abc import Mapping

__all__ = ["DATA_BYTES_MAX", "dump_data"]

DATA_BYTES_MAX = 256 * 1024
"""The most bytes that one published event's data may have as JSON."""

_DEPTH_MAX = 100
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1


def dump_data(data: Mapping[str, object] | None) -> str:
    """Return an event's data as JSON text.

    Raises:
        TypeError: Something in it has no exact form in JSON; the text names its key.
        ValueError: It is too large.
    """
    if data is None:
        return "{}"
    if not isinstance(data, Mapping):
        raise TypeError(f"data must be a mapping from names to values, not {data!r:.200}")
    text = json.dumps(_checked(data, "data", 0), ensure_ascii=False)
    size = len(text.encode())
    if size > DATA_BYTES_MAX:
        raise ValueError(
            f"data has {size:,} bytes as JSON, and an event holds at most {DATA_BYTES_MAX:,}; "
            "keep the value elsewhere and publish where it is"
        )
    return text


def _checked(value: object, path: str, depth: int) -> object:
    """Return the value made of JSON's own types, or say which part of it cannot be."""
    if depth > _DEPTH_MAX:
        raise TypeError(f"{path:.200}... is nested deeper than {_DEPTH_MAX} levels")
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, path)
        case int():
            if not _INTEGER_MIN <= value <= _INTEGER_MAX:
                raise TypeError(f"{path} has more than 64 bits; publish it as text")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise TypeError(f"{path} is {value!r}, which JSON does not know")
            return float(value)
        case Mapping():
            return {
                _key(key, path): _checked(part, f"{path}[{key!r}]", depth + 1)
                for key, part in value.items()
            }
        case list() | tuple():
            return [_checked(part, f"{path}[{n}]", depth + 1) for n, part in enumerate(value)]
    raise TypeError(
        f"{path} is a {type(value).__module__}.{type(value).__qualname__}, which JSON does not "
        "know; convert it first"
    )


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{path} has the key {key!r}; keys must be text")
    return _text(key, f"{path}: the key {key!r}")


def _text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TypeError(f"{path} is not valid Unicode ({error.reason})") from None
    return str.__str__(text)
