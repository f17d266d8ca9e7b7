"""The part of a bench that reads: executions, batches, the journal."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from wtb import _plan, _sources
from wtb._core import Core
from wtb.batch import Batch
from wtb.events import AuditTrail, Event, EventBus, Subscription
from wtb.execution import CaseRows, Execution

__all__ = ["BenchReader"]


class BenchReader:
    """What a bench says of its store.

    Attributes:
        events: The event bus.
        audit: The audit trail.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.events = EventBus(core.engine)
        self.audit = AuditTrail(core.engine)

    @property
    def url(self) -> str:
        """The store's address."""
        return self._core.engine.url

    def execution(self, id: str) -> Execution:  # noqa: A002
        """Return an execution by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        return self._core.execution(self._core.execution_id(id))

    def executions(
        self,
        *,
        batch: Batch | str | None = None,
        status: str | Sequence[str] | None = None,
        variant: str | None = None,
        case_id: str | None = None,
        workflow: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Execution]:
        """Return executions: those of a batch by variant, case and repeat, others newest first."""
        statuses = [status] if isinstance(status, str) else list(status or ())
        return self._executions(batch, statuses, variant, case_id, workflow, False, limit)

    def dead_letters(self, batch: Batch | str | None = None) -> Sequence[Execution]:
        """Return executions that spent their retries; `retry` takes them off this list."""
        return self._executions(batch, [], None, None, None, True, None)

    def batch(self, id: str) -> Batch:  # noqa: A002
        """Return a batch by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        return self._core.batch(self._core.batch_id(id))

    def batches(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Batch]:
        """Return batches, newest first; `name` has to be contained in theirs."""
        most = _plan.count_or_none(limit, "limit")
        found = json.loads(self._core.engine.batches(workflow, status, name, most))
        return [self._core.batch(one["id"]) for one in found]

    def subscribe(
        self, handler: Callable[[Event], Any], *, kinds: Sequence[str] | None = None
    ) -> Subscription:
        """Call `handler` for every event from now on; see `EventBus.subscribe`."""
        return self.events.subscribe(handler, kinds=kinds)

    def journal(
        self,
        *,
        batch: Batch | str | None = None,
        execution: Execution | str | None = None,
        kinds: Sequence[str] | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        after: int = 0,
    ) -> Iterator[Event]:
        """Return the journal's events, oldest first."""
        return self.audit.query(
            batch=None if batch is None else self._core.batch_id(batch),
            execution=None if execution is None else self._core.execution_id(execution),
            kinds=kinds,
            since=since,
            until=until,
            after=after,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.url}>"

    def _executions(
        self,
        batch: Batch | str | None,
        statuses: Sequence[str],
        variant: str | None,
        case_id: str | None,
        workflow: str | None,
        dead_letter: bool,
        limit: int | None,
    ) -> Sequence[Execution]:
        found = None if batch is None else self._core.batch_id(batch)
        most = _plan.count_or_none(limit, "limit")
        rows = self._core.engine.executions(
            found, False, statuses, variant, case_id, workflow, dead_letter, most
        )
        engine = self._core.engine
        cases = CaseRows(engine)
        sources = None if found is None else cache(partial(_sources.stored, engine, found))
        return [Execution(engine, row, cases, sources) for row in rows]
