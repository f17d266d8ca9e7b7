"""The bench: run a workflow once or as a batch.

What comes after is in its bases: `_again` (batches), `_lineages` (histories of executions),
`_results` (scores, comparisons, files) and `_reader`.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, Unpack

from wtb import _plan, _settling
from wtb._again import BenchAgain, driven
from wtb._arguments import BatchArguments, SingleArguments
from wtb._core import Core
from wtb._drive import ProgressLike
from wtb._lineages import BenchLineages
from wtb._results import BenchResults
from wtb.batch import Batch
from wtb.cases import Case
from wtb.errors import ForkedProcessError
from wtb.execution import Execution
from wtb.runners import BatchTestRunner
from wtb.variants import VariantLike
from wtb.workflow import Workflow
from wtb.workspace import WorkspaceLike

__all__ = ["TestBench"]

WORKSPACES_BYTES_MAX = 10 * 2**30
"""How many bytes kept workspaces may take together, unless it is said."""


class TestBench(BenchAgain, BenchLineages, BenchResults):
    """An open store, and everything that can be done with it.

    Use it as a context manager, or call `close()`. It may be used by several threads. It does not
    survive a fork: a child process opens its own. After it is closed nothing can be run, and
    batches and executions can still be read.

    Args:
        store: A directory (its `wtb.db` is the store), a file, or a `sqlite:///` or
            `postgresql://` URL; by default the directory `./.wtb`.
        object_store: A directory for the bytes of large values and files, one that all machines
            have under the same path. The store remembers it, so that it is given once; by default
            large values go where they went before, which is the database of a new store.
        workspaces: The directory that workspaces are made in; by default `workspaces` beside the
            store, or `.wtb/workspaces`.
        workspaces_max: How many bytes the workspaces may take that are kept after their attempts;
            beyond, the oldest ones are removed.

    Example:
        >>> with TestBench(tmp_path) as bench:                                  # doctest: +SKIP
        ...     execution = bench.run(graph, {"question": "?"})
        ...     execution.raise_for_status().output
    """

    __test__: ClassVar[bool] = False  # pytest would collect the class for its name.

    def __init__(
        self,
        store: str | Path | None = None,
        *,
        object_store: str | Path | None = None,
        workspaces: str | Path | None = None,
        workspaces_max: int = WORKSPACES_BYTES_MAX,
    ) -> None:
        directory = workspaces or _plan.workspaces_directory(store)
        most = _plan.count(workspaces_max, "workspaces_max", 0, 2**63 - 1)
        objects = _plan.objects_directory(object_store)
        url = _plan.store_url(store)
        super().__init__(Core(url, os.path.abspath(directory), most, objects))

    def run(
        self,
        workflow: object,
        initial_state: object,
        *,
        variant: VariantLike | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        timeout: float | None = None,
        seed: int = 0,
        runner: str | BatchTestRunner = "inline",
        checkpoints: Literal["step", "exit", "off"] = "step",
        breakpoints: Sequence[str] = (),
        workspace: WorkspaceLike | None = None,
    ) -> Execution:
        """Run a workflow once and return the execution, also when it failed.

        Args:
            workflow: A `Workflow`, a graph, a factory, or a `"module:attribute"` reference.
            initial_state: What the graph is invoked with.
            variant: What to substitute; by default nothing.
            config: LangGraph's config; callbacks pass through.
            context: LangGraph's runtime context.
            timeout: Seconds; the inline runner notices it between two nodes only.
            seed: What random number generators are seeded with, below 2**32.
            runner: "inline", "thread", "process" or a runner.
            checkpoints: When the state is stored, to go back to and to go on from: "step" (after
                each step, before the next one begins), "exit" (when the execution ends), or "off".
            breakpoints: Nodes before which the execution is paused; `resume` goes on.
            workspace: A directory of inputs, of which the execution gets a private copy to work on,
                or a `Workspace`; a node finds it by `wtb.current().workspace`.

        Raises:
            ConfigurationError: It cannot be run as it stands; nothing has been run.
        """
        arguments = SingleArguments(
            variant=variant,
            config=config,
            context=context,
            timeout=timeout,
            seed=seed,
            checkpoints=checkpoints,
            breakpoints=breakpoints,
            workspace=workspace,
        )
        execution, drive = self._core.single(workflow, initial_state, runner, arguments)
        drive.run()
        return self._core.execution(execution)

    async def arun(
        self,
        workflow: object,
        initial_state: object,
        *,
        variant: VariantLike | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        timeout: float | None = None,
        seed: int = 0,
        checkpoints: Literal["step", "exit", "off"] = "step",
        breakpoints: Sequence[str] = (),
        workspace: WorkspaceLike | None = None,
    ) -> Execution:
        """Run a workflow once on the caller's event loop; see `run`.

        At the deadline, and when the execution is cancelled, the node that is awaiting is cancelled
        as a task is, and the nodes recorded so far stay. Only a node that holds the loop (blocks
        without awaiting) is noticed no earlier than it lets go of it. Cancelling the caller's task
        cancels the execution.

        Raises:
            ConfigurationError: It cannot be run as it stands; nothing has been run.
            asyncio.CancelledError: The caller's task was cancelled.
        """
        arguments = SingleArguments(
            variant=variant,
            config=config,
            context=context,
            timeout=timeout,
            seed=seed,
            checkpoints=checkpoints,
            breakpoints=breakpoints,
            workspace=workspace,
        )
        execution, drive = self._core.single(
            workflow, initial_state, "inline", arguments, on_loop=True
        )
        await drive.arun(timeout)
        return self._core.execution(execution)

    def run_batch(
        self,
        workflow: object,
        *,
        variants: Sequence[VariantLike],
        test_cases: Sequence[Case | Mapping[str, Any]],
        evaluators: Sequence[Any] = (),
        metric: str | None = None,
        repeats: int = 1,
        runner: str | BatchTestRunner = "thread",
        max_workers: int | None = None,
        timeout: float | None = None,
        retries: int = 0,
        backoff: float = 0.5,
        error: Literal["zero", "exclude", "fail"] = "zero",
        fail_fast: bool | int | float | None = None,
        limit: int | None = None,
        window: int | None = None,
        evaluator_timeout: float = 60.0,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        name: str | None = None,
        seed: int = 0,
        checkpoints: Literal["step", "exit", "off"] = "step",
        breakpoints: Sequence[str] = (),
        on_interrupt: Callable[..., Any] | str | None = None,
        progress: ProgressLike = None,
        isolation: Literal["fresh", "warm"] | None = None,
        workspace: WorkspaceLike | None = None,
    ) -> Batch:
        """Run a workflow over variants x cases x repeats and return when all is done.

        Ctrl-C once lets attempts under way end, twice stops them; the batch is left resumable and
        `KeyboardInterrupt` raised.

        Args:
            workflow: A `Workflow`, a graph, a factory, or a `"module:attribute"` reference.
            variants: `Variant`s or `{node: implementation}` mappings; `{}` is the baseline.
            test_cases: `Case`s or initial states.
            evaluators: Functions, built-in names or `"module:function"` references.
            metric: The primary metric; by default the first evaluator's, else the first logged.
            repeats: How often each variant runs each case.
            runner: "thread", "process", "inline" or a runner.
            max_workers: How many attempts run at once; by default 8. A runner's own number counts
                more.
            timeout: Seconds that one attempt may take.
            retries: How many further attempts a failed or timed-out one gets.
            backoff: Seconds before the first retry; doubles with each further one, up to 60.
            error: How executions that ended with an error count in a mean: as 0 ("zero"; left out
                where smaller is better), not at all ("exclude"), or so that their variant has no
                mean ("fail").
            fail_fast: Give up after the first error (True), after that many (an int), or once that
                share of at least ten ended executions failed (a float below 1).
            limit: Only the first so many cases.
            window: How many attempts may run or await their scores, before no more are handed
                out; by default four for each worker, at least 16.
            evaluator_timeout: Seconds that one evaluator may take for one execution.
            config: LangGraph's config, below each variant's own.
            context: LangGraph's runtime context, below each variant's own.
            name: What listings call the batch.
            seed: Seeds the order of cases, and with case and repeat each execution.
            checkpoints: When the state is stored, to go back to and to go on from: "step" (after
                each step, before the next one begins), "exit" (when an attempt ends), or "off".
            breakpoints: Nodes before which executions are paused; `resume` goes on with one.
            on_interrupt: Answers the questions of executions that their cases do not answer: a
                function of `question`, `case`, `variant` and `repeat`, as far as it asks for them
                by name (or of the question alone), sync or async, or a `"module:function"`
                reference. None is no answer: the execution is then interrupted, which is a result
                and no failure.
            progress: True for a bar on stderr, or a function that is called with a `Progress`.
            isolation: With runner="process": a process for each attempt ("fresh", the default), or
                for each worker ("warm").
            workspace: A directory of inputs, of which each execution gets a private copy to work
                on, or a `Workspace`; a case may have its own.

        Raises:
            ConfigurationError: It cannot be run as it stands; nothing has been run.
            KeyboardInterrupt: Ctrl-C was pressed; see above.
        """
        batch, drive = self._core.create(
            workflow,
            variants=variants,
            test_cases=test_cases,
            evaluators=evaluators,
            metric=metric,
            repeats=repeats,
            runner=runner,
            max_workers=max_workers,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
            error=error,
            fail_fast=fail_fast,
            limit=limit,
            window=window,
            evaluator_timeout=evaluator_timeout,
            config=config,
            context=context,
            name=name,
            seed=seed,
            checkpoints=checkpoints,
            breakpoints=breakpoints,
            on_interrupt=on_interrupt,
            progress=progress,
            isolation=isolation,
            workspace=workspace,
        )
        drive.run()
        return batch

    def start_batch(self, workflow: object, **arguments: Unpack[BatchArguments]) -> Batch:
        """Begin a batch and return at once: `.wait()`, `.cancel()`, `.pause()`, `.progress`.

        It runs on threads of its own, whatever the runner. Takes what `run_batch` takes.
        """
        batch, drive = self._core.create(workflow, **arguments)
        drive.start()
        return batch

    async def arun_batch(self, workflow: object, **arguments: Unpack[BatchArguments]) -> Batch:
        """Run a batch without blocking the event loop; takes what `run_batch` takes.

        Cancelling the caller's task stops the batch and leaves it to `resume_batch`.
        """
        return await driven(lambda: self._core.create(workflow, **arguments))

    def run_until_settled(
        self,
        workflow: object,
        *,
        until: int,
        first: int | None = None,
        on_look: Callable[[str], object] | None = None,
        **arguments: Unpack[BatchArguments],
    ) -> Batch:
        """Run a batch, and add to it until each variant can be told from the baseline.

        It begins with the `first` cases, adds as many again each time until all are in, and then
        repeats. How often it looks is settled beforehand and the error is split among these looks:
        intervals and findings hold over all of them, also in later comparisons of the batch.

        Args:
            workflow: See `run_batch`.
            until: Up to how many repeats.
            first: How many cases to begin with, in an order that is none of difficulty; by default
                all.
            on_look: Is told what was seen at each look.
            **arguments: See `run_batch`; `repeats` are those to begin with.

        Raises:
            ConfigurationError: There would be nothing to add, or see `run_batch`.
        """
        return _settling.run(self, workflow, until, first, on_look, arguments)

    def register(self, workflow: object) -> Workflow:
        """Make a workflow known by its name, so that stored batches find it after a restart."""
        return self._core.registry.register(workflow)

    def close(self) -> None:
        """Close the store. Batches under way are stopped and can be resumed later."""
        # In a forked process there is nothing to leave: the threads are its parent's.
        with suppress(ForkedProcessError):
            self._core.close_batches()
        self.events.close()
        self._core.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)
