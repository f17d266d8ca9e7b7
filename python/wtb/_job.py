"""What workers need to know of a batch, and how one attempt is made of it."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from wtb import _interrupt, _values
from wtb.context import RunContext, activate
from wtb.seeding import seed_everything
from wtb.workspace import of_case, workspace_spec

if TYPE_CHECKING:
    from pathlib import Path

    from wtb._answers import OnInterrupt
    from wtb._native import CheckpointsRef
    from wtb._values import Payload
    from wtb.cases import Case
    from wtb.langgraph.adapter import GraphAdapter
    from wtb.langgraph.execution import PreparedGraph
    from wtb.langgraph.lineage import Lineage, Start
    from wtb.langgraph.trace import ErrorInfo, NodeTrace, Trace
    from wtb.variants import Variant
    from wtb.workflow import Workflow

CHECKED_PAIRS_MAX = 10_000
"""Up to so many variants x cases every pair is checked; beyond, one variant of each graph."""

MESSAGE_CHARACTERS_MAX = 20_000
"""What an exception says is cut to this many characters."""

NodeWatch = Callable[[str, bool], object]
"""Is called with a node's path when it begins (False) and when it has ended (True)."""

ErrorTuple = tuple[str, str, str | None, str | None]
ScoreTuple = tuple[str, float | None, str, str, str | None, str | None]


class Task(Protocol):
    """An attempt to make: `_native.TaskRef`, or what stands for it in a worker's process."""

    @property
    def execution(self) -> str:
        """The execution's id."""
        ...

    @property
    def variant(self) -> int:
        """The variant's place among the job's."""
        ...

    @property
    def case(self) -> int:
        """The case's place among the job's."""
        ...

    @property
    def repeat(self) -> int:
        """Which repeat, from 0."""
        ...

    @property
    def attempt(self) -> int:
        """The attempt's number, from 1."""
        ...

    @property
    def seed(self) -> int:
        """What to seed random number generators with."""
        ...

    @property
    def thread(self) -> str | None:
        """The lineage that its checkpoints belong to."""
        ...

    @property
    def from_head(self) -> bool:
        """Whether it goes on from the lineage's head."""
        ...

    def checkpoints(self) -> "CheckpointsRef":
        """Return the checkpoints, to be written under the attempt's lease."""
        ...

    def enter_workspace(self) -> "Path | None":
        """Make the attempt's private files, if it has any, and return where they are."""
        ...

    def is_stopped(self) -> bool:
        """Whether the attempt was cancelled or has expired."""
        ...


class NodeItem(NamedTuple):
    """One node's record as the engine takes it."""

    node: str
    step: int
    order: int
    status: str
    calls: int
    started_at: float
    duration_s: float
    input: "Payload | None"
    output: "Payload | None"
    error: ErrorTuple | None
    usage: str | None


class OutcomeItem(NamedTuple):
    """What an attempt delivers, as the engine takes it."""

    status: str
    duration_s: float
    retryable: bool = False
    retry_after_s: float | None = None
    output: "Payload | None" = None
    state: "Payload | None" = None
    interrupts: "Payload | None" = None
    error: ErrorTuple | None = None
    nodes: Sequence[NodeItem] = ()
    metrics: Sequence[ScoreTuple] = ()
    usage: str | None = None
    warnings: Sequence[str] = ()


@dataclass
class Job:
    """A batch (or a single execution) as its workers see it.

    Attributes:
        workflow: The workflow.
        variants: The batch's variants, in the store's order.
        cases: The batch's cases, in the store's order.
        config: LangGraph's config, under each variant's own.
        context: LangGraph's runtime context, under each variant's own.
        checkpoints: When checkpoints are written: "step", "exit" or "off".
        breakpoints: Nodes before which attempts stop.
        on_interrupt: What answers questions that the cases do not.
        start: How an attempt goes on from the head of its lineage.
        timeout: Seconds that an attempt may take, for runners that keep the time themselves.
        workspace: The files that attempts work on, as the engine takes it.
        graph_nodes: For each variant the nodes of its graph before they are substituted, once the
            variants are checked.
    """

    workflow: "Workflow"
    variants: Sequence["Variant"]
    cases: Sequence["Case"]
    config: Mapping[str, Any] | None = None
    context: Any = None
    checkpoints: str = "step"
    breakpoints: Sequence[str] = ()
    on_interrupt: "OnInterrupt | None" = None
    start: "Start | None" = None
    timeout: float | None = None
    workspace: Mapping[str, Any] = field(default_factory=lambda: workspace_spec(None))
    graph_nodes: Sequence[Sequence[str]] = field(default=(), init=False, repr=False)
    _checked: "list[GraphAdapter]" = field(default_factory=list, repr=False)

    def of_cell(self, variant: int, case: int) -> "Job":
        """Return what one cell runs, by its places among the variants and the cases."""
        own = self.cases[case]
        return replace(
            self,
            variants=[self.variants[variant]],
            cases=[own],
            workspace=of_case(self.workspace, own.workspace),
            _checked=[],
        )

    def adapter(self) -> "GraphAdapter":
        """Return a worker's own adapter; the first worker inherits the one that checked the job."""
        from wtb.langgraph.adapter import GraphAdapter

        try:
            # One step, so that two workers that begin at once never share an adapter.
            return self._checked.pop()
        except IndexError:
            return GraphAdapter(self.workflow)

    def prepared(self) -> "PreparedGraph":
        """Return the first variant's graph."""
        if not self._checked:
            self.check_variants()
        return self._checked[0].prepare(self.variants[0])

    def check(self) -> None:
        """Find everything that is wrong with what is to be run, before anything is."""
        from wtb.langgraph.updates import check_breakpoints

        self.check_variants()
        (adapter,) = self._checked
        for variant in self.variants:
            check_breakpoints(adapter.prepare(variant), self.breakpoints)
        self.check_cases()

    def check_variants(self) -> None:
        """Find everything that is wrong with the variants."""
        from wtb.langgraph.adapter import GraphAdapter

        adapter = GraphAdapter(self.workflow)
        for variant in self.variants:
            adapter.check(variant)
            adapter.prepare(variant).settings(self.config, self.context)
        self.graph_nodes = [adapter.nodes_of(variant) for variant in self.variants]
        self._checked = [adapter]

    def check_cases(self) -> None:
        """Find cases that do not fit the graphs of the variants, which are checked already."""
        (adapter,) = self._checked
        for variant in self._variants_to_check():
            for case in self.cases:
                adapter.check_case(variant, case.id, case.input)

    def _variants_to_check(self) -> "Sequence[Variant]":
        """All variants, since what a graph needs depends on its first nodes; few of a big batch."""
        if len(self.variants) * len(self.cases) <= CHECKED_PAIRS_MAX:
            return self.variants
        first: dict[tuple[int, str], Variant] = {}
        for variant in self.variants:
            first.setdefault((id(variant.graph), repr(variant.params)), variant)
        return list(first.values())

    def context_of(self, task: Task, workspace: "Path | None") -> RunContext:
        """Return the context that nodes of this attempt see."""
        return RunContext(
            execution_id=task.execution,
            variant=self.variants[task.variant].name,
            case_id=self.cases[task.case].id,
            repeat=task.repeat,
            attempt=task.attempt,
            seed=task.seed,
            workspace=workspace,
            is_cancelled=task.is_stopped,
            metrics=None if self.start is None else self.start.metrics,
        )

    def lineage_of(self, task: Task) -> "Lineage | None":
        """Return the lineage that an attempt writes; None without checkpoints."""
        if task.thread is None:
            return None
        from wtb._answers import Answers
        from wtb._steps import answers_given
        from wtb.langgraph.lineage import BenchSaver, Lineage, Start

        source = task.checkpoints()
        case = self.cases[task.case]
        answers = None
        if case.answers is not None or self.on_interrupt is not None:
            variant = self.variants[task.variant].name
            given = answers_given(source, task.thread) if task.from_head else 0
            answers = Answers(case, variant, task.repeat, self.on_interrupt, given)
        return Lineage(
            saver=BenchSaver(source),
            thread=task.thread,
            durability="exit" if self.checkpoints == "exit" else "sync",
            from_head=task.from_head,
            start=self.start or Start(),
            breakpoints=self.breakpoints,
            answers=answers,
        )

    def attempt(
        self, adapter: "GraphAdapter", task: Task, watch: "NodeWatch | None" = None
    ) -> OutcomeItem:
        """Make one attempt on the calling thread; `watch` is told of each node."""
        started = perf_counter()
        run = self.context_of(task, task.enter_workspace())
        prepared = adapter.prepare(self.variants[task.variant])
        seed_everything(task.seed)
        with activate(run):
            trace = prepared.execute(
                self.cases[task.case].input,
                run=run,
                config=self.config,
                context=self.context,
                cancelled=task.is_stopped,
                lineage=self.lineage_of(task),
                watch=watch,
            )
        return outcome(trace, run, perf_counter() - started)

    async def aattempt(
        self, adapter: "GraphAdapter", task: Task, is_cut: Callable[[], bool]
    ) -> OutcomeItem:
        """Make one attempt on the caller's event loop.

        Args:
            adapter: The worker's own.
            task: The attempt.
            is_cut: Whether the calling task, if it is cancelled, is so to end the attempt, whose
                outcome is then returned.

        Raises:
            asyncio.CancelledError: The calling task was cancelled for another reason.
        """
        started = perf_counter()
        run = self.context_of(task, await asyncio.to_thread(task.enter_workspace))
        prepared: PreparedGraph = adapter.prepare(self.variants[task.variant])
        seed_everything(task.seed)
        with activate(run):
            trace = await prepared.aexecute(
                self.cases[task.case].input,
                run=run,
                config=self.config,
                context=self.context,
                cancelled=lambda: is_cut() or task.is_stopped(),
                is_cut=is_cut,
                lineage=self.lineage_of(task),
            )
        return outcome(trace, run, perf_counter() - started)


def outcome(trace: "Trace", run: RunContext, duration_s: float) -> OutcomeItem:
    """Return what an attempt delivers, its values serialised."""
    warnings: list[str] = []
    has_output = trace.output is not None or trace.status == "succeeded"
    nodes = [_node_item(node, warnings) for node in trace.nodes]
    return OutcomeItem(
        status=trace.status,
        duration_s=duration_s,
        retryable=trace.error is None or trace.error.retryable,
        retry_after_s=None if trace.error is None else trace.error.retry_after_s,
        output=_values.dump(trace.output, "the output", warnings) if has_output else None,
        state=(
            None
            if trace.state is trace.output
            else _values.dump(trace.state, "the state", warnings)
        ),
        interrupts=(
            _values.dump_all(trace.interrupts, "a question", warnings) if trace.interrupts else None
        ),
        error=_error_tuple(trace.error),
        nodes=nodes,
        metrics=[
            (_values.printable(name), metric.value, metric.direction, "workflow", None, None)
            for name, metric in run.metrics.items()
        ],
        usage=_json(trace.usage),
        warnings=[_values.printable(text) for text in dict.fromkeys(warnings)],
    )


def attempted(
    job: Job, adapter: "GraphAdapter", task: Task, watch: "NodeWatch | None" = None
) -> OutcomeItem:
    """Make one attempt; what fails outside of the graph costs the attempt, not the worker.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and this is the main thread.
    """
    started = perf_counter()
    try:
        return job.attempt(adapter, task, watch)
    except BaseException as error:
        on_main = threading.current_thread() is threading.main_thread()
        if isinstance(error, KeyboardInterrupt) and on_main and _interrupt.is_genuine():
            raise
        return broken(error, perf_counter() - started)


def broken(error: BaseException, duration_s: float) -> OutcomeItem:
    """Return the outcome of an attempt that failed outside of the graph."""
    from wtb.langgraph.trace import error_info

    # A factory's own error, which may pass, and not that it was a factory's.
    info = error_info(error.__cause__ or error, None)
    return OutcomeItem(
        status="failed",
        duration_s=duration_s,
        retryable=info.retryable,
        retry_after_s=info.retry_after_s,
        error=_error_tuple(info),
    )


def _node_item(node: "NodeTrace", warnings: list[str]) -> NodeItem:
    what = f"node {node.path!r}"
    return NodeItem(
        node=_values.printable(node.path),
        step=node.step,
        order=node.order,
        status=node.status,
        calls=node.attempts,
        started_at=node.started_at,
        duration_s=node.duration_s,
        input=_values.dump_record(node.input, f"{what}: its input", warnings),
        output=(
            None
            if node.output is None
            else _values.dump_record(node.output, f"{what}: its output", warnings)
        ),
        error=_error_tuple(node.error),
        usage=_json(node.usage),
    )


def _error_tuple(error: "ErrorInfo | None") -> ErrorTuple | None:
    if error is None:
        return None
    return (
        _values.printable(error.type),
        _values.printable(error.message[:MESSAGE_CHARACTERS_MAX]),
        None if error.traceback is None else _values.printable(error.traceback),
        None if error.node is None else _values.printable(error.node),
    )


def _json(value: Mapping[str, Any]) -> str | None:
    if not value:
        return None
    return json.dumps(value)
