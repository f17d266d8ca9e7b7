"""A graph with a variant's substitutions, ready to be executed any number of times."""

import asyncio
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.types import Command

from wtb.context import RunContext, activate
from wtb.langgraph.asynchrony import NodeExitError, guarded, needs_async
from wtb.langgraph.isolation import StoreFactory, with_store
from wtb.langgraph.lineage import Lineage, with_saver
from wtb.langgraph.loading import AnyGraph, subgraph_of, walk
from wtb.langgraph.loops import LoopRunner
from wtb.langgraph.recording import ExecutionCancelledError, Recorder
from wtb.langgraph.schema import InputKeys, input_keys
from wtb.langgraph.settings import joined_config, joined_context, with_handler
from wtb.langgraph.streaming import StreamPlan, StreamReader, plan_stream
from wtb.langgraph.trace import NodeTrace, Status, Trace, error_info
from wtb.variants import Variant

if TYPE_CHECKING:
    from wtb._answers import Answers


class PreparedGraph:
    """A variant's graph.

    One thread executes it at a time. Executions do not raise: whatever happens inside the graph
    is told by the returned trace. Only `ConfigurationError` for a config or context that cannot
    be used, and `KeyboardInterrupt` on the main thread, come out.

    Attributes:
        graph: The graph itself.
        variant: The variant.
        loops: Runs what has to run on an event loop.
        is_async: Whether it has to run on an event loop, because some node or route has no
            synchronous implementation. `execute` then does that by itself.
    """

    def __init__(
        self,
        graph: AnyGraph,
        variant: Variant,
        make_store: StoreFactory | None,
        loops: LoopRunner,
    ) -> None:
        self.graph = graph
        self.variant = variant
        self.is_async = needs_async(graph)
        self._make_store = make_store
        self.loops = loops
        self._plan = plan_stream(graph)
        self._guarded: AnyGraph | None = None
        inner = (subgraph_of(holder, name) for _, holder, name in walk(graph))
        self._remembers = any(one is not None and one.checkpointer is True for one in inner)

    @cached_property
    def input_keys(self) -> InputKeys | None:
        """The keys that an input may and must have; None when inputs are no sets of keys."""
        return input_keys(self.graph)

    def execute(
        self,
        input: Any,  # noqa: A002
        *,
        run: RunContext,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        cancelled: Callable[[], bool],
        lineage: Lineage | None = None,
        watch: Callable[[str, bool], object] | None = None,
    ) -> Trace:
        """Run the graph to its end and return what happened.

        Args:
            input: The initial state; nodes get a deep copy, so it can be used again.
            run: What `wtb.current()` is to the nodes.
            config: LangGraph's config, below the variant's own.
            context: LangGraph's runtime context, below the variant's own.
            cancelled: Polled before every node; once it is true no further node starts.
            lineage: The lineage that its checkpoints belong to; None for no checkpoints.
            watch: Is told of each node's path when it begins (False) and has ended (True).

        Raises:
            ConfigurationError: The config or context cannot be used.
        """
        if self.is_async:
            trace: Trace = self.loops.run(
                lambda: self.aexecute(
                    input,
                    run=run,
                    config=config,
                    context=context,
                    cancelled=cancelled,
                    lineage=lineage,
                )
            )
            return trace
        begun = self._begin(input, config, context, cancelled, lineage, watch)
        outside = var_child_runnable_config.set(None)
        try:
            with activate(run):
                graph = self._own(self.graph, lineage)
                turn: Any = begun.turn()
                while turn is not _OVER:
                    for chunk in graph.stream(turn, **begun.options):
                        begun.reader.take(chunk)
                    turn = self._answered(begun)
        except BaseException as error:
            return self._broken(begun, error)
        finally:
            var_child_runnable_config.reset(outside)
        return self._finished(begun)

    async def aexecute(
        self,
        input: Any,  # noqa: A002
        *,
        run: RunContext,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        cancelled: Callable[[], bool],
        is_cut: Callable[[], bool] = lambda: False,
        lineage: Lineage | None = None,
    ) -> Trace:
        """Run the graph on the caller's event loop; see `execute`.

        When the calling task is cancelled, `is_cut` says whether that was meant for this execution
        alone, which then returns what a cancelled one does.

        Raises:
            asyncio.CancelledError: The calling task was cancelled otherwise.
        """
        begun = self._begin(input, config, context, cancelled, lineage)
        if self._guarded is None:
            self._guarded = guarded(self.graph)
        outside = var_child_runnable_config.set(None)
        try:
            with activate(run):
                graph = self._own(self._guarded, lineage)
                # Only going on reads the store.
                goes_on = lineage is not None and lineage.from_head
                turn: Any = await asyncio.to_thread(begun.turn) if goes_on else begun.turn()
                while turn is not _OVER:
                    async for chunk in graph.astream(turn, **begun.options):
                        begun.reader.take(chunk)
                    turn = await self._aanswered(begun)
        except asyncio.CancelledError:
            if is_cut():
                return self._trace("cancelled", begun)
            raise
        except BaseException as error:
            return self._broken(begun, error)
        finally:
            var_child_runnable_config.reset(outside)
        return self._finished(begun)

    def settings(
        self, config: Mapping[str, Any] | None = None, context: Any = None
    ) -> tuple[RunnableConfig, Any]:
        """Return config and context as an execution gets them.

        Raises:
            ConfigurationError: They cannot be used.
        """
        where = self.variant.title
        return (
            joined_config(config, self.variant.config, where),
            joined_context(context, self.variant.context, where),
        )

    def _begin(
        self,
        given: Any,
        config: Mapping[str, Any] | None,
        context: Any,
        cancelled: Callable[[], bool],
        lineage: Lineage | None,
        watch: Callable[[str, bool], object] | None = None,
    ) -> "_Begun":
        private = None if lineage and lineage.from_head else _private(given)
        plan = self._plan
        if lineage and lineage.breakpoints:
            plan = plan_stream(self.graph, breaks=True)
        recorder = Recorder(private, cancelled, watch)
        options = self._options(plan, recorder, config, context, lineage)
        stops = bool(lineage and lineage.breakpoints) or bool(self.graph.interrupt_before_nodes)
        return _Begun(
            given=given,
            private=private,
            lineage=lineage,
            recorder=recorder,
            reader=StreamReader(plan),
            plan=plan,
            options=options,
            names_place=self._remembers and not stops,
        )

    def _own(self, graph: AnyGraph, lineage: Lineage | None) -> AnyGraph:
        """Return the graph with what belongs to one execution."""
        own = with_store(graph, self._make_store)
        return own if lineage is None else with_saver(own, lineage.saver)

    def _answered(self, begun: "_Begun") -> Any:
        """Return the turn that answers the questions that are open, if somebody can."""
        asked = begun.open_questions()
        if asked is None:
            return _OVER
        answers, questions = asked
        found = answers.to(questions, lambda make: self.loops.run(make))
        return begun.answered(found)

    async def _aanswered(self, begun: "_Begun") -> Any:
        asked = begun.open_questions()
        if asked is None:
            return _OVER
        answers, questions = asked
        return begun.answered(await answers.ato(questions))

    def _options(
        self,
        plan: StreamPlan,
        recorder: Recorder,
        config: Mapping[str, Any] | None,
        context: Any,
        lineage: Lineage | None,
    ) -> dict[str, Any]:
        joined, merged = self.settings(config, context)
        options: dict[str, Any] = {
            "config": with_handler(joined, recorder),
            "context": merged,
            "stream_mode": plan.modes,
            "output_keys": plan.output_keys,
            "subgraphs": plan.subgraphs,
        }
        if lineage is not None:
            options["config"] = lineage.config(options["config"])
            options["durability"] = lineage.durability
            if lineage.breakpoints:
                own = self.graph.interrupt_before_nodes
                options["interrupt_before"] = own if own == "*" else [*{*own, *lineage.breakpoints}]
        return options

    def _broken(self, begun: "_Begun", error: BaseException) -> Trace:
        if isinstance(error, NodeExitError):
            error = error.__cause__ or error
        if isinstance(error, asyncio.CancelledError):
            raise error
        if isinstance(error, ExecutionCancelledError):
            return self._trace("cancelled", begun)
        # A person's Ctrl-C arrives on the main thread; anywhere else a node raised it.
        if isinstance(error, KeyboardInterrupt) and begun.recorder.is_from_main_thread(error):
            raise error
        info = error_info(error, begun.recorder.blame(error))
        return replace(self._trace("failed", begun), error=info)

    def _finished(self, begun: "_Begun") -> Trace:
        asks = bool(begun.reader.interrupts) or begun.recorder.interrupted
        if asks:
            return self._trace("interrupted", begun)
        stopped = begun.reader.interrupted or begun.recorder.stopped
        return self._trace("paused" if stopped else "succeeded", begun)

    def _trace(self, status: Status, begun: "_Begun") -> Trace:
        recorder, reader = begun.recorder, begun.reader
        reached = status in ("succeeded", "interrupted", "paused")
        return Trace(
            status=status,
            output=begun.plan.output_of(reader.state) if reached else None,
            state=reader.state,
            nodes=_nodes(recorder, reader),
            interrupts=[(value, key) for key, value in reader.interrupts.items()],
            usage=recorder.usage,
        )


_OVER = object()
"""Stands for the turn that does not come."""


@dataclass(frozen=True)
class _Begun:
    """An execution under way."""

    given: Any
    private: Any
    lineage: Lineage | None
    recorder: Recorder
    reader: StreamReader
    plan: StreamPlan
    options: Mapping[str, Any]
    names_place: bool

    def turn(self) -> Any:
        """Return what the graph is given first."""
        head = None if self.lineage is None else self.lineage.head()
        if self.lineage is None or head is None:
            # Nothing was stored yet: an attempt that was to go on begins anew.
            return _private(self.given) if self.private is None else self.private
        if self.lineage.update():
            head = self.lineage.head() or head
        self.recorder.know(head.checkpoint["channel_values"])
        turn = self.lineage.first_turn()
        if turn is None and self.names_place and not head.pending_writes:
            # Otherwise LangGraph takes a subgraph that keeps its state for one that had asked, and
            # that has gone on to its end.
            self.options["config"]["configurable"]["checkpoint_id"] = head.checkpoint["id"]
        return turn

    def open_questions(self) -> "tuple[Answers, Mapping[str, Any]] | None":
        """Return what is asked and who may answer; None where either is missing."""
        if self.lineage is None or self.lineage.answers is None or not self.reader.interrupts:
            return None
        return self.lineage.answers, self.reader.interrupts

    def answered(self, answers: Mapping[str, Any]) -> Any:
        """Return the turn that gives answers."""
        if not answers:
            return _OVER
        self.reader.answered()
        self.recorder.answered()
        return Command(resume=dict(answers))


def _nodes(recorder: Recorder, reader: StreamReader) -> list[NodeTrace]:
    ran = list(recorder.traces())
    cached = list(reader.cached_nodes(recorder.namespaces))
    if not cached:
        return ran
    everything = sorted([*ran, *cached], key=lambda node: node.started_at)
    return [replace(node, order=order) for order, node in enumerate(everything)]


def _private(given: Any) -> Any:
    """Return a copy of the input: nodes may change it in place, and other executions share it."""
    try:
        return copy.deepcopy(given)
    except Exception:
        # What cannot be copied (an open file, a lock) can only be shared.
        return given
