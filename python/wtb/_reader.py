"""The half of a bench that reads: executions, batches, comparisons, the journal."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from wtb import _plan, _sources
from wtb._core import Core
from wtb.batch import Batch
from wtb.comparison import Comparison
from wtb.errors import ConfigurationError, NotFoundError, did_you_mean
from wtb.events import AuditTrail, Event, EventBus, Subscription
from wtb.execution import CaseRows, Execution
from wtb.statistics import (
    Correction,
    checked_confidence,
    checked_margin,
    checked_weights,
)
from wtb.verdict import Verdict

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
        if twice := next((one for one in ids if ids.count(one) > 1), None):
            raise ConfigurationError(f"batch {twice} is given twice")
        weights = checked_weights(objective)
        request = (metric, weights, error, checked_confidence(confidence), correction)
        comparison = Comparison.parse(*self._core.engine.compare(ids, baseline, request))
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

    def gate(
        self,
        batch: Batch | str,
        *,
        baseline: Batch | str | Path,
        variant: str | None = None,
        baseline_variant: str | None = None,
        metric: str | None = None,
        objective: Mapping[str, float] | None = None,
        max_regression: float = 0.02,
        confidence: float = 0.95,
        error: ErrorPolicy | None = None,
        inconclusive: Literal["fail", "pass"] = "fail",
    ) -> Verdict:
        """Judge whether a batch may replace a baseline, or has become worse, or nobody can tell.

        It passes when the interval of the paired difference lies above `-max_regression`; it is a
        regression when the interval lies below 0 and the difference is at or beyond
        `-max_regression`; else it is inconclusive, and the reason says what would settle it.

        Args:
            batch: The batch or its id.
            baseline: What it is measured against: a variant of the batch, the path of a bundle
                (`export(batch, "main.wtb")`), or another batch.
            variant: The variant that is to pass; by default the only one that is not the baseline.
            baseline_variant: Which variant of another batch; by default the one of the same name,
                else its only one, else `baseline`.
            metric: The metric; by default the batch's primary one.
            objective: Weights of metrics, in the place of one; see `compare`.
            max_regression: By how much the metric may become worse, in its own units.
            confidence: How sure the interval is, above 0.5 and below 1.
            error: How executions that ended with an error count; by default as the batch says.
            inconclusive: Whether an inconclusive verdict is taken for a failure or for a pass.

        Raises:
            ConfigurationError: There is no such baseline, variant or metric, or a setting makes no
                sense.
        """
        if inconclusive not in ("fail", "pass"):
            raise ConfigurationError(f"inconclusive is 'fail' or 'pass', not {inconclusive!r}")
        if metric is not None and objective is not None:
            raise ConfigurationError("judge by a metric or by an objective, not by both")
        engine = self._core.engine
        own = self._core.batch_id(batch)
        weights = checked_weights(objective)
        request = (metric, weights, error, checked_confidence(confidence), "holm")
        limit = checked_margin(max_regression)
        found = engine.gate(
            own, variant, baseline_variant, limit, request, **self._baseline(own, baseline)
        )
        if metric is not None and metric not in (known := self._scored([own])):
            raise ConfigurationError(
                f"nothing has a score {metric!r}. "
                f"{did_you_mean(metric, known, listed_as='scores and metrics')}"
            )
        return Verdict.parse(*found, inconclusive=inconclusive)

    def _baseline(self, batch: str, baseline: Batch | str | Path) -> dict[str, Any]:
        """Return the one argument that says what a batch is measured against."""
        if isinstance(baseline, Batch):
            return {"of_batch": baseline.id}
        variants = [name for name, *_ in self._core.engine.variants(batch)]
        if isinstance(baseline, str) and baseline in variants:
            return {"of_variant": baseline}
        if Path(baseline).is_file():
            return {"of_bundle": Path(baseline).read_bytes()}
        if isinstance(baseline, Path):
            raise ConfigurationError(f"there is no file {str(baseline)!r}")
        try:
            return {"of_batch": self._core.batch_id(baseline)}
        except NotFoundError:
            known = did_you_mean(baseline, variants, listed_as="its variants")
            raise ConfigurationError(
                f"{baseline!r} is no variant of {batch}, no file and no batch. {known}"
            ) from None

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
        engine = self._core.engine
        cases = CaseRows(engine)
        sources = None if found is None else cache(partial(_sources.stored, engine, found))
        return [Execution(engine, row, cases, sources) for row in rows]
