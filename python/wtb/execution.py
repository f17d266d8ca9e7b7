"""An execution and the nodes that ran in it, as they stand in the store."""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wtb import _sources, _values
from wtb._records import (
    Attempt,
    ExecutionError,
    Interrupt,
    NodeRecord,
    read_attempt,
    read_error,
    surely_when,
    when,
)
from wtb.checkpoint import state_of
from wtb.errors import ExecutionFailedError
from wtb.workspace import WorkspaceRecord

if TYPE_CHECKING:
    from wtb._native import AttemptRow, CaseRow, EngineRef, ExecutionRow, NodeRow

_STANDING = ("interrupted", "paused")
"""An execution that was forked or rolled back has delivered nothing: its state is its head's."""

__all__ = ["Attempt", "CaseRows", "Execution", "ExecutionError", "Interrupt", "NodeRecord"]


class CaseRows:
    """The cases of batches, read once for all executions that are read together."""

    def __init__(self, engine: "EngineRef") -> None:
        self._engine = engine
        self._rows: dict[str, dict[str, CaseRow]] = {}

    def row(self, batch: str, case: str) -> "CaseRow":
        """Return a case of a batch."""
        rows = self._rows.get(batch)
        if rows is None:
            rows = self._rows[batch] = {row[0]: row for row in self._engine.cases(batch)}
        return rows[case]


class Execution:
    """One run of a workflow: one cell of a batch, or a single `bench.run`.

    It shows the store's state of the moment it was read; inputs, outputs and nodes are read from
    the store when they are first asked for.

    Attributes:
        id: `e_...`.
        batch_id: The batch that it is a cell of; None for a single execution.
        parent_id: The execution that it was forked from.
        thread_id: The lineage that it stands in (LangGraph: its thread); None without checkpoints.
        workflow: Name of the workflow.
        variant: Name of the variant.
        case_id: Id of the case.
        repeat: Which repeat, from 0.
        seed: What its attempts seeded their random number generators with.
        status: "queued", "running", "succeeded", "failed", "timed_out", "cancelled",
            "interrupted" or "paused".
        error: Why its last attempt failed.
        attempts_made: How many attempts were started.
        dead_letter: Whether it spent its retries and waits to be looked at.
        created_at: When it was created.
        started_at: When its last attempt was started.
        finished_at: When it ended.
        duration_s: How long its last attempt took, in seconds.
        usage: Tokens by model.
        warnings: What could not be recorded, and the like.
    """

    def __init__(
        self,
        engine: "EngineRef",
        row: "ExecutionRow",
        cases: CaseRows | None = None,
        sources: "Callable[[], _sources.Ranked] | None" = None,
    ) -> None:
        text, self._input, self._output, self._state, self._interrupts = row
        self._engine = engine
        self._cases = cases or CaseRows(engine)
        self._sources_of_batch = sources
        data = json.loads(text)
        self._data = data
        self.id: str = data["id"]
        self.key: str = data["key"]
        self.origin_id: str | None = data["origin"]
        is_continued = self.key != self.id
        self.batch_id: str | None = data["origin"] if is_continued else data["batch"]
        self.parent_id: str | None = data["parent"]
        self.lineages: int = data["lineages"]
        self.thread_id: str | None = data["thread"]
        self.variant_index: int = data["variant_index"]
        self.case_index: int = data["case_index"]
        self.front: Mapping[str, Any] | None = data["front"]
        self.workflow: str = data["workflow"]
        self.variant: str = data["variant"]
        self.case_id: str = data["case_id"]
        self.repeat: int = data["repeat"]
        self.seed: int = data["seed"]
        self.status: str = data["status"]
        self.error: ExecutionError | None = read_error(data["error"])
        self.attempts_made: int = data["attempts"]
        self.dead_letter: bool = data["dead_letter"]
        self.created_at: datetime = surely_when(data["created_at"])
        self.started_at: datetime | None = when(data["started_at"])
        self.finished_at: datetime | None = when(data["finished_at"])
        self.duration_s: float | None = data["duration_s"]
        self.usage: Mapping[str, Any] = data["usage"] or {}
        self.warnings: Sequence[str] = data["warnings"]

    @property
    def succeeded(self) -> bool:
        """Whether the workflow reached its end."""
        return self.status == "succeeded"

    @cached_property
    def input(self) -> Any:
        """The initial state: that of its case, for a cell of a batch."""
        given = self._input if self._case is None else self._case[3]
        return _values.load(self._engine, given)

    @cached_property
    def expected(self) -> Any:
        """What its case expects; None when it does not say, and for a single execution."""
        return None if self._case is None else _values.load(self._engine, self._case[4])

    @cached_property
    def output(self) -> Any:
        """What the workflow returned."""
        return _values.load(self._engine, self._output)

    @cached_property
    def state(self) -> Any:
        """The whole state where it ended or stands, of which the output may show only a part."""
        if self._state is not None:
            return _values.load(self._engine, self._state)
        if self._output is None and self.thread_id is not None and self.status in _STANDING:
            return state_of(self._engine.checkpoints(), self.thread_id)
        return self.output

    @cached_property
    def interrupts(self) -> Sequence[Interrupt]:
        """The questions that await an answer."""
        asked = _values.load_all(self._engine, self._interrupts)
        return [Interrupt(value, key) for value, key in asked]

    @cached_property
    def nodes(self) -> Sequence[NodeRecord]:
        """The nodes of all attempts, by attempt and start."""
        return [NodeRecord(self._engine, row) for row in self._detail[2]]

    @cached_property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts, in order."""
        return [read_attempt(self._engine, row) for row in self._detail[0]]

    @property
    def stdout(self) -> str:
        """What its last attempt that ended wrote to its standard output.

        "" when the runner does not capture it: see the table in `docs/runners.md`. Where the middle
        was left out, a line says how many bytes are missing.
        """
        return "" if self._last_ended is None else self._last_ended.stdout

    @property
    def stderr(self) -> str:
        """The same of its standard error."""
        return "" if self._last_ended is None else self._last_ended.stderr

    @property
    def workspace(self) -> WorkspaceRecord | None:
        """The workspace of its last attempt; None if that had none."""
        return self.attempts[-1].workspace if self.attempts else None

    @cached_property
    def score_records(self) -> Sequence[Mapping[str, Any]]:
        """Every score with its source, direction and reason, or why there is none."""
        found: list[Mapping[str, Any]] = json.loads(self._detail[1])
        return found

    @property
    def scores(self) -> Mapping[str, float]:
        """What evaluators gave, by name.

        Of evaluators that give one name, the first in the batch's order counts. In an execution
        that was read with its batch that is the one of the comparison, and no other one stands in
        where it gave nothing; one that was read alone knows only who gave something here.
        """
        return self._values_of(
            {
                name: next((one for one in sources if one != _sources.WORKFLOW), "")
                for name, sources in self._ranked.items()
            }
        )

    @property
    def metrics(self) -> Mapping[str, float]:
        """What the workflow logged, by name."""
        return self._values_of(dict.fromkeys(self._ranked, _sources.WORKFLOW))

    @property
    def cost(self) -> float | None:
        """What it cost, if an evaluator or a node gives it a number named `cost`; else None."""
        return {**self.metrics, **self.scores}.get("cost")

    def raise_for_status(self) -> "Execution":
        """Return the execution if it succeeded.

        Raises:
            ExecutionFailedError: It did not; the text names the node and the error.
        """
        if self.succeeded:
            return self
        reason = f": {self.error}" if self.error else ""
        trace = f"\n\n{self.error.traceback}" if self.error and self.error.traceback else ""
        raise ExecutionFailedError(f"execution {self.id} {self.status}{reason}{trace}")

    def __repr__(self) -> str:
        cell = f"{self.variant!r}, {self.case_id!r}"
        cell += f", repeat {self.repeat}" if self.repeat else ""
        reason = f", {self.error.type} in {self.error.node!r}" if self.error else ""
        return f"<Execution {self.id} {self.status} ({cell}){reason}>"

    def _repr_html_(self) -> str:
        rows = [
            ("status", self.status),
            ("variant", self.variant),
            ("case", self.case_id),
            ("repeat", self.repeat),
            *([("duration", f"{self.duration_s:.3f} s")] if self.duration_s is not None else []),
            *([("error", str(self.error))] if self.error else []),
            *self.scores.items(),
            *self.metrics.items(),
        ]
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(str(name))}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in rows
        )
        return f"<table><caption>{html.escape(self.id)}</caption>{cells}</table>"

    @cached_property
    def _case(self) -> "CaseRow | None":
        batch = self.batch_id or self.origin_id
        return None if batch is None else self._cases.row(batch, self.case_id)

    @cached_property
    def _last_ended(self) -> Attempt | None:
        ended = [one for one in self.attempts if one.status != "running"]
        return ended[-1] if ended else None

    @cached_property
    def _detail(self) -> tuple["list[AttemptRow]", str, "list[NodeRow]"]:
        return self._engine.detail(self.key)

    @property
    def _counted(self) -> Mapping[str, float]:
        """Scores and metrics together, as a comparison counts them."""
        return self._counted_by(self._ranked)

    def _counted_by(self, ranked: _sources.Ranked) -> Mapping[str, float]:
        return self._values_of({name: sources[0] for name, sources in ranked.items()})

    @cached_property
    def _ranked(self) -> _sources.Ranked:
        if self._sources_of_batch is not None:
            return self._sources_of_batch()
        found = _sources.ranked(self.score_records, [])
        if self.batch_id is None or all(len(sources) == 1 for sources in found.values()):
            return found
        order = _sources.evaluators_of(self._engine, self.batch_id)
        return _sources.ranked(self.score_records, order)

    def _values_of(self, sources: Mapping[str, str]) -> dict[str, float]:
        return {
            score["name"]: score["value"]
            for score in self.score_records
            if score["value"] is not None and sources.get(score["name"]) == score["source"]
        }
