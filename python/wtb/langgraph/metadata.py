"""The metadata of checkpoints, and filters of it, as JSON that every store can read again."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["metadata_text"]

_UNSPEAKABLE = re.compile(r"\\u[dD][89a-fA-F]|\d{19}")
"""What may be in JSON that is not read as it was: surrogates (most are in pairs), long numbers."""

_encode = json.JSONEncoder(allow_nan=False).encode
"""As `json.dumps` does, which makes an encoder for each call."""


def metadata_text(entries: Mapping[str, Any]) -> str:
    """Return entries as JSON that every store can read again.

    What JSON has no words for is told by text: infinite and undefined numbers, whole ones beyond 64
    bits, and lone surrogates, which become "?" as they do in the serializer.
    """
    try:
        text = _encode(entries)
    except ValueError:
        return _encode(_speakable(entries))
    return _encode(_speakable(entries)) if _UNSPEAKABLE.search(text) else text


def _speakable(value: Any) -> Any:
    match value:
        case dict():
            return {_speakable(key): _speakable(one) for key, one in value.items()}
        case list() | tuple():
            return [_speakable(one) for one in value]
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return str(float(value))
        case int() if not -(2**63) <= value < 2**64:
            return str(int(value))
    return value
