"""What becomes of a handler's error: a line in the log, and an event in the journal."""

import logging
import traceback
from typing import TYPE_CHECKING

from wtb.errors import ForkedProcessError, WtbError
from wtb.events.event import Event

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["FAILED", "report_failure"]

FAILED = "subscriber.failed"
"""The kind of event that reports a handler's error."""

_CHARACTERS_MAX = 2_000

_log = logging.getLogger("wtb.events")


def report_failure(
    engine: "EngineRef", name: str, event: Event, error: BaseException, *, first: bool
) -> None:
    """Report that a handler raised.

    Args:
        engine: The open store.
        name: Name of the subscription.
        event: What the handler was given.
        error: What it raised.
        first: Whether it is its first failure: the log shows the traceback of that one only.

    Raises:
        ForkedProcessError: The handler forked, and this is the child.
    """
    _log.warning(
        "subscriber %r raised on event %d (%s): %s",
        name,
        event.sequence,
        event.kind,
        _text(error),
        exc_info=error if first else None,
    )
    # Two subscribers that fail on reports of failures would report each other forever.
    if event.kind == FAILED:
        return
    try:
        engine.report_subscriber(_encodable(name), event.sequence, _encodable(_text(error)))
    except ForkedProcessError:
        raise
    except WtbError as refused:
        _log.warning("the failure of subscriber %r was not journaled: %s", name, refused)


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:_CHARACTERS_MAX]


def _encodable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which no encoding has."""
    return text.encode("utf-8", "replace").decode("utf-8")
