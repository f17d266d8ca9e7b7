"""Runners: the places that workers live in. Here those of this process: inline and threads.

A runner only brings workers to a batch; what is run next, retried or given up is the engine's
decision, whatever the runner.
"""

import itertools
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from wtb import _plan, _values
from wtb._environments import ENV_VARS, refuse_environments
from wtb._job import attempted
from wtb._warn import warn_caller
from wtb.errors import ConfigurationError, WtbError, did_you_mean
from wtb.processes.runner import ProcessBatchTestRunner
from wtb.standalone import StandaloneRunner

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import ActiveBatchRef

__all__ = [
    "BatchTestRunner",
    "ProcessBatchTestRunner",
    "SequentialBatchTestRunner",
    "ThreadPoolBatchTestRunner",
    "resolve_runner",
]

POLL_S = 0.5
"""How long a worker waits for work before it looks whether anything else has happened."""

STUCK_GRACE_S = 0.5
"""How long after its deadline a thread may still be in user code before it is replaced."""

LEAVE_GRACE_S = 0.5
"""How long the end of a batch waits for threads that are still in user code."""

MAX_STUCK_PER_WORKER = 8
"""How many threads each worker of a pool may have left behind before the batch is given up."""


@runtime_checkable
class BatchTestRunner(Protocol):
    """What `run_batch(runner=...)` takes beside a name.

    Attributes:
        kind: What the store calls it, for example `"thread"`.
        max_workers: How many attempts run at once; None leaves it to the batch.
    """

    @property
    def kind(self) -> str:
        """What the store calls it."""
        ...

    @property
    def max_workers(self) -> int | None:
        """How many attempts run at once."""
        ...

    def drive(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        """Bring workers to a batch and return when nothing more will come for them.

        Args:
            active: The handle to poll for tasks and to deliver outcomes to.
            job: The workflow, variants and cases that tasks refer to by number.
            workers: How many attempts to run at once.
        """
        ...


class _Worker:
    """One worker: polls for tasks on the thread that calls `run`."""

    def __init__(
        self, active: "ActiveBatchRef", job: "Job", name: str, replaces: str | None = None
    ) -> None:
        self._active = active
        self._job = job
        self._name = name
        self._replaces = replaces
        self.key: int | None = None

    def run(self) -> None:
        """Make attempts until the batch has none left for this worker."""
        started = perf_counter()
        adapter = self._job.adapter()
        try:
            ready_ms = round((perf_counter() - started) * 1000)
            self.key = self._active.join(self._name, ready_ms, self._replaces)
            while (task := self._active.poll(self.key, POLL_S)) is not False:
                if task is not None:
                    self._active.complete(task, attempted(self._job, adapter, task))
        finally:
            adapter.close()
        self._active.leave(self.key)


class SequentialBatchTestRunner(StandaloneRunner):
    """Runs one attempt after the other on the calling thread: the fallback, and the debugger's.

    Timeouts and cancelling take effect between two nodes only.

    Args:
        **standalone: Where a runner that is used without a bench keeps its results, see
            `wtb.standalone.StandaloneRunner`.

    Example:
        >>> runner = SequentialBatchTestRunner()                                # doctest: +SKIP
        >>> bench.run_batch(graph, variants=[{}], test_cases=cases, runner=runner)
        ... # doctest: +SKIP
    """

    kind: ClassVar[str] = "inline"

    def __init__(self, **standalone: Any) -> None:
        super().__init__(**standalone)
        self.max_workers: int | None = 1

    def drive(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        """Make every attempt on the calling thread; see `BatchTestRunner.drive`."""
        del workers  # There is one calling thread.
        active.pool_created(self.kind, 1)
        _Worker(active, job, "inline-1").run()


class ThreadPoolBatchTestRunner(StandaloneRunner):
    """Runs attempts on threads: for graphs that wait on network calls.

    Every thread has its own adapter and graphs. A timeout makes the attempt timed out at its
    deadline; a thread that is still in user code then is left behind, reported, and replaced. The
    same becomes of a thread whose attempt was cancelled.

    Args:
        max_workers: How many threads; by default the batch's `max_workers`.
        **standalone: Where a runner that is used without a bench keeps its results, see
            `wtb.standalone.StandaloneRunner`.
    """

    kind: ClassVar[str] = "thread"

    def __init__(self, max_workers: int | None = None, **standalone: Any) -> None:
        super().__init__(**standalone)
        self.max_workers: int | None = _plan.count_or_none(max_workers, "max_workers")

    def drive(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        """Make attempts on `workers` threads; see `BatchTestRunner.drive`."""
        _ThreadPool(active, job, workers).run()


class _ThreadPool:
    """The threads of one batch, and the watch over those that get stuck."""

    def __init__(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        self._active = active
        self._job = job
        # More threads than executions would have nothing to do.
        self._size = max(1, min(workers, len(active.executions())))
        self._numbers = itertools.count(1)
        self._threads: dict[str, threading.Thread] = {}
        self._left = threading.Condition()
        self._left_behind: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def run(self) -> None:
        self._active.pool_created("thread", self._size)
        for _ in range(self._size):
            self._spawn()
        while self._active.is_under_way() and self._failure is None:
            with self._left:
                if not self._threads:
                    break
                self._left.wait(0.1)
            self._replace_stuck()
        self._wait_for_leavers()
        if self._failure is not None:
            raise self._failure

    def _spawn(self, replaces: str | None = None) -> None:
        name = f"thread-{next(self._numbers)}"
        worker = _Worker(self._active, self._job, name, replaces)
        # A thread that is stuck in user code must not keep the program from ending.
        thread = threading.Thread(
            target=self._work, args=(worker, name), name=f"wtb-{name}", daemon=True
        )
        with self._left:
            self._threads[name] = thread
        thread.start()

    def _work(self, worker: _Worker, name: str) -> None:
        try:
            worker.run()
        except BaseException as error:
            self._lose(worker, error)
        finally:
            with self._left:
                self._threads.pop(name, None)
                self._left.notify_all()

    def _lose(self, worker: _Worker, error: BaseException) -> None:
        with self._left:
            self._failure = self._failure or error
        if worker.key is not None:
            # After an error of the store nothing more can be reported.
            with suppress(WtbError):
                reason = "".join(traceback.format_exception_only(error)).strip()
                self._active.fail(worker.key, _values.printable(reason))

    def _replace_stuck(self) -> None:
        for key in self._active.stuck(STUCK_GRACE_S):
            name = self._active.worker_name(key)
            if name is None:
                continue
            self._active.fail(key, "still in user code after its attempt was over")
            with self._left:
                thread = self._threads.pop(name, None)
            self._left_behind = [one for one in self._left_behind if one.is_alive()]
            if thread is not None:
                self._left_behind.append(thread)
            if len(self._left_behind) > MAX_STUCK_PER_WORKER * self._size:
                self._failure = WtbError(
                    f"{len(self._left_behind)} threads are stuck in user code although their "
                    "attempts are over; a thread cannot be stopped from outside: make the nodes "
                    "stop in time (wtb.current().cancelled tells them). The batch can be resumed"
                )
                return
            self._spawn(replaces=name)

    def _wait_for_leavers(self) -> None:
        until = monotonic() + LEAVE_GRACE_S
        with self._left:
            while self._threads and (rest := until - monotonic()) > 0:
                self._left.wait(rest)


RAY = "ray"
"""The kind of the runner on a cluster."""


def _ray(**options: Any) -> BatchTestRunner:
    """Return a runner on a cluster that leaves nothing there after its batch."""
    from wtb.ray import RayBatchTestRunner

    return RayBatchTestRunner(**{**options, "keep_actors": False})


_RUNNERS: dict[str, Callable[..., BatchTestRunner]] = {
    "inline": SequentialBatchTestRunner,
    "thread": ThreadPoolBatchTestRunner,
    "process": ProcessBatchTestRunner,
    RAY: _ray,
}


def describe_place(runner: BatchTestRunner) -> Mapping[str, Any]:
    """Return the options that make a runner again, with its kind."""
    return runner.describe() if isinstance(runner, StandaloneRunner) else {}


def place_again(kind: str, options: Mapping[str, Any]) -> BatchTestRunner:
    """Return the runner that goes on with one execution.

    That is processes for one that ran in some, since its nodes may rely on a working directory or
    an environment of their own; and else the calling thread.

    Args:
        kind: What the store calls the runner that it ran with.
        options: The arguments of that.
    """
    if kind == ProcessBatchTestRunner.kind:
        return resolve_runner(kind, options)
    if kind == RAY:
        return _as_on_cluster(options)
    return SequentialBatchTestRunner()


def _as_on_cluster(options: Mapping[str, Any]) -> ProcessBatchTestRunner:
    """Return processes of this machine with what is left here of an actor's environment."""
    environment = options.get("config", {}).get("runtime_env") or {}
    lost = [key for key in environment if key != ENV_VARS]
    if lost:
        warn_caller(
            f"the executions of the batch had {', '.join(lost)} of the cluster's runtime_env; what "
            "goes on by itself runs in processes of this machine, without",
            RuntimeWarning,
        )
    given = options.get("processes", {})
    variables = {**environment.get(ENV_VARS, {}), **given.get("environment", {})}
    return ProcessBatchTestRunner(**{**given, "environment": variables})


def deadline_grace_s(runner: BatchTestRunner) -> float:
    """Return how much later than the deadline the engine itself ends a single execution."""
    return runner.deadline_grace_s if isinstance(runner, StandaloneRunner) else 0.0


def losses_max(runner: BatchTestRunner) -> int:
    """Return how many lost attempts of an execution are followed by another one."""
    return runner.losses_max if isinstance(runner, StandaloneRunner) else _plan.LOSSES_MAX


def timeout_s(runner: BatchTestRunner) -> float | None:
    """Return how long an attempt may take with a runner, unless the batch says it."""
    return runner.timeout_s if isinstance(runner, StandaloneRunner) else None


def check_single(runner: BatchTestRunner) -> None:
    """Refuse a runner that is for batches alone.

    Raises:
        ConfigurationError: It is.
    """
    if runner.kind == RAY:
        raise ConfigurationError(
            "a single execution is run on this machine: use runner='process', or run_batch() for a "
            "cluster"
        )


def with_isolation(
    runner: "str | BatchTestRunner", isolation: str | None
) -> "str | BatchTestRunner":
    """Return a runner of the isolation that was asked for.

    Raises:
        ConfigurationError: The runner has no isolation to choose, or has chosen.
    """
    if isolation is None:
        return runner
    if runner == RAY:
        return resolve_runner(runner, {"processes": {"isolation": isolation}})
    if runner != ProcessBatchTestRunner.kind:
        raise ConfigurationError(
            "isolation= goes with runner='process' and 'ray'; to a runner of your own, or to "
            "ProcessBatchTestRunner, it is given when that is made"
        )
    return resolve_runner(runner, {"isolation": isolation})


def check_place(runner: BatchTestRunner, job: "Job") -> None:
    """Refuse, before anything is run, a job that a runner cannot run.

    Raises:
        ConfigurationError: Something of it cannot reach the runner's workers.
    """
    if isinstance(runner, StandaloneRunner):
        runner.check(job)
    else:
        refuse_environments(job.variants, runner.kind)


def resolve_runner(
    runner: "str | BatchTestRunner", options: "Mapping[str, Any] | None" = None
) -> BatchTestRunner:
    """Return the runner that a name stands for, or the runner itself.

    Args:
        runner: The name, or the runner.
        options: Arguments for the runner that is named.

    Raises:
        ConfigurationError: There is no runner of that name, or the object is none.
    """
    if isinstance(runner, str):
        make = _RUNNERS.get(runner)
        if make is None:
            raise ConfigurationError(
                f"there is no runner {runner!r}. "
                f"{did_you_mean(runner, list(_RUNNERS), listed_as='the runners')}"
            )
        return make(**(options or {}))
    if not isinstance(runner, BatchTestRunner):
        raise ConfigurationError(
            f"runner is {runner!r}; give 'inline', 'thread', 'process', 'ray', or an object with "
            "kind, max_workers and drive()"
        )
    return runner
