"""A batch with all that belongs to it, from the store to plain data.

What is small is read at once; what executions took in and gave is read when it is asked for, one
execution after the other, so that a batch of any size can be exported.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _sources
from wtb.comparison import Comparison

if TYPE_CHECKING:
    from wtb._native import EngineRef, ValueRef
    from wtb._results import BenchResults
    from wtb.batch import Batch

__all__ = ["Collected", "CollectedCase", "CollectedExecution", "Detail", "Part", "collect"]

METRICS_MAX = 8
"""So many metrics get a comparison of their own; the primary one is always among them."""


class Part(NamedTuple):
    """An attempt, with the text that it printed, or a node, with what it was given and returned.

    Attributes:
        data: Its plain data, as the store has it.
        first: Standard output, or the input.
        second: Standard error, or the output.
    """

    data: Mapping[str, Any]
    first: "ValueRef | None"
    second: "ValueRef | None"


class Detail(NamedTuple):
    """What ran in an execution: its attempts in order, its nodes by attempt and start."""

    attempts: Sequence[Part]
    nodes: Sequence[Part]


@dataclass(frozen=True)
class CollectedCase:
    """A case of the batch.

    Attributes:
        id: Its id.
        group: Its group, if it has one.
        tags: Its tags.
        input: What executions began with.
        expected: What is expected of them, if the case says it.
    """

    id: str
    group: str | None
    tags: Sequence[str]
    input: "ValueRef"
    expected: "ValueRef | None"


@dataclass(frozen=True)
class CollectedExecution:
    """An execution of the batch.

    Attributes:
        data: Its plain data: id, variant, case, repeat, status, error, times, usage, warnings.
        scores: Every score with its source, direction and reason, or why there is none.
        output: What the workflow returned.
        state: The whole state where it ended, if that is stored besides the output.
        interrupts: The questions that await an answer.
    """

    data: Mapping[str, Any]
    scores: Sequence[Mapping[str, Any]]
    output: "ValueRef | None"
    state: "ValueRef | None"
    interrupts: "ValueRef | None"

    @property
    def id(self) -> str:
        """Its id, as people know it."""
        known: str = self.data["id"]
        return known


@dataclass(frozen=True)
class Collected:
    """A batch as plain data.

    Attributes:
        batch: Id, name, workflow, status, times, counts, and `spec`: what was asked of it.
        variants: Each variant's name, and what it substitutes.
        cases: The cases, in the batch's order.
        executions: The executions by variant, case and repeat; those that have not run are queued.
        primary: The comparison by the primary metric, or by none if nothing has a score.
        left_out: Metrics that have no comparison, since there are too many.
    """

    engine: "EngineRef"
    batch: Mapping[str, Any]
    variants: Sequence[tuple[str, Mapping[str, Any]]]
    cases: Sequence[CollectedCase]
    executions: Sequence[CollectedExecution]
    primary: Comparison
    left_out: Sequence[str]
    _others: Sequence[Future[Comparison]]

    @cached_property
    def comparisons(self) -> Sequence[Comparison]:
        """One for each metric, the primary one first."""
        return [self.primary, *(one.result() for one in self._others)]

    def detail(self, execution: CollectedExecution) -> Detail:
        """Read what ran in an execution."""
        attempts, _, nodes = self.engine.detail(execution.data["key"])
        # One text is read faster than a dozen.
        data = json.loads(f"[{','.join(row[0] for row in (*attempts, *nodes))}]")
        parts = [Part(one, *row[1:]) for one, row in zip(data, (*attempts, *nodes), strict=True)]
        return Detail(parts[: len(attempts)], parts[len(attempts) :])

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """Where each metric is taken from, when several evaluators give one of its name."""
        order = [one["name"] for one in self.batch["spec"]["evaluators"]]
        records = itertools.chain.from_iterable(one.scores for one in self.executions)
        return {name: sources[0] for name, sources in _sources.ranked(records, order).items()}


def collect(
    bench: "BenchResults",
    batch: "Batch | str",
    *,
    baseline: str | None = None,
    metric: str | None = None,
) -> Collected:
    """Read a batch.

    Args:
        bench: The bench whose store it is in.
        batch: The batch, its id, a unique prefix of it, or "latest".
        baseline: The variant that the others are measured against; see `TestBench.compare`.
        metric: The primary metric; by default the batch's.

    Raises:
        NotFoundError: There is no such batch.
        ConfigurationError: There is no variant, or no score, of the name that was given.
    """
    found = bench.batch(batch if isinstance(batch, str) else batch.id)
    engine = bench._core.engine

    def of_metric(name: str) -> Comparison:
        text = engine.compare([found.id], baseline, (name, [], None, None, "holm"))
        return Comparison.parse(*text)

    # Comparisons are computed without the interpreter, beside the reading of everything else.
    pool = ThreadPoolExecutor(1, "wtb-report")
    try:
        comparing = pool.submit(bench.compare, found, baseline=baseline, metric=metric)
        data = json.loads(engine.batch(found.id))
        variants = [(name, json.loads(text)) for name, text in engine.variants(found.id)]
        cases = [CollectedCase(*row[:5]) for row in engine.cases(found.id)]
        executions = _executions(engine, found.id)
        primary = comparing.result()
        names = [name for name, _ in primary.to_dict()["metrics"] if name != primary.metric]
        others = [pool.submit(of_metric, name) for name in names[: METRICS_MAX - 1]]
    finally:
        # What has been submitted is still computed.
        pool.shutdown(wait=False)
    return Collected(
        engine=engine,
        batch=data,
        variants=variants,
        cases=cases,
        executions=executions,
        primary=primary,
        left_out=names[METRICS_MAX - 1 :],
        _others=others,
    )


def _executions(engine: "EngineRef", batch: str) -> list[CollectedExecution]:
    scores = json.loads(engine.scores(batch))
    rows = engine.executions(batch, False, [], None, None, None, False, None)
    found = []
    for text, _, output, state, interrupts in rows:
        data = json.loads(text)
        own = scores.get(data["id"], [])
        found.append(CollectedExecution(data, own, output, state, interrupts))
    return found
