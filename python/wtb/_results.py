"""The part of a bench that makes something of batches: scores, comparisons, verdicts, files."""

import asyncio
import itertools
import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from wtb import _later
from wtb._checked import checked_confidence, checked_margin, checked_weights
from wtb._reader import BenchReader
from wtb.batch import Batch
from wtb.comparison import Comparison
from wtb.errors import ConfigurationError, NotFoundError, did_you_mean
from wtb.execution import Execution
from wtb.statistics import Correction
from wtb.verdict import Verdict

if TYPE_CHECKING:
    from wtb.export import Format

__all__ = ["BenchResults"]

ErrorPolicy = Literal["zero", "exclude", "fail"]
"""How executions that ended with an error count."""


class BenchResults(BenchReader):
    """What a bench says of the results of batches, without running anything."""

    @overload
    def score(
        self,
        batch: Execution,
        evaluators: Sequence[Any] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Execution: ...

    @overload
    def score(
        self,
        batch: Batch | str,
        evaluators: Sequence[Any] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Batch: ...

    def score(
        self,
        batch: Batch | Execution | str,
        evaluators: Sequence[Any] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Batch | Execution:
        """Score a batch's finished executions, again or anew, without running anything.

        Scores of the same evaluator and name are replaced; others stay.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest"; or one execution, for
                example a fork.
            evaluators: Functions, built-in names or `"module:function"` references; by default
                those of the batch, as they are now.
            evaluator_timeout: Seconds that one evaluator may take for one execution.

        Raises:
            ConfigurationError: There is no evaluator, or the batch's cannot be found again.
            InvalidTransitionError: The execution has not succeeded.
        """
        if isinstance(batch, Execution):
            found = self.execution(batch.id)
            return _later.score_execution(self._core, found, evaluators, evaluator_timeout)
        return _later.score(self._core, batch, evaluators, evaluator_timeout, threading.Event())

    async def ascore(
        self,
        batch: Batch | str,
        evaluators: Sequence[Any] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Batch:
        """Score a batch without blocking the event loop; see `score`.

        Cancelling the caller's task ends it after the executions that are being scored.
        """
        stopped = threading.Event()
        try:
            return await asyncio.to_thread(
                _later.score, self._core, batch, evaluators, evaluator_timeout, stopped
            )
        finally:
            stopped.set()

    def export(
        self,
        batch: Batch | str,
        path: "str | os.PathLike[str]",
        *,
        format: "Format | None" = None,  # noqa: A002
        what: str | Sequence[str] = "executions",
        baseline: str | None = None,
        metric: str | None = None,
    ) -> list[Path]:
        """Write a batch into files for other programs; `docs/export.md` describes them.

        A file appears under its name when all are complete, and then replaces an older one, whose
        permissions it keeps. Directories that are missing are made, and links are followed.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            path: The file. Of several tables each has a file of its own: `run.csv` becomes
                `run.executions.csv`, `run.nodes.csv`, and so on.
            format: "json" (everything in one document), "jsonl", "csv" or "parquet" (tables),
                "junit" or "markdown" (reports for CI), or "bundle" (a baseline for `gate`).
                By default by the path's ending: .json, .jsonl, .csv, .parquet, .xml, .md or .wtb.
            what: Which tables go into jsonl, csv and parquet: "executions", "nodes", "scores",
                "usage", several of them, or "all".
            baseline: For json and markdown, the variant that others are measured against.
            metric: For json and markdown, the primary metric; by default the batch's.

        Returns:
            The files.

        Raises:
            ConfigurationError: It cannot be exported so; files that were there are as they were.
        """
        from wtb._staged import Staged
        from wtb.export import destination, export_batch

        asked = destination(path, format, what, baseline, metric)
        with Staged() as files:
            export_batch(files, self, self._core.batch_id(batch), [asked])
        return files.paths

    def report(
        self,
        batch: Batch | str,
        path: str | os.PathLike[str],
        *,
        baseline: str | None = None,
        metric: str | None = None,
        title: str | None = None,
    ) -> Path:
        """Write a batch as one HTML file that needs no network and no server; see docs/report.md.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            path: The file, as in `export`.
            baseline: The variant that the others are measured against; see `compare`.
            metric: The metric that is shown first; by default the batch's.
            title: What the page is called; by default as the batch.

        Returns:
            The file's path.

        Raises:
            NotFoundError: There is no such batch.
            ConfigurationError: There is no variant, or no score, of the name that was given, or the
                file cannot be written.
        """
        # Not for those who write none: it is half a dozen modules.
        from wtb._staged import Staged, named_file
        from wtb.report import collect, write_report

        target = named_file(path)
        found = collect(self, batch, baseline=baseline, metric=metric)
        with Staged() as files:
            write_report(files.open(target), found, title)
        return target

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

    def _scored(self, batches: Sequence[str]) -> list[str]:
        """Return the names of all scores and metrics."""
        found = (json.loads(self._core.engine.scores(one)) for one in batches)
        records = itertools.chain.from_iterable(
            itertools.chain.from_iterable(of_batch.values()) for of_batch in found
        )
        return list(dict.fromkeys(record["name"] for record in records))
