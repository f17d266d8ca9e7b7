"""The audit trail: questions to the journal about what happened, and its export.

It only reads. Handlers that are called as things happen are the event bus's.
"""

import json
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, Unpack

from wtb.errors import ConfigurationError
from wtb.events.event import Event, read_page
from wtb.events.kinds import select

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["AuditTrail", "Filters", "TextWriter"]

_PAGE = 1000

# These end a line for `str.splitlines`, so they may not stand in one as they are.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class TextWriter(Protocol):
    """Anything that text can be written to, such as an open text file."""

    def write(self, text: str, /) -> object:
        """Write the text."""


class Filters(TypedDict, total=False):
    """Which events: those that meet every condition given; see `AuditTrail.query`."""

    batch: str | None
    execution: str | None
    kinds: str | Sequence[str] | None
    since: datetime | float | None
    until: datetime | float | None
    after: int
    limit: int | None


class AuditTrail:
    """Everything that was journaled, for those who ask later.

    Args:
        engine: The open store.

    Example:
        >>> for event in bench.audit.query(kinds="execution.failed"):           # doctest: +SKIP
        ...     print(event.at, event.execution_id, event.data["message"])
        >>> bench.audit.export("audit.jsonl", batch="latest")                   # doctest: +SKIP
    """

    def __init__(self, engine: "EngineRef") -> None:
        self._engine = engine

    def query(
        self,
        *,
        batch: str | None = None,
        execution: str | None = None,
        kinds: str | Sequence[str] | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Return events, oldest first, up to the journal's end as it stands at the call.

        They are read in pages as the iterator is consumed, so memory stays small.

        Args:
            batch: Id of a batch, a unique prefix of it, or "latest".
            execution: Id of an execution, a unique prefix of it, or "latest".
            kinds: Names ("execution.failed") and patterns ("execution.*"); all by default.
            since: Events from then on: an aware datetime, or POSIX seconds.
            until: Events before then: an aware datetime, or POSIX seconds.
            after: Only events with a larger sequence number.
            limit: How many at most.

        Raises:
            NotFoundError: There is no such batch or execution.
            ConfigurationError: A kind is unknown, or a time or number makes no sense.
        """
        self._engine.check_process()
        names = select(kinds)
        begin, end = _seconds("since", since), _seconds("until", until)
        _check_count("after", after)
        if limit is not None:
            _check_count("limit", limit)
        batch_id = None if batch is None else self._engine.find_batch(batch)
        # Events name executions as people do.
        execution_id = None if execution is None else self._engine.find_execution(execution)
        # What was handed to the writer just before belongs to the answer.
        self._engine.flush()
        last = self._engine.last_sequence()

        def events() -> Iterator[Event]:
            position, left = after, limit
            while left is None or left > 0:
                size = _PAGE if left is None else min(left, _PAGE)
                page = read_page(
                    self._engine,
                    position,
                    size,
                    batch=batch_id,
                    execution=execution_id,
                    kinds=names,
                    since=begin,
                    until=end,
                )
                for event in page:
                    if event.sequence > last:
                        return
                    yield event
                    position = event.sequence
                if len(page) < size:
                    return
                left = None if left is None else left - size

        return events()

    def export(
        self, target: str | os.PathLike[str] | TextWriter, **filters: Unpack[Filters]
    ) -> int:
        """Write events as JSON Lines: one object per line, keys in a fixed order, times in UTC.

        A file appears under its name only when it is complete, and then replaces an older one.

        Args:
            target: A path, or something open for writing text.
            **filters: As for `query`.

        Returns:
            How many events were written.

        Raises:
            OSError: The file cannot be written; an older one of that name is as it was.
        """
        events = self.query(**filters)
        if not isinstance(target, (str, os.PathLike)):
            return _write(events, target)
        path = Path(target)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with unfinished.open("x", encoding="utf-8", newline="\n") as file:
                written = _write(events, file)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        return written

    def __repr__(self) -> str:
        return f"AuditTrail({self._engine.url})"


def _write(events: Iterator[Event], target: TextWriter) -> int:
    written = 0
    for event in events:
        line = json.dumps(event.to_dict(), ensure_ascii=False).translate(_LINE_ENDS)
        target.write(f"{line}\n")
        written += 1
    return written


def _seconds(name: str, moment: datetime | float | None) -> float | None:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError(
                f"{name}={moment.isoformat()} has no time zone; "
                "write for example datetime(2026, 1, 31, tzinfo=timezone.utc)"
            )
        return moment.timestamp()
    if moment is None:
        return None
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        raise ConfigurationError(f"{name} is an aware datetime or POSIX seconds, not {moment!r}")
    if not math.isfinite(moment):
        raise ConfigurationError(f"{name} must be finite, not {moment!r}")
    return float(moment)


def _check_count(name: str, number: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ConfigurationError(f"{name} is a whole number from 0 on, not {number!r}")
