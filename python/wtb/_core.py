"""Behind the bench: creates, takes up and drives batches and single executions."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from wtb import _plan, _restore, _values
from wtb._answers import resolve_on_interrupt
from wtb._arguments import Again, SingleArguments
from wtb._drive import Drive, ProgressLike
from wtb._evaluator import check_timeout
from wtb._job import Job
from wtb._loop_attempt import DEADLINE_GRACE_S
from wtb._native import EngineRef, LineagesRef
from wtb._restore_single import describe_single
from wtb._scoring import ScoringPool
from wtb.batch import Batch
from wtb.cases import Case, normalise_cases
from wtb.evaluators import Evaluator, resolve_evaluators
from wtb.execution import CaseRows, Execution
from wtb.registry import Registry, registered
from wtb.runners import (
    BatchTestRunner,
    check_place,
    check_single,
    deadline_grace_s,
    describe_place,
    losses_max,
    resolve_runner,
    timeout_s,
    with_isolation,
)
from wtb.variants import Variant, VariantLike, normalise_variants
from wtb.workflow import as_workflow
from wtb.workspace import WorkspaceLike, check_workspaces, workspace_spec

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["Core", "Plan"]

JOBS_MAX = 64
"""Of so many batches and single executions a bench remembers workflow and variants as objects."""


class Plan(NamedTuple):
    """What workers and evaluators of a batch need, and how it is driven."""

    job: Job
    evaluators: Sequence[Evaluator]
    place: BatchTestRunner
    workers: int
    evaluator_timeout: float
    progress: ProgressLike


def moved(spec: Mapping[str, Any], plan: Plan) -> str | None:
    """Return what is asked of a stored batch that runs elsewhere from now on, as JSON.

    Args:
        spec: What is asked of it as it is stored.
        plan: Where and how it is driven.

    Returns:
        None where nothing changes.
    """
    place = plan.place
    options = {**spec["front"].get("runner", {}), place.kind: describe_place(place)}
    now = {
        **spec,
        "runner": place.kind,
        "max_workers": plan.workers,
        "timeout_ms": _plan.milliseconds(plan.job.timeout, "timeout"),
        "losses_max": losses_max(place),
        "front": {**spec["front"], "runner": options},
    }
    return None if now == spec else json.dumps(now)


class Core:
    """An open engine, the workflows known by name, and what this program drives.

    Args:
        url: The store's address.
        workspaces: The directory that workspaces are made in.
        workspaces_max: How many bytes those that are kept may take.
        objects: The directory for the bytes of large objects, if it is to be set.
    """

    def __init__(
        self, url: str, workspaces: str, workspaces_max: int, objects: str | None = None
    ) -> None:
        self.engine = EngineRef(url, workspaces, workspaces_max, objects)
        self._places = (workspaces, _plan.store_file(url))
        self.lineages = LineagesRef(self.engine)
        self.checkpoints = self.engine.checkpoints()
        self.registry = Registry(registered)
        # What drives a batch is kept by its thread while it runs, then by its `Batch` objects.
        self._drives: WeakValueDictionary[str, Drive] = WeakValueDictionary()
        self._jobs: OrderedDict[str, tuple[Job, Sequence[Evaluator]]] = OrderedDict()
        self._lock = threading.Lock()

    def single(
        self,
        workflow: object,
        initial_state: object,
        runner: str | BatchTestRunner,
        arguments: SingleArguments,
        *,
        on_loop: bool = False,
    ) -> tuple[str, Drive]:
        """Create a single execution, ready to be driven; returns its id and its drive.

        With `on_loop` the caller's event loop makes the attempt, and keeps its deadline.
        """
        self.engine.check_process()
        breakpoints = _plan.node_names(arguments["breakpoints"])
        _plan.check_checkpoints(arguments["checkpoints"], breakpoints, None, ())
        place = resolve_runner(runner)
        if not on_loop:
            _plan.warn_of_inline_timeout(place, arguments["timeout"])
        owner = as_workflow(workflow)
        variant = arguments["variant"]
        variants = normalise_variants(owner, [Variant() if variant is None else variant])
        case = Case(initial_state, id="input")
        job = Job(
            owner,
            variants,
            [case],
            arguments["config"],
            arguments["context"],
            arguments["checkpoints"],
            breakpoints,
            timeout=arguments["timeout"],
            workspace=workspace_spec(arguments["workspace"]),
        )
        job.check()
        check_workspaces(job, self._places, place.kind)
        check_single(place)
        check_place(place, job)
        timeout_ms = _plan.milliseconds(arguments["timeout"], "timeout")
        if timeout_ms is not None:
            timeout_ms += round(1000 * (DEADLINE_GRACE_S if on_loop else deadline_grace_s(place)))
        active = self.engine.submit_single(
            _plan.storable(owner.name, "the workflow's name"),
            _plan.name_of(variants[0]),
            _values.dump(initial_state, "the initial state", []),
            _plan.checked_seed(arguments["seed"]),
            timeout_ms,
            job.checkpoints != "off",
            json.dumps(job.workspace),
            json.dumps(
                describe_single(
                    job,
                    _plan.reference_of(workflow, owner),
                    arguments["timeout"],
                    (place.kind, describe_place(place)),
                )
            ),
        )
        return self.driven_single(Drive(active, job, place, 1), job)

    def driven_single(self, drive: Drive, job: Job) -> tuple[str, Drive]:
        """Make a single execution known to `cancel` and `retry`; returns its id and its drive."""
        execution = self.enter_single(drive)
        self.remember(execution, job, ())
        return execution, drive

    def enter_single(self, drive: Drive) -> str:
        """Make a single execution known to `cancel`; returns its id."""
        (execution,) = drive.active.executions()
        self._drives[execution] = drive
        return execution

    def drive(self, id: str) -> Drive | None:  # noqa: A002
        """Return what drives a single execution in this program, while it is under way."""
        drive = self._drives.get(id)
        return drive if drive is not None and drive.active.is_under_way() else None

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
        checkpoints: str = "step",
        breakpoints: Sequence[str] = (),
        on_interrupt: Callable[..., Any] | str | None = None,
        progress: ProgressLike = None,
        isolation: str | None = None,
        workspace: WorkspaceLike | None = None,
        **settings: Any,
    ) -> tuple[Batch, Drive]:
        """Create a batch, ready to be driven."""
        self.engine.check_process()
        _plan.check_progress(progress)
        place = resolve_runner(with_isolation(runner, isolation))
        if settings.get("timeout") is None:
            settings["timeout"] = timeout_s(place)
        _plan.warn_of_inline_timeout(place, settings.get("timeout"))
        workers = _plan.worker_count(place, max_workers)
        patience = check_timeout(evaluator_timeout, "the evaluators")
        owner = as_workflow(workflow)
        cases = _plan.limited(normalise_cases(test_cases), limit)
        stops = _plan.node_names(breakpoints)
        _plan.check_checkpoints(checkpoints, stops, on_interrupt, cases)
        resolved = resolve_evaluators(evaluators)
        job = Job(
            owner,
            normalise_variants(owner, variants),
            cases,
            config,
            context,
            checkpoints,
            stops,
            resolve_on_interrupt(on_interrupt),
            timeout=settings.get("timeout"),
            workspace=workspace_spec(workspace),
        )
        job.check()
        check_workspaces(job, self._places, place.kind)
        check_place(place, job)
        front = _restore.describe_settings(config, context, stops, job.on_interrupt)
        spec = _plan.batch_spec(
            place.kind,
            workers,
            resolved,
            patience,
            front={**front, "runner": {place.kind: describe_place(place)}},
            checkpoints=checkpoints,
            workspace=job.workspace,
            losses_max=losses_max(place),
            **settings,
        )
        active = self.engine.submit(
            _plan.text_or_none(name, "name"),
            _plan.storable(owner.name, "the workflow's name"),
            _plan.reference_of(workflow, owner),
            json.dumps(spec),
            _restore.variant_rows(job, job.variants),
            _plan.case_rows(cases),
        )
        return self._driven(active, Plan(job, resolved, place, workers, patience, progress))

    def take_up(self, plan: Plan, begin: "Callable[[], ActiveBatchRef]") -> tuple[Batch, Drive]:
        """Return a stored batch that `begin` takes up, ready to be driven."""
        self.engine.check_process()
        check_place(plan.place, plan.job)
        return self._driven(begin(), plan)

    def plan(
        self,
        data: Mapping[str, Any],
        again: Again,
        runner: str | BatchTestRunner | None = None,
        max_workers: int | None = None,
        progress: ProgressLike = None,
    ) -> Plan:
        """Return what is needed to take up a stored batch, known or found again."""
        _plan.check_progress(progress)
        spec = data["spec"]
        place = resolve_runner(
            spec["runner"] if runner is None else runner,
            # A stored batch keeps what its own runner was made with.
            spec["front"].get("runner", {}).get(spec["runner"] if runner is None else runner),
        )
        asked = spec["max_workers"] if max_workers is None else max_workers
        workers = _plan.worker_count(place, asked)
        known = self.remembered(data["id"])
        job = self.job_of_batch(data, again)
        if job.timeout is None and timeout_s(place) is not None:
            job = replace(job, timeout=timeout_s(place))
        evaluators = _restore.restore_batch_evaluators(
            data, again.evaluators, () if known is None else known[1]
        )
        patience = spec["front"]["evaluator_timeout"]
        return Plan(job, evaluators, place, workers, patience, progress)

    def job_of_batch(self, data: Mapping[str, Any], again: Again) -> Job:
        """Return what a stored batch runs, known or found again.

        Raises:
            WorkflowNotBoundError: Its workflow or a variant cannot be found again.
        """
        known = self.remembered(data["id"])
        anew = known is None or any(one is not None for one in again._replace(evaluators=None))
        return self._job_again(data, again) if known is None or anew else known[0]

    def remembered(self, id: str) -> tuple[Job, Sequence[Evaluator]] | None:  # noqa: A002
        """Return what this bench ran a batch or single execution with, if it still knows."""
        with self._lock:
            if id in self._jobs:
                self._jobs.move_to_end(id)
            return self._jobs.get(id)

    def driven_batches(self) -> list[Batch]:
        """Return the batches that this program created or took up, as far as it remembers them."""
        with self._lock:
            ids = [id for id in self._jobs if id.startswith("b_")]  # noqa: A001
        return [self.batch(one) for one in ids]

    def remember(self, id: str, job: Job, evaluators: Sequence[Evaluator]) -> None:  # noqa: A002
        """Keep what a batch or single execution is run with, for when it is taken up again."""
        with self._lock:
            self._jobs[id] = (job, evaluators)
            self._jobs.move_to_end(id)
            while len(self._jobs) > JOBS_MAX:
                self._jobs.popitem(last=False)

    def stored(self, batch: Batch | str) -> dict[str, Any]:
        """Return what the store says of a batch."""
        data: dict[str, Any] = json.loads(self.engine.batch(self.batch_id(batch)))
        return data

    def batch_id(self, batch: Batch | str) -> str:
        """Return the id of a batch that is given as itself, an id, a prefix, or "latest"."""
        return (
            batch.id
            if isinstance(batch, Batch)
            else self.engine.find_batch(_plan.findable(batch, "batch"))
        )

    def execution_id(self, execution: Execution | str) -> str:
        """Return the id of an execution that is given as itself, an id, a prefix, or "latest"."""
        if isinstance(execution, Execution):
            return execution.id
        return self.engine.find_execution(_plan.findable(execution, "execution"))

    def batch(self, id: str) -> Batch:  # noqa: A002
        """Return a batch by its whole id."""
        return Batch(self.engine, id, self._drives)

    def execution(self, id: str) -> Execution:  # noqa: A002
        """Return an execution by its whole id: a cell that goes on by itself as it stands now."""
        return Execution(
            self.engine,
            self.engine.execution(self.engine.find_standing(_plan.findable(id, "execution"))),
        )

    def cell(self, id: str) -> Execution:  # noqa: A002
        """Return an execution as its batch keeps it, also when it goes on by itself."""
        return Execution(self.engine, self.engine.execution(id))

    def close_batches(self) -> None:
        """Leave batches under way to a later session.

        Raises:
            ForkedProcessError: They are under way in the process that this one was forked from.
        """
        self.engine.check_process()
        for drive in list(self._drives.values()):
            drive.close()

    def _driven(self, active: "ActiveBatchRef", plan: Plan) -> tuple[Batch, Drive]:
        cases = {one.id: one for one in plan.job.cases}
        rows = CaseRows(self.engine)

        def load(execution: str) -> tuple[Execution, Case]:
            found = Execution(self.engine, self.engine.execution(execution), rows)
            return found, cases[found.case_id]

        scoring = None
        if plan.evaluators:
            scoring = ScoringPool(active, plan.evaluators, load, timeout=plan.evaluator_timeout)
        drive = Drive(active, plan.job, plan.place, plan.workers, scoring, plan.progress)
        found = active.id or ""
        self._drives[found] = drive
        self.remember(found, plan.job, plan.evaluators)
        return self.batch(found), drive

    def _job_again(self, data: Mapping[str, Any], again: Again) -> Job:
        what, front = f"batch {data['id']}", data["spec"]["front"]
        owner = _restore.restore_workflow(
            what, data["workflow"], data["reference"], front, again.workflow, self.registry
        )
        described = self.engine.variants(data["id"])
        stored = [(name, json.loads(text)) for name, text in described]
        variants = _restore.restore_variants(what, stored, owner, again.variants)
        settings = _restore.restore_settings(what, front, again)
        job = Job(
            owner,
            variants,
            _restore.restore_cases(self.engine, data["id"]),
            settings.config,
            settings.context,
            data["spec"]["checkpoints"],
            front["breakpoints"],
            settings.on_interrupt,
            timeout=_plan.seconds_or_none(data["spec"]["timeout_ms"]),
            workspace=data["spec"]["workspace"],
        )
        _plan.check_checkpoints(job.checkpoints, (), settings.on_interrupt, job.cases)
        job.check_variants()
        _restore.check_graphs(self.engine, data["id"], job)
        job.check_cases()
        return job
