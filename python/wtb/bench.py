"""The bench: run a workflow once or as a batch, come back to it, score it, compare it."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, Unpack

from wtb import _later, _plan
from wtb._core import BatchArguments, Core, SingleArguments
from wtb._drive import ProgressLike
from wtb.batch import Batch
from wtb.cases import Case
from wtb.comparison import Comparison
from wtb.errors import ConfigurationError
from wtb.events import AuditTrail, Event, EventBus, Subscription
from wtb.execution import Execution
from wtb.runners import BatchTestRunner
from wtb.variants import VariantLike
from wtb.workflow import Workflow

__all__ = ["TestBench"]

Target = Batch | Execution | str
"""A batch or an execution: itself, its id, a unique prefix of it, or "latest" (the batch)."""


class TestBench:
    """An open store, and everything that can be done with it.

    Use it as a context manager, or call `close()`. It may be used by several threads. It does not
    survive a fork: a child process opens its own.

    Args:
        store: A directory (its `wtb.db` is the store), a file, or a `sqlite:///` URL; by default
            the directory `./.wtb`.

    Example:
        >>> with TestBench(tmp_path) as bench:                                  # doctest: +SKIP
        ...     execution = bench.run(graph, {"question": "?"})
        ...     execution.raise_for_status().output
    """

    __test__: ClassVar[bool] = False  # pytest would collect the class for its name.

    def __init__(self, store: str | Path | None = None) -> None:
        self._core = Core(_plan.store_url(store))
        self.events = EventBus(self._core.engine)
        self.audit = AuditTrail(self._core.engine)

    @property
    def url(self) -> str:
        """The store's address."""
        return self._core.engine.url

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
        checkpoints: Literal["off"] = "off",
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
            runner: "inline", "thread" or a runner.
            checkpoints: Only "off": checkpoints are not built yet.

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
        )
        active, drive = self._core.single(workflow, initial_state, runner, arguments)
        drive.run()
        return self.execution(active.executions()[0])

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
        checkpoints: Literal["off"] = "off",
    ) -> Execution:
        """Run a workflow once on the caller's event loop; see `run`."""
        arguments = SingleArguments(
            variant=variant,
            config=config,
            context=context,
            timeout=timeout,
            seed=seed,
            checkpoints=checkpoints,
        )
        active, drive = self._core.single(workflow, initial_state, "inline", arguments)
        await drive.arun()
        return self.execution(active.executions()[0])

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
        checkpoints: Literal["off"] = "off",
        progress: ProgressLike = None,
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
            runner: "thread", "inline" or a runner.
            max_workers: How many attempts run at once; by default 8 threads.
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
            checkpoints: Only "off": checkpoints are not built yet.
            progress: True for a bar on stderr, or a function that is called with a `Progress`.

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
            progress=progress,
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
        """Run a batch without blocking the event loop; takes what `run_batch` takes."""
        batch = await asyncio.to_thread(self.start_batch, workflow, **arguments)
        return await self._await(batch)

    def resume_batch(
        self,
        batch: Batch | str,
        *,
        workflow: object = None,
        evaluators: Sequence[Any] | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        runner: str | BatchTestRunner | None = None,
        max_workers: int | None = None,
        progress: ProgressLike = None,
    ) -> Batch:
        """Take up a batch that was left unfinished; what has ended is not run again.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            workflow: The workflow again, where the store has no reference to it.
            evaluators: The evaluators again, where they cannot be found by name.
            config: LangGraph's config again, where it is no JSON (callbacks).
            context: LangGraph's runtime context again, where it is no JSON.
            runner: By default that of the batch.
            max_workers: By default that of the batch.
            progress: See `run_batch`.

        Raises:
            BatchBusyError: A live session is running it.
            WorkflowNotBoundError: The workflow or a variant cannot be found again.
        """
        data = self._core.stored(batch)
        job, known = self._core.job(data, workflow, evaluators, config=config, context=context)
        return self._core.take_up(
            data,
            job,
            known,
            lambda: self._core.engine.resume(data["id"]),
            runner,
            max_workers,
            progress,
        )

    def extend(
        self,
        batch: Batch | str,
        *,
        variants: Sequence[VariantLike] = (),
        test_cases: Sequence[Case | Mapping[str, Any]] = (),
        repeats: int = 0,
        workflow: object = None,
        progress: ProgressLike = None,
    ) -> Batch:
        """Add variants, cases or repeats to a batch; only what is new (or unfinished) runs.

        Raises:
            ConfigurationError: There is nothing to add, or a name is taken.
            BatchBusyError: The batch is running.
        """
        return _later.extend(self._core, batch, variants, test_cases, repeats, workflow, progress)

    def retry(
        self,
        target: Target,
        *,
        errors_only: bool = True,
        workflow: object = None,
        progress: ProgressLike = None,
    ) -> Batch | Execution:
        """Run executions again that ended without success; takes them off the dead-letter list.

        Args:
            target: A batch or an execution.
            errors_only: Only those that failed, timed out or were cancelled; False runs everything
                again.
            workflow: The workflow again, where the store has no reference to it.
            progress: See `run_batch`.

        Returns:
            The batch or the execution as it stands then.
        """
        found = self._target(target)
        if isinstance(found, Batch):
            return _later.retry_in_batch(
                self._core, found.id, found.results, errors_only, workflow, progress
            )
        if found.batch_id is None:
            return _later.retry_single(self._core, found, errors_only, workflow)
        _later.retry_in_batch(self._core, found.batch_id, [found], errors_only, workflow, progress)
        return self.execution(found.id)

    def cancel(self, target: Target) -> None:
        """Cancel what has not ended of a batch, or one execution of a batch that is under way.

        Raises:
            BatchBusyError: Another live session is running the batch.
            InvalidTransitionError: There is nothing to cancel.
        """
        _later.cancel(self._core, self._target(target))

    def score(
        self,
        batch: Batch | str,
        evaluators: Sequence[Any],
        *,
        evaluator_timeout: float = 60.0,
    ) -> Batch:
        """Score a batch's finished executions, again or anew, without running anything.

        Scores of the same evaluator and name are replaced; others stay.
        """
        return _later.score(self._core, batch, evaluators, evaluator_timeout)

    async def ascore(self, batch: Batch | str, evaluators: Sequence[Any]) -> Batch:
        """Score a batch without blocking the event loop; see `score`."""
        return await asyncio.to_thread(self.score, batch, evaluators)

    async def aresume_batch(self, batch: Batch | str, **arguments: Any) -> Batch:
        """Take up a batch without blocking the event loop; see `resume_batch`."""
        return await asyncio.to_thread(self.resume_batch, batch, **arguments)

    def compare(
        self, *batches: Batch | str, baseline: str | None = None, metric: str | None = None
    ) -> Comparison:
        """Compare the variants of one batch or of several."""
        if not batches:
            raise ConfigurationError("compare needs at least one batch")
        ids = [
            one.id if isinstance(one, Batch) else self._core.engine.find_batch(one)
            for one in batches
        ]
        comparison = Comparison.parse(*self._core.engine.compare(ids, metric, baseline))
        if baseline is not None and comparison.baseline is None:
            names = [line["name"] for line in comparison.variants]
            raise ConfigurationError(f"no variant is called {baseline!r}; there are {names}")
        return comparison

    def register(self, workflow: object) -> Workflow:
        """Make a workflow known by its name, so that stored batches find it after a restart."""
        return self._core.registry.register(workflow)

    def execution(self, id: str) -> Execution:  # noqa: A002
        """Return an execution by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        return self._core.execution(id)

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
        found = self._core.batch_id(batch)
        rows = self._core.engine.executions(
            found, False, statuses, variant, case_id, workflow, False, limit
        )
        return [Execution(self._core.engine, row) for row in rows]

    def batch(self, id: str) -> Batch:  # noqa: A002
        """Return a batch by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        return self._core.batch(self._core.engine.find_batch(id))

    def batches(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Batch]:
        """Return batches, newest first; `name` has to be contained in theirs."""
        found = json.loads(self._core.engine.batches(workflow, status, name, limit))
        return [self._core.batch(one["id"]) for one in found]

    def dead_letters(self, batch: Batch | str | None = None) -> Sequence[Execution]:
        """Return executions that spent their retries; `retry` takes them off this list."""
        found = self._core.batch_id(batch)
        rows = self._core.engine.executions(found, False, [], None, None, None, True, None)
        return [Execution(self._core.engine, row) for row in rows]

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
        one = execution.id if isinstance(execution, Execution) else execution
        return self.audit.query(
            batch=self._core.batch_id(batch),
            execution=None if one is None else self._core.engine.find_execution(one),
            kinds=kinds,
            since=since,
            until=until,
            after=after,
        )

    def close(self) -> None:
        """Close the store. Batches under way are stopped and can be resumed later."""
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

    def __repr__(self) -> str:
        return f"<TestBench on {self.url}>"

    def _target(self, target: Target) -> Batch | Execution:
        """Return the batch or execution that is meant, as the store has it now."""
        if isinstance(target, str):
            return self.execution(target) if target.startswith("e_") else self.batch(target)
        if isinstance(target, Execution):
            return self.execution(target.id)
        return self.batch(target.id)

    async def _await(self, batch: Batch) -> Batch:
        try:
            return await asyncio.to_thread(batch.wait)
        except asyncio.CancelledError:
            if batch.is_under_way:
                batch.stop()
            raise
