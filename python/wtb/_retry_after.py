"""How long a server asked to be left alone, as the exceptions of its clients tell it.

Clients do not agree on a place for it: some exceptions have the number as `retry_after`, those of
openai, anthropic, httpx and requests hold the response, those of urllib and aiohttp its headers.
"""

import math
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from numbers import Real

__all__ = ["RETRY_AFTER_MAX_S", "retry_after_s"]

RETRY_AFTER_MAX_S = 600.0
"""The longest wait before a further attempt that a server can bring about."""


def retry_after_s(error: BaseException) -> float | None:
    """Return the seconds to wait that an exception, or what it was raised from, carries.

    Returns:
        Above 0 and at most `RETRY_AFTER_MAX_S`; None when nobody asks for a wait.
    """
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        for said in _said(cause):
            if (seconds := _seconds(said)) is not None:
                return seconds
        cause = cause.__cause__
    return None


def _said(error: BaseException) -> list[object]:
    """Return what may be the wait, as it stands in the exception."""
    said: list[object] = []
    # An attribute can be a property of somebody else's code, which may raise anything.
    with suppress(Exception):
        said.append(getattr(error, "retry_after", None))
    with suppress(Exception):
        for holder in (getattr(error, "response", None), error):
            headers = getattr(holder, "headers", None)
            if headers is not None:
                # Only a plain dictionary tells upper and lower case apart.
                said.append(headers.get("retry-after") or headers.get("Retry-After"))
    return said


def _seconds(said: object) -> float | None:
    if isinstance(said, str):
        said = _parsed(said.strip())
    if isinstance(said, bool) or not isinstance(said, Real):
        return None
    seconds = float(said)
    # NaN fails the comparison.
    return min(seconds, RETRY_AFTER_MAX_S) if seconds > 0 else None


def _parsed(text: str) -> float:
    """Return the seconds that a `Retry-After` header means, NaN if it means nothing."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return math.nan
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return (until - datetime.now(UTC)).total_seconds()
