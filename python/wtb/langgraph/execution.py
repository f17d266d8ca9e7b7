"""A graph with a variant's substitutions, ready to be executed any number of times."""

import asyncio
import contextvars
import copy
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from wtb.context import RunContext, activate
from wtb.langgraph.asynchrony import NodeExitError, guarded, needs_async
from wtb.langgraph.isolation import StoreFactory, with_store
from wtb.langgraph.loading import AnyGraph
from wtb.langgraph.recording import ExecutionCancelledError, Recorder
from wtb.langgraph.schema import InputKeys, input_keys
from wtb.langgraph.settings import joined_config, joined_context, with_handler
from wtb.langgraph.streaming import StreamReader, plan_stream
from wtb.langgraph.trace import NodeTrace, Status, Trace, error_info
from wtb.variants import Variant


class LoopRunner:
    """Runs coroutines from synchronous code, on one event loop that is kept between calls."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, make: Callable[[], Any]) -> Any:
        """Run the coroutine that `make` returns, in a copy of the caller's context."""
        context = contextvars.copy_context()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(make(), context=context)
        # A loop runs in this thread already, for example a notebook's; no second one can.
        with ThreadPoolExecutor(1, thread_name_prefix="wtb-loop") as helper:
            return helper.submit(context.run, lambda: asyncio.run(make())).result()

    def close(self) -> None:
        """End the loop, if one was needed."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class PreparedGraph:
    """A variant's graph.

    One thread executes it at a time. Executions do not raise: whatever happens inside the graph
    is told by the returned trace. Only `ConfigurationError` for a config or context that cannot
    be used, and `KeyboardInterrupt` on the main thread, come out.

    Attributes:
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
        self._loops = loops
        self._plan = plan_stream(graph)
        self._guarded: AnyGraph | None = None

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
    ) -> Trace:
        """Run the graph to its end and return what happened.

        Args:
            input: The initial state; nodes get a deep copy, so it can be used again.
            run: What `wtb.current()` is to the nodes.
            config: LangGraph's config, below the variant's own.
            context: LangGraph's runtime context, below the variant's own.
            cancelled: Polled before every node; once it is true no further node starts.

        Raises:
            ConfigurationError: The config or context cannot be used.
        """
        if self.is_async:
            trace: Trace = self._loops.run(
                lambda: self.aexecute(
                    input, run=run, config=config, context=context, cancelled=cancelled
                )
            )
            return trace
        given = _private(input)
        recorder = Recorder(given, cancelled)
        reader = StreamReader(self._plan)
        options = self._options(recorder, config, context)
        outside = var_child_runnable_config.set(None)
        try:
            with activate(run):
                for chunk in with_store(self.graph, self._make_store).stream(given, **options):
                    reader.take(chunk)
        except BaseException as error:
            return self._broken(recorder, reader, error)
        finally:
            var_child_runnable_config.reset(outside)
        return self._finished(recorder, reader)

    async def aexecute(
        self,
        input: Any,  # noqa: A002
        *,
        run: RunContext,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        cancelled: Callable[[], bool],
        is_cut: Callable[[], bool] = lambda: False,
    ) -> Trace:
        """Run the graph on the caller's event loop; see `execute`.

        When the calling task is cancelled, `is_cut` says whether that was meant for this execution
        alone, which then returns what a cancelled one does.

        Raises:
            asyncio.CancelledError: The calling task was cancelled otherwise.
        """
        given = _private(input)
        recorder = Recorder(given, cancelled)
        reader = StreamReader(self._plan)
        options = self._options(recorder, config, context)
        if self._guarded is None:
            self._guarded = guarded(self.graph)
        outside = var_child_runnable_config.set(None)
        try:
            with activate(run):
                stream = with_store(self._guarded, self._make_store).astream(given, **options)
                async for chunk in stream:
                    reader.take(chunk)
        except asyncio.CancelledError:
            if is_cut():
                return self._trace("cancelled", recorder, reader)
            raise
        except BaseException as error:
            return self._broken(recorder, reader, error)
        finally:
            var_child_runnable_config.reset(outside)
        return self._finished(recorder, reader)

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

    def _options(
        self, recorder: Recorder, config: Mapping[str, Any] | None, context: Any
    ) -> dict[str, Any]:
        joined, merged = self.settings(config, context)
        return {
            "config": with_handler(joined, recorder),
            "context": merged,
            "stream_mode": self._plan.modes,
            "output_keys": self._plan.output_keys,
            "subgraphs": self._plan.subgraphs,
        }

    def _broken(self, recorder: Recorder, reader: StreamReader, error: BaseException) -> Trace:
        if isinstance(error, NodeExitError):
            error = error.__cause__ or error
        if isinstance(error, asyncio.CancelledError):
            raise error
        if isinstance(error, ExecutionCancelledError):
            return self._trace("cancelled", recorder, reader)
        # A person's Ctrl-C arrives on the main thread; anywhere else a node raised it.
        if isinstance(error, KeyboardInterrupt) and recorder.is_from_main_thread(error):
            raise error
        info = error_info(error, recorder.blame(error))
        return replace(self._trace("failed", recorder, reader), error=info)

    def _finished(self, recorder: Recorder, reader: StreamReader) -> Trace:
        interrupted = reader.interrupted or recorder.interrupted
        return self._trace("interrupted" if interrupted else "succeeded", recorder, reader)

    def _trace(self, status: Status, recorder: Recorder, reader: StreamReader) -> Trace:
        reached = status in ("succeeded", "interrupted")
        return Trace(
            status=status,
            output=self._plan.output_of(reader.state) if reached else None,
            state=reader.state,
            nodes=_nodes(recorder, reader),
            interrupts=[(value, key) for key, value in reader.interrupts.items()],
            usage=recorder.usage,
        )


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
