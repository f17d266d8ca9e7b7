"""A batch: running or over, its results, its comparison."""

import html
import itertools
import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb import _plan, _sources
from wtb._progress import Progress
from wtb.comparison import Comparison
from wtb.errors import InvalidTransitionError
from wtb.execution import CaseRows, Execution

if TYPE_CHECKING:
    from wtb._drive import Drive
    from wtb._native import ActiveBatchRef, EngineRef

__all__ = ["UNFINISHED", "Batch", "Progress"]

UNFINISHED = ("pending", "running", "paused")
"""What a batch is until it has ended."""


class Batch:
    """A batch, under way in this program or read from the store.

    It shows what the store has now: results and comparison are read once, and again after something
    has happened to the batch (it was resumed, extended, retried, scored).

    Attributes:
        id: `b_...`.
        name: The name its author gave it.
        workflow: The workflow's name.
    """

    def __init__(
        self,
        engine: "EngineRef",
        id: str,  # noqa: A002
        drives: "Mapping[str, Drive]",
    ) -> None:
        self._engine = engine
        self._drives = drives
        self._last_drive = drives.get(id)
        self._lock = threading.Lock()
        self._read_up_to = -1
        self._results: Sequence[Execution] | None = None
        self._comparison: Comparison | None = None
        self.id = id
        data = self._read()
        self.name: str | None = data["name"]
        self.workflow: str = data["workflow"]

    @property
    def status(self) -> str:
        """Where it stands: "pending", "running", "paused", "completed", ...

        A batch whose session is gone keeps the status it had then, for example "running";
        `is_resumable` tells the two apart, and `repr` and the command call it "stopped".
        """
        drive = self._drive
        if drive is not None and drive.active.is_under_way():
            # The store is told of changes a moment later.
            return Progress.parse(drive.active.progress()).status
        status: str = self._read()["status"]
        return status

    @property
    def is_under_way(self) -> bool:
        """Whether this program hands out its executions at the moment."""
        drive = self._drive
        return drive is not None and drive.active.is_under_way()

    @property
    def is_resumable(self) -> bool:
        """Whether it has not ended and no live session drives it."""
        return _is_left(self._read())

    @property
    def is_unfinished(self) -> bool:
        """Whether it has not ended, whoever drives it."""
        return self.status in UNFINISHED

    @property
    def progress(self) -> Progress:
        """How far it is."""
        drive = self._drive
        if drive is not None and drive.active.is_under_way():
            return Progress.parse(drive.active.progress())
        data = self._read()
        return Progress(
            total=sum(data["counts"].values()),
            counts=data["counts"],
            unscored=0,
            retried=0,
            elapsed_s=max(0.0, (data["finished_at"] or 0) - (data["started_at"] or 0)),
            per_second=0.0,
            remaining_s=None,
            status=data["status"],
            backpressure=False,
            failures=[],
        )

    @property
    def results(self) -> Sequence[Execution]:
        """Its executions, by variant, case and repeat; those that have not run are queued."""
        with self._lock:
            self._forget_if_changed()
            if self._results is None:
                self._results = self._read_results()
            return self._results

    @property
    def comparison(self) -> Comparison:
        """Its variants side by side."""
        with self._lock:
            self._forget_if_changed()
            if self._comparison is None:
                self._comparison = Comparison.parse(
                    *self._engine.compare([self.id], None, (None, [], None, None, "holm"))
                )
            return self._comparison

    @property
    def comparison_matrix(self) -> dict[str, Any]:
        """The comparison as plain data: variants by metrics, and the primary metric by cases.

        Keys: `metric`, `combinations` (variants), `metrics` (means by variant and metric), `cases`,
        and `scores`, a list for each variant with the mean over repeats for each case, or None.
        """
        comparison = self.comparison
        cases = list(dict.fromkeys(one.case_id for one in self.results))
        names = [line["name"] for line in comparison.variants]
        found: dict[tuple[str, str], list[float]] = {}
        for one in self.results:
            value = one._counted.get(comparison.metric or "")
            if value is not None:
                found.setdefault((one.variant, one.case_id), []).append(value)
        return {
            "metric": comparison.metric,
            "combinations": names,
            "metrics": {line["name"]: dict(line["metrics"]) for line in comparison.variants},
            "cases": cases,
            "scores": [[_mean(found.get((name, case))) for case in cases] for name in names],
        }

    @property
    def best_combination_name(self) -> str | None:
        """The variant that is defensibly better than each other one; None when there is no such."""
        return self.comparison.best

    def wait(self, timeout: float | None = None) -> "Batch":
        """Wait until the batch has ended, or was left to a later session, and return it.

        Args:
            timeout: Seconds after which to give up waiting; None waits as long as it takes.

        Raises:
            TimeoutError: It has not ended in time; it goes on.
            InvalidTransitionError: It has not ended, and this program does not run it.
            WtbError: Something other than an execution failed, for example the disk is full.
        """
        if timeout is not None:
            timeout = _plan.seconds(timeout, "timeout", zero=True)
        drive = self._drive
        if drive is not None:
            drive.wait(timeout)
        elif self.is_unfinished:
            raise self._not_under_way("wait for")
        return self

    def pause(self) -> None:
        """Hand out nothing new until `resume()`; attempts under way go on."""
        self._active("pause").pause()

    def resume(self) -> None:
        """Go on after `pause()`. A batch of an earlier session: `bench.resume_batch`."""
        self._active("resume").resume()

    def cancel(self) -> None:
        """Cancel everything that has not ended; attempts under way are told to stop."""
        self._active("cancel").cancel()

    def drain(self) -> None:
        """Let attempts under way end and leave the rest to `bench.resume_batch`."""
        self._active("drain").drain()

    def stop(self) -> None:
        """Stop now and leave everything unfinished to `bench.resume_batch`."""
        self._active("stop").abandon()

    def raise_for_status(self) -> "Batch":
        """Return the batch if all its executions succeeded.

        Raises:
            ExecutionFailedError: Of the first that did not.
        """
        for one in self.results:
            one.raise_for_status()
        return self

    def __iter__(self) -> Any:
        return iter(self.results)

    def __len__(self) -> int:
        total: int = sum(self._read()["counts"].values())
        return total

    def __repr__(self) -> str:
        data = self._read()
        counts = ", ".join(f"{n} {status}" for status, n in data["counts"].items() if n)
        name = f" {self.name!r}" if self.name else ""
        # As the command calls it: "running" would be a promise that nobody keeps.
        status = "stopped" if _is_left(data) else data["status"]
        return f"<Batch {self.id}{name} of {self.workflow!r} {status}: {counts}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.comparison._repr_html_()}"

    @property
    def _drive(self) -> "Drive | None":
        """What this program does for the batch, or did last."""
        self._engine.check_process()
        self._last_drive = self._drives.get(self.id, self._last_drive)
        return self._last_drive

    def _active(self, verb: str) -> "ActiveBatchRef":
        drive = self._drive
        if drive is None:
            raise self._not_under_way(verb)
        return drive.active

    def _not_under_way(self, verb: str) -> InvalidTransitionError:
        return InvalidTransitionError(
            f"cannot {verb} batch {self.id}: it is not under way in this program "
            f"(status {self.status!r}); bench.resume_batch takes it up again"
        )

    def _read(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self._engine.batch(self.id))
        return data

    def _read_results(self) -> list[Execution]:
        rows = self._engine.executions(self.id, False, [], None, None, None, False, None)
        scores = json.loads(self._engine.scores(self.id))
        cases = CaseRows(self._engine)
        order = [one["name"] for one in self._read()["spec"]["evaluators"]]
        sources = _sources.ranked(itertools.chain.from_iterable(scores.values()), order)
        results = []
        for row in rows:
            execution = Execution(self._engine, row, cases, lambda: sources)
            execution.score_records = scores.get(execution.id, [])
            results.append(execution)
        return results

    def _forget_if_changed(self) -> None:
        """Drop what was read before the last event of the batch."""
        known, self._read_up_to = self._read_up_to, self._engine.last_sequence()
        news = self._engine.journal(max(known, 0), 1, self.id, None, [], None, None)
        if known < 0 or news != "[]":
            self._results = self._comparison = None


def _is_left(data: Mapping[str, Any]) -> bool:
    return data["status"] in UNFINISHED and not data["driven"]


def _mean(values: Sequence[float] | None) -> float | None:
    return sum(values) / len(values) if values else None
