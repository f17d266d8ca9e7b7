"""Behind the bench: creates, takes up and drives batches and single executions."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict

from wtb import _plan, _restore, _values
from wtb._drive import Drive, ProgressLike
from wtb._job import Job
from wtb._native import EngineRef
from wtb.batch import Batch
from wtb.cases import Case, normalise_cases
from wtb.evaluators import Evaluator, resolve_evaluators, restore_evaluators
from wtb.execution import Execution
from wtb.registry import Registry, registered
from wtb.runners import BatchTestRunner, resolve_runner
from wtb.variants import Variant, VariantLike, normalise_variants
from wtb.workflow import as_workflow

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["BatchArguments", "Core"]


class BatchArguments(TypedDict, total=False):
    """What a batch is made of; `TestBench.run_batch` says what each means."""

    variants: Required[Sequence[VariantLike]]
    test_cases: Required[Sequence[Case | Mapping[str, Any]]]
    evaluators: Sequence[Any]
    metric: str | None
    repeats: int
    runner: str | BatchTestRunner
    max_workers: int | None
    timeout: float | None
    retries: int
    backoff: float
    error: Literal["zero", "exclude", "fail"]
    fail_fast: bool | int | float | None
    limit: int | None
    window: int | None
    evaluator_timeout: float
    config: Mapping[str, Any] | None
    context: Any
    name: str | None
    seed: int
    checkpoints: Literal["off"]
    progress: ProgressLike


class SingleArguments(TypedDict):
    """What a single execution is made of; `TestBench.run` says what each means."""

    variant: VariantLike | None
    config: Mapping[str, Any] | None
    context: Any
    timeout: float | None
    seed: int
    checkpoints: str


class Core:
    """An open engine, the workflows known by name, and what this program drives.

    Args:
        url: The store's address.
    """

    def __init__(self, url: str) -> None:
        self.engine = EngineRef(url)
        self.registry = Registry(registered)
        self._jobs: dict[str, tuple[Job, Sequence[Evaluator]]] = {}
        self._drives: dict[str, Drive] = {}
        self._lock = threading.Lock()

    def single(
        self,
        workflow: object,
        initial_state: object,
        runner: str | BatchTestRunner,
        arguments: SingleArguments,
    ) -> "tuple[ActiveBatchRef, Drive]":
        """Create a single execution, ready to be driven."""
        self.engine.check_process()
        _plan.check_checkpoints(arguments["checkpoints"])
        place = resolve_runner(runner)
        _plan.warn_of_inline_timeout(place, arguments["timeout"])
        owner = as_workflow(workflow)
        variant = arguments["variant"]
        variants = normalise_variants(owner, [Variant() if variant is None else variant])
        case = Case(initial_state, id="input")
        job = Job(owner, variants, [case], arguments["config"], arguments["context"])
        job.check()
        active = self.engine.submit_single(
            owner.name,
            _plan.name_of(variants[0]),
            _values.dump(initial_state, "the initial state", []),
            _plan.checked_seed(arguments["seed"]),
            _plan.milliseconds(arguments["timeout"], "timeout"),
        )
        return active, Drive(active, job, place, 1)

    def create(
        self,
        workflow: object,
        *,
        variants: Sequence[VariantLike],
        test_cases: Sequence[Case | Mapping[str, Any]],
        evaluators: Sequence[Any] = (),
        limit: int | None = None,
        runner: str | BatchTestRunner = "thread",
        max_workers: int | None = None,
        evaluator_timeout: float = 60.0,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        name: str | None = None,
        checkpoints: str = "off",
        progress: ProgressLike = None,
        **settings: Any,
    ) -> tuple[Batch, Drive]:
        """Create a batch, ready to be driven."""
        self.engine.check_process()
        _plan.check_checkpoints(checkpoints)
        place = resolve_runner(runner)
        _plan.warn_of_inline_timeout(place, settings.get("timeout"))
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
        active = self.engine.submit(
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
            found = Execution(self.engine, self.engine.execution(execution))
            return found, cases[found.case_id]

        scoring = (
            ScoringPool(active, evaluators, load, timeout=evaluator_timeout) if evaluators else None
        )
        drive = Drive(active, job, place, workers, scoring, progress)
        found = active.id or ""
        with self._lock:
            self._jobs[found] = (job, evaluators)
            self._drives[found] = drive
        return Batch(self.engine, found, drive), drive

    def take_up(
        self,
        data: Mapping[str, Any],
        job: Job,
        evaluators: Sequence[Evaluator],
        begin: "Callable[[], ActiveBatchRef]",
        runner: str | BatchTestRunner | None,
        max_workers: int | None,
        progress: ProgressLike,
    ) -> Batch:
        """Drive a stored batch that `begin` takes up; see `TestBench.resume_batch`."""
        self.engine.check_process()
        spec = data["spec"]
        place = resolve_runner(runner or spec["runner"])
        workers = _plan.worker_count(place, max_workers or spec["max_workers"])
        timeout = spec["front"].get("evaluator_timeout", 60.0)
        batch, drive = self._driven(begin(), job, evaluators, place, workers, progress, timeout)
        drive.run()
        return batch

    def job(
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
        owner = _restore.restore_workflow(data, workflow, self.registry)
        job = Job(
            owner,
            _restore.restore_variants(self.engine, data["id"], owner),
            _restore.restore_cases(self.engine, data["id"]),
            *_restore.restore_settings(data, settings),
        )
        job.check()
        if evaluators is not None:
            return job, resolve_evaluators(evaluators)
        return job, restore_evaluators(data["spec"]["evaluators"])

    def stored(self, batch: Batch | str) -> dict[str, Any]:
        """Return what the store says of a batch."""
        found = batch.id if isinstance(batch, Batch) else self.engine.find_batch(batch)
        data: dict[str, Any] = json.loads(self.engine.batch(found))
        return data

    def batch_id(self, batch: Batch | str | None) -> str | None:
        """Return the id of a batch that is given as itself, an id, a prefix, or not at all."""
        if batch is None or isinstance(batch, Batch):
            return None if batch is None else batch.id
        return self.engine.find_batch(batch)

    def batch(self, id: str) -> Batch:  # noqa: A002
        """Return a batch by its whole id."""
        return Batch(self.engine, id, self._drives.get(id))

    def execution(self, id: str) -> Execution:  # noqa: A002
        """Return an execution by id, unique prefix, or "latest"."""
        return Execution(self.engine, self.engine.execution(self.engine.find_execution(id)))

    def close_batches(self) -> None:
        """Leave batches under way to a later session."""
        with self._lock:
            drives, self._drives = list(self._drives.values()), {}
        for drive in drives:
            if drive.active.is_under_way():
                drive.active.abandon()
