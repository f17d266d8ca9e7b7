"""The half of a bench that reads: executions, batches, comparisons, the journal."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from wtb import _plan
from wtb._core import Core
from wtb.batch import Batch
from wtb.comparison import Comparison
from wtb.errors import ConfigurationError, did_you_mean
from wtb.events import AuditTrail, Event, EventBus, Subscription
from wtb.execution import CaseRows, Execution
from wtb.statistics import Correction, checked_confidence, checked_weights

__all__ = ["BenchReader"]

ErrorPolicy = Literal["zero", "exclude", "fail"]
"""How executions that ended with an error count."""


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

    def compare(
        self,
        *batches: Batch | str,
        baseline: str | None = None,
        metric: str | None = None,
        objective: Mapping[str, float] | None = None,
        error: ErrorPolicy | None = None,
        confidence: float = 0.95,
        correction: Correction = "holm",
    ) -> Comparison:
        """Compare the variants of one batch or of several, case by case.

        Of several batches, each variant is called `variant@b_...`; cases of one id are one case.

        Args:
            *batches: Batches or their ids.
            baseline: The variant that the others are measured against; by default the one called
                `baseline`, else the first.
            metric: The primary metric; by default the batch's.
            objective: Weights of metrics, and of `"cost"`, `"tokens"` and `"duration_s"`, whose sum
                is compared in the place of one metric: `{"accuracy": 1, "duration_s": -0.1}`.
            error: How executions that ended with an error count; by default as the batch says.
            confidence: How sure intervals and findings are, above 0.5 and below 1.
            correction: How p-values are corrected for the number of variants: `"holm"`, or
                `"benjamini_hochberg"` for exploring.

        Raises:
            ConfigurationError: There is no variant, or no score, of the name that was given, or a
                setting makes no sense.
        """
        if not batches:
            raise ConfigurationError("compare needs at least one batch")
        if metric is not None and objective is not None:
            raise ConfigurationError("compare by a metric or by an objective, not by both")
        ids = [self._core.batch_id(one) for one in batches]
        weights = checked_weights(objective)
        comparison = Comparison.parse(
            *self._core.engine.compare(
                ids, metric, baseline, weights, error, checked_confidence(confidence), correction
            )
        )
        names = [line["name"] for line in comparison.variants]
        if baseline is not None and baseline not in names:
            raise ConfigurationError(
                f"no variant is called {baseline!r}. "
                f"{did_you_mean(baseline, names, listed_as='the variants')}"
            )
        if metric is not None and metric not in (known := self._scored(ids)):
            raise ConfigurationError(
                f"nothing has a score {metric!r}. "
                f"{did_you_mean(metric, known, listed_as='scores and metrics')}"
            )
        return comparison

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

    def _scored(self, batches: Sequence[str]) -> list[str]:
        """Return the names of all scores and metrics."""
        found = (json.loads(self._core.engine.scores(one)) for one in batches)
        records = itertools.chain.from_iterable(
            itertools.chain.from_iterable(of_batch.values()) for of_batch in found
        )
        return list(dict.fromkeys(record["name"] for record in records))

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
        cases = CaseRows(self._core.engine)
        return [Execution(self._core.engine, row, cases) for row in rows]
