"""Texts as files can hold them: no lone surrogates, and nothing that a format has no room for."""

import json
import re
from datetime import datetime
from typing import Any

from wtb._plain import plain

__all__ = ["cleaned", "iso", "json_text", "plain_value"]

_SURROGATE = re.compile("[\ud800-\udfff]")

TOO_DEEP = "<nested too deeply to be exported>"
"""Stands in the place of a value that is nested beyond what Python can walk through."""


def cleaned(text: str) -> str:
    r"""Return a text that can be written as UTF-8: U+FFFD stands for each lone surrogate.

    Example:
        >>> cleaned("a\ud800b") == "a\ufffdb"
        True
    """
    if _SURROGATE.search(text) is None:
        return text
    # Two that belong together become the character that they stand for.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def plain_value(value: Any) -> Any:
    """Return a user value as JSON data, as `wtb show --json` has it."""
    try:
        return plain(value)
    except RecursionError:
        return TOO_DEEP


def json_text(value: Any) -> str:
    """Return JSON data as compact JSON text in one line."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        text = json.dumps(TOO_DEEP)
    return cleaned(text)


def iso(moment: datetime) -> str:
    """Return a time in UTC as ISO 8601 with six digits after the point.

    Example:
        >>> from datetime import UTC
        >>> iso(datetime(2026, 3, 1, 12, tzinfo=UTC))
        '2026-03-01T12:00:00.000000Z'
    """
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
