"""One event of the journal as Python sees it, and pages of them."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["Event", "read_page"]


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """Something that happened, as the journal keeps it.

    Attributes:
        sequence: Its place in the journal; later events have larger numbers, whatever clocks say.
        at: When it happened, in UTC.
        kind: What happened, for example "execution.succeeded".
        batch_id: The batch that it belongs to.
        execution_id: The execution that it belongs to.
        session: The session that saw it.
        data: What else there is to say; the keys depend on the kind.
    """

    sequence: int
    at: datetime
    kind: str
    batch_id: str | None
    execution_id: str | None
    session: str
    data: Mapping[str, Any] = field(hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as values that JSON knows, in a fixed order of keys.

        It is the document that `wtb events --json` prints: the time is RFC 3339 in UTC with six
        digits after the point, such as "2026-03-01T12:00:00.000120Z".
        """
        at = self.at.astimezone(UTC).replace(tzinfo=None)
        return {
            "sequence": self.sequence,
            "at": at.isoformat(timespec="microseconds") + "Z",
            "kind": self.kind,
            "batch_id": self.batch_id,
            "execution_id": self.execution_id,
            "session": self.session,
            "data": dict(self.data),
        }

    def __repr__(self) -> str:
        of = self.execution_id or self.batch_id
        owner = f", {of}" if of else ""
        data = "".join(f", {key}={reprlib.repr(value)}" for key, value in self.data.items())
        at = self.at.isoformat(sep=" ", timespec="milliseconds")
        return f"Event({self.sequence}, {self.kind}, {at}{owner}{data})"


def read_page(
    engine: "EngineRef",
    after: int,
    limit: int,
    *,
    batch: str | None = None,
    execution: str | None = None,
    kinds: Sequence[str] = (),
    since: float | None = None,
    until: float | None = None,
) -> list[Event]:
    """Return at most `limit` events after a sequence number, oldest first.

    Args:
        engine: The open store.
        after: Only events with a larger sequence number.
        limit: How many at most.
        batch: Whole id of a batch.
        execution: Whole id of an execution.
        kinds: Names and patterns as `kinds.select` returns them; empty for all.
        since: POSIX seconds; events from then on.
        until: POSIX seconds; events before then.
    """
    rows = json.loads(engine.journal(after, limit, batch, execution, kinds, since, until))
    return [_event(row) for row in rows]


def _event(row: dict[str, Any]) -> Event:
    data = row["data"]
    return Event(
        sequence=row["sequence"],
        at=datetime.fromtimestamp(row["at"], UTC),
        kind=row["kind"],
        batch_id=row["batch_id"],
        execution_id=row["execution_id"],
        session=row["session"],
        # A program in another language may publish something other than an object.
        data=data if isinstance(data, dict) else {"value": data},
    )
