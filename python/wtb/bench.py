"""The bench: run a workflow once or as a batch, come back to it, score it, compare it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from wtb import _plan, _restore, _values
from wtb._drive import Drive, ProgressLike
from wtb._job import Job
from wtb._native import EngineRef
from wtb.batch import Batch
from wtb.cases import Case, normalise_cases
from wtb.comparison import Comparison
from wtb.errors import ConfigurationError, InvalidTransitionError
from wtb.evaluators import Evaluator, resolve_evaluators, restore_evaluators
from wtb.events import AuditTrail, Event, EventBus, Subscription
from wtb.execution import Execution
from wtb.registry import Registry, registered
from wtb.runners import BatchTestRunner, resolve_runner
from wtb.variants import Variant, VariantLike, normalise_variants
from wtb.workflow import Workflow, as_workflow

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

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
        self._engine = EngineRef(_plan.store_url(store))
        self._registry = Registry(registered)
        self._jobs: dict[str, tuple[Job, Sequence[Evaluator]]] = {}
        self._drives: dict[str, Drive] = {}
        self._lock = threading.Lock()
        self.events = EventBus(self._engine)
        self.audit = AuditTrail(self._engine)

    @property
    def url(self) -> str:
        """The store's address."""
        return self._engine.url

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
        active, drive = self._single(
            workflow, initial_state, variant, config, context, timeout, seed, runner, checkpoints
        )
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
        timeout: float | None = None,  # noqa: ASYNC109
        seed: int = 0,
        checkpoints: Literal["off"] = "off",
    ) -> Execution:
        """Run a workflow once on the caller's event loop; see `run`."""
        active, drive = self._single(
            workflow, initial_state, variant, config, context, timeout, seed, "inline", checkpoints
        )
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
        arguments = {key: value for key, value in locals().items() if key != "self"}
        batch, drive = self._create(**arguments)
        drive.run()
        return batch

    def start_batch(
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
        """Begin a batch and return at once: `.wait()`, `.cancel()`, `.pause()`, `.progress`.

        It runs on threads of its own, whatever the runner. See `run_batch` for the arguments.
        """
        arguments = {key: value for key, value in locals().items() if key != "self"}
        batch, drive = self._create(**arguments)
        drive.start()
        return batch

    async def arun_batch(self, workflow: object, **arguments: Any) -> Batch:
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
        data = self._stored(batch)
        job, known = self._job(data, workflow, evaluators, config=config, context=context)
        return self._take_up(
            data, job, known, lambda: self._engine.resume(data["id"]), runner, max_workers, progress
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
        data = self._stored(batch)
        job, known = self._job(data, workflow, None)
        added = normalise_variants(job.workflow, variants) if variants else []
        cases = normalise_cases(test_cases) if test_cases else []
        _plan.check_new_names(job, added, cases)
        job = Job(
            job.workflow, [*job.variants, *added], [*job.cases, *cases], job.config, job.context
        )
        job.check()
        described = [(_plan.name_of(one), _restore.describe_variant(one)) for one in added]
        rows = _plan.case_rows(cases)
        return self._take_up(
            data,
            job,
            known,
            lambda: self._engine.extend(data["id"], described, rows, repeats),
            None,
            None,
            progress,
        )

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
        if isinstance(target, str) and not target.startswith("e_"):
            target = self.batch(target)
        if isinstance(target, Batch):
            return self._retry_in_batch(
                target.id, [one for one in target.results], errors_only, workflow, progress
            )
        execution = self.execution(target if isinstance(target, str) else target.id)
        if execution.batch_id is None:
            return self._retry_single(execution, errors_only, workflow)
        self._retry_in_batch(execution.batch_id, [execution], errors_only, workflow, progress)
        return self.execution(execution.id)

    def cancel(self, target: Target) -> None:
        """Cancel what has not ended of a batch, or one execution of a batch that is under way.

        Raises:
            BatchBusyError: Another live session is running the batch.
            InvalidTransitionError: There is nothing to cancel.
        """
        if isinstance(target, Execution) or (isinstance(target, str) and target.startswith("e_")):
            execution = self.execution(target if isinstance(target, str) else target.id)
            active = self._engine.active(execution.batch_id) if execution.batch_id else None
            if active is None:
                raise InvalidTransitionError(
                    f"execution {execution.id} is not under way in this program "
                    f"(status {execution.status!r})"
                )
            active.cancel_execution(execution.id)
            return
        batch = target if isinstance(target, Batch) else self.batch(target)
        active = self._engine.active(batch.id)
        if active is None:
            if not batch.is_resumable and batch.status not in ("pending", "running", "paused"):
                raise InvalidTransitionError(
                    f"batch {batch.id} has ended (status {batch.status!r}); nothing to cancel"
                )
            active = self._engine.resume(batch.id)
        active.cancel()

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
        from wtb._scoring import score_executions

        data = self._stored(batch)
        resolved = resolve_evaluators(evaluators)
        cases = {one.id: one for one in _restore.restore_cases(self._engine, data["id"])}
        found = self.batch(data["id"])
        pairs = [(one, cases[one.case_id]) for one in found.results if one.succeeded]
        score_executions(
            pairs, resolved, self._engine.put_scores, workers=4, timeout=evaluator_timeout
        )
        self._engine.flush()
        spec = data["spec"]
        kept = {one["name"]: one for one in spec["evaluators"]}
        kept.update({one.name: one.describe() for one in resolved})
        self._engine.set_spec(data["id"], json.dumps({**spec, "evaluators": [*kept.values()]}))
        return self.batch(data["id"])

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
        ids = [one.id if isinstance(one, Batch) else self._engine.find_batch(one) for one in batches]
        comparison = Comparison.parse(*self._engine.compare(ids, metric, baseline))
        if baseline is not None and comparison.baseline is None:
            names = [line["name"] for line in comparison.variants]
            raise ConfigurationError(f"no variant is called {baseline!r}; there are {names}")
        return comparison

    def register(self, workflow: object) -> Workflow:
        """Make a workflow known by its name, so that stored batches find it after a restart."""
        return self._registry.register(workflow)

    def execution(self, id: str) -> Execution:  # noqa: A002
        """Return an execution by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        return Execution(self._engine, self._engine.execution(self._engine.find_execution(id)))

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
        found = self._batch_id(batch)
        rows = self._engine.executions(
            found, False, statuses, variant, case_id, workflow, False, limit
        )
        return [Execution(self._engine, row) for row in rows]

    def batch(self, id: str) -> Batch:  # noqa: A002
        """Return a batch by id, unique prefix, or "latest".

        Raises:
            NotFoundError: There is none.
            AmbiguousIdError: The prefix fits several.
        """
        found = self._engine.find_batch(id)
        return Batch(self._engine, found, self._drives.get(found))

    def batches(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Batch]:
        """Return batches, newest first; `name` has to be contained in theirs."""
        found = json.loads(self._engine.batches(workflow, status, name, limit))
        return [Batch(self._engine, one["id"], self._drives.get(one["id"])) for one in found]

    def dead_letters(self, batch: Batch | str | None = None) -> Sequence[Execution]:
        """Return executions that spent their retries; `retry` takes them off this list."""
        found = self._batch_id(batch)
        rows = self._engine.executions(found, False, [], None, None, None, True, None)
        return [Execution(self._engine, row) for row in rows]

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
            batch=self._batch_id(batch),
            execution=None if one is None else self._engine.find_execution(one),
            kinds=kinds,
            since=since,
            until=until,
            after=after,
        )

    def close(self) -> None:
        """Close the store. Batches under way are stopped and can be resumed later."""
        with self._lock:
            drives, self._drives = list(self._drives.values()), {}
        for drive in drives:
            if drive.active.is_under_way():
                drive.active.abandon()
        self.events.close()
        self._engine.close()

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

    def _single(
        self,
        workflow: object,
        initial_state: object,
        variant: VariantLike | None,
        config: Mapping[str, Any] | None,
        context: Any,
        timeout: float | None,
        seed: int,
        runner: str | BatchTestRunner,
        checkpoints: str,
    ) -> "tuple[ActiveBatchRef, Drive]":
        self._engine.check_process()
        _plan.check_checkpoints(checkpoints)
        place = resolve_runner(runner)
        _plan.warn_of_inline_timeout(place, timeout)
        owner = as_workflow(workflow)
        variants = normalise_variants(owner, [variant if variant is not None else Variant()])
        case = Case(initial_state, id="input")
        job = Job(owner, variants, [case], config, context)
        job.check()
        payload = _values.dump(initial_state, "the initial state", [])
        active = self._engine.submit_single(
            owner.name,
            _plan.name_of(variants[0]),
            payload,
            _plan.checked_seed(seed),
            _plan.milliseconds(timeout, "timeout"),
        )
        return active, Drive(active, job, place, 1)

    def _create(
        self,
        workflow: object,
        variants: Sequence[VariantLike],
        test_cases: Sequence[Case | Mapping[str, Any]],
        evaluators: Sequence[Any],
        limit: int | None,
        runner: str | BatchTestRunner,
        max_workers: int | None,
        evaluator_timeout: float,
        config: Mapping[str, Any] | None,
        context: Any,
        name: str | None,
        checkpoints: str,
        progress: ProgressLike,
        **settings: Any,
    ) -> tuple[Batch, Drive]:
        self._engine.check_process()
        _plan.check_checkpoints(checkpoints)
        place = resolve_runner(runner)
        _plan.warn_of_inline_timeout(place, settings["timeout"])
        workers = _plan.worker_count(place, max_workers)
        owner = as_workflow(workflow)
        cases = _plan.limited(normalise_cases(test_cases), limit)
        resolved = resolve_evaluators(evaluators)
        job = Job(owner, normalise_variants(owner, variants), cases, config, context)
        job.check()
        front = _restore.describe_settings(config, context)
        spec = _plan.batch_spec(
            place.kind, workers, resolved, evaluator_timeout, front=front, **settings
        )
        active = self._engine.submit(
            name,
            owner.name,
            _plan.reference_of(workflow, owner),
            json.dumps(spec),
            [(_plan.name_of(one), _restore.describe_variant(one)) for one in job.variants],
            _plan.case_rows(cases),
        )
        return self._driven(active, job, resolved, place, workers, progress, evaluator_timeout)

    def _driven(
        self,
        active: "ActiveBatchRef",
        job: Job,
        evaluators: Sequence[Evaluator],
        place: BatchTestRunner,
        workers: int,
        progress: ProgressLike,
        evaluator_timeout: float,
    ) -> tuple[Batch, Drive]:
        from wtb._scoring import ScoringPool

        cases = {one.id: one for one in job.cases}

        def load(execution: str) -> tuple[Execution, Case]:
            found = Execution(self._engine, self._engine.execution(execution))
            return found, cases[found.case_id]

        scoring = (
            ScoringPool(active, evaluators, load, timeout=evaluator_timeout) if evaluators else None
        )
        drive = Drive(active, job, place, workers, scoring, progress)
        found = active.id or ""
        with self._lock:
            self._jobs[found] = (job, evaluators)
            self._drives[found] = drive
        return Batch(self._engine, found, drive), drive

    def _take_up(
        self,
        data: Mapping[str, Any],
        job: Job,
        evaluators: Sequence[Evaluator],
        begin: "Callable[[], ActiveBatchRef]",
        runner: str | BatchTestRunner | None,
        max_workers: int | None,
        progress: ProgressLike,
    ) -> Batch:
        self._engine.check_process()
        spec = data["spec"]
        place = resolve_runner(runner or spec["runner"])
        workers = _plan.worker_count(place, max_workers or spec["max_workers"])
        timeout = spec["front"].get("evaluator_timeout", 60.0)
        batch, drive = self._driven(begin(), job, evaluators, place, workers, progress, timeout)
        drive.run()
        return batch

    def _retry_in_batch(
        self,
        batch: str,
        executions: Sequence[Execution],
        errors_only: bool,
        workflow: object,
        progress: ProgressLike,
    ) -> Batch:
        chosen = [one.id for one in executions if _plan.is_retried(one, errors_only)]
        data = self._stored(batch)
        if not chosen:
            return self.batch(batch)
        job, known = self._job(data, workflow, None)
        return self._take_up(
            data, job, known, lambda: self._engine.retry(batch, chosen), None, None, progress
        )

    def _retry_single(
        self, execution: Execution, errors_only: bool, workflow: object
    ) -> Execution:
        if not _plan.is_retried(execution, errors_only):
            return execution
        owner = (
            as_workflow(workflow) if workflow is not None else self._registry.get(execution.workflow)
        )
        if execution.variant != "baseline":
            raise ConfigurationError(
                f"execution {execution.id} ran variant {execution.variant!r}, which a single "
                "execution does not keep: call run() again with that variant"
            )
        variants = normalise_variants(owner, [Variant()])
        job = Job(owner, variants, [Case(execution.input, id="input")])
        job.check()
        active = self._engine.retry_single(execution.id, None)
        Drive(active, job, resolve_runner("inline"), 1).run()
        return self.execution(execution.id)

    def _job(
        self,
        data: Mapping[str, Any],
        workflow: object,
        evaluators: Sequence[Any] | None,
        **settings: Any,
    ) -> tuple[Job, Sequence[Evaluator]]:
        """Return what workers and evaluators of a stored batch need, known or found again."""
        known = self._jobs.get(data["id"])
        given_again = [workflow, evaluators, *settings.values()]
        if known is not None and all(one is None for one in given_again):
            return known
        owner = _restore.restore_workflow(data, workflow, self._registry)
        job = Job(
            owner,
            _restore.restore_variants(self._engine, data["id"], owner),
            _restore.restore_cases(self._engine, data["id"]),
            *_restore.restore_settings(data, settings),
        )
        job.check()
        if evaluators is not None:
            return job, resolve_evaluators(evaluators)
        return job, restore_evaluators(data["spec"]["evaluators"])

    def _stored(self, batch: Batch | str) -> dict[str, Any]:
        found = batch.id if isinstance(batch, Batch) else self._engine.find_batch(batch)
        data: dict[str, Any] = json.loads(self._engine.batch(found))
        return data

    def _batch_id(self, batch: Batch | str | None) -> str | None:
        if batch is None or isinstance(batch, Batch):
            return None if batch is None else batch.id
        return self._engine.find_batch(batch)

    async def _await(self, batch: Batch) -> Batch:
        try:
            return await asyncio.to_thread(batch.wait)
        except asyncio.CancelledError:
            if batch.is_under_way:
                batch.stop()
            raise
