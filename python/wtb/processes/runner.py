"""The process runner: every attempt in a process of its own, forked from a template."""

import importlib.util
import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wtb import _native, _plan
from wtb._environments import ENV_VARS, refuse_environments, shares
from wtb.errors import ConfigurationError
from wtb.processes.launch import Launch
from wtb.processes.packing import Packed, pack, pack_plain
from wtb.processes.preload import modules_of
from wtb.standalone import StandaloneRunner

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import ActiveBatchRef

__all__ = ["ProcessBatchTestRunner"]

Isolation = Literal["fresh", "warm"]

GRACE_S_MAX = 20.0
"""How long workers may be given to end by themselves."""

DEADLINE_GRACE_S = 60.0
"""How much later than the attempt's deadline, which the supervisor keeps, the engine's is."""

_numbers = itertools.count(1)


class ProcessBatchTestRunner(StandaloneRunner):
    """Runs every attempt in a process: what it does to itself or to the system costs it alone.

    A template imports the workflow's module and what it uses, once; each attempt is a fork of it.
    An attempt that crashes, is killed or takes too long fails with a precise error, and all that it
    has started ends with it. What it prints is kept with the execution.

    Args:
        max_workers: How many processes at once; by default the batch's `max_workers`.
        isolation: "fresh" makes a process for each attempt, "warm" one for each worker, which then
            makes many attempts: quicker, and what nodes leave in memory is there for the next one.
        memory: Bytes that an attempt's processes may use together, or a text such as "2 GiB".
        cpu_time: Seconds of CPU time that each process of an attempt may use.
        nice: Added to the niceness of the processes, from 0 to 19.
        grace: Seconds from the request to end (SIGTERM) until everything is killed.
        environment: Environment variables, over those of this program.
        directory: The working directory; by default that of this program.
        preload: Further modules for the template to import.
        command: A program, with its arguments, that takes the worker's place; see
            `docs/worker-protocol.md`.
        **standalone: Where a runner that is used without a bench keeps its results, see
            `wtb.standalone.StandaloneRunner`.

    Raises:
        ConfigurationError: An argument cannot be used, or the system is not Linux.

    Example:
        >>> runner = ProcessBatchTestRunner(4, memory="2 GiB")                  # doctest: +SKIP
        >>> bench.run_batch(graph, variants=[{}], test_cases=cases, runner=runner)
        ... # doctest: +SKIP
    """

    kind: ClassVar[str] = "process"

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        isolation: Isolation = "fresh",
        memory: int | str | None = None,
        cpu_time: float | None = None,
        nice: int = 0,
        grace: float = 2.0,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        preload: Sequence[str] = (),
        command: Sequence[str] = (),
        **standalone: Any,
    ) -> None:
        super().__init__(**standalone)
        if not hasattr(_native, "ProcessesRef"):
            raise ConfigurationError(
                "the process runner is built for Linux only; use runner='thread' here"
            )
        if isolation not in ("fresh", "warm"):
            raise ConfigurationError(f"isolation is 'fresh' or 'warm', not {isolation!r}")
        if not 0 <= grace <= GRACE_S_MAX:
            raise ConfigurationError(f"grace is from 0 to {GRACE_S_MAX:g} seconds, not {grace!r}")
        if nice not in range(20):
            raise ConfigurationError(f"nice is from 0 to 19, not {nice!r}")
        if directory is not None:
            if not os.path.isdir(directory):
                raise ConfigurationError(
                    f"there is no directory {directory!r} for processes to be in"
                )
            directory = os.path.abspath(directory)
        _check_environment(environment or {})
        for module in preload:
            _check_module(module)
        self.max_workers: int | None = _plan.count_or_none(max_workers, "max_workers")
        self.isolation: Isolation = isolation
        self._options: Mapping[str, Any] = {
            "isolation": isolation,
            "memory": memory,
            "cpu_time": cpu_time,
            "nice": nice,
            "grace": grace,
            "environment": dict(environment or {}),
            "directory": directory,
            "preload": list(preload),
            "command": list(command),
        }
        self._limits: Mapping[str, Any] = {
            "memory_bytes": None if memory is None else byte_count(memory, "memory"),
            "cpu_s": None if cpu_time is None else max(1, round(cpu_time)),
            "renews_cpu": isolation == "warm",
            "nice": nice,
        }
        self._checked: tuple[Job, Packed] | None = None

    @property
    def deadline_grace_s(self) -> float:
        """Seconds that the engine's own deadline is later: the supervisor keeps the time."""
        return DEADLINE_GRACE_S

    def describe(self) -> Mapping[str, Any]:
        """Return the arguments that make such a runner again, as JSON."""
        return self._options

    def check(self, job: "Job") -> None:
        """Refuse a job that cannot be sent to another process."""
        refuse_environments(job.variants, self.kind, [ENV_VARS])
        self._checked = (job, self._pack(job))

    def drive(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        """Make attempts in `workers` processes at once; see `BatchTestRunner.drive`."""
        checked, self._checked = self._checked, None
        # Packed already, as a rule; a batch that is taken up again is not checked anew.
        packed = checked[1] if checked and checked[0] is job else self._pack(job)
        started: list[_native.ProcessesRef] = []
        pool = _Pool(active)
        try:
            environments = _environments(active, job)
            left = [active.outstanding(number) for number in range(len(environments))]
            # One for each at least, since attempts cannot change the environment of a worker.
            most = min(sum(left), max(workers, sum(map(bool, left))))
            for number, share in enumerate(shares(left, most)):
                if share:
                    launch = self.launch(packed, job.timeout).with_variables(environments[number])
                    started.append(self._started(active, number, launch, packed))
                    pool.add(started[-1], share)
            pool.run()
        finally:
            for processes in started:
                processes.close()

    def _pack(self, job: "Job") -> Packed:
        return pack_plain(job) if self._options["command"] else pack(job)

    def _started(
        self, active: "ActiveBatchRef", environment: int, launch: Launch, packed: Packed
    ) -> "_native.ProcessesRef":
        return launch.start(
            lambda settings: _native.ProcessesRef(
                active, environment, settings, packed.job, packed.cases
            )
        )

    def launch(self, packed: Packed, timeout: float | None) -> Launch:
        """Return how the processes of a job are started.

        Args:
            packed: The job.
            timeout: How long an attempt may take, in seconds.
        """
        options = self._options
        libraries, own = modules_of(packed.modules)
        return Launch(
            libraries=(*libraries, *options["preload"]),
            # A worker that makes many attempts imports them once anyway.
            own_modules=tuple(own) if self.isolation == "fresh" else (),
            preload=tuple(options["preload"]),
            limits=self._limits,
            directory=options["directory"],
            environment=tuple(options["environment"].items()),
            command=tuple(options["command"]),
            timeout_s=timeout,
            grace_s=options["grace"],
            is_fresh=self.isolation == "fresh",
        )


def _environments(active: "ActiveBatchRef", job: "Job") -> Sequence[Mapping[str, Any] | None]:
    """Return the environments of a batch; of a single execution that of its variant."""
    if active.id is None:
        return [job.variants[0].environment]
    found: Sequence[Mapping[str, Any] | None] = json.loads(active.environments())
    return found


class _Pool:
    """The threads that drive a batch's processes, one each."""

    def __init__(self, active: "ActiveBatchRef") -> None:
        self._active = active
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def add(self, processes: "_native.ProcessesRef", workers: int) -> None:
        for _ in range(workers):
            name = f"process-{next(_numbers)}"
            # A thread that waits for a process must not keep the program from ending.
            self._threads.append(
                threading.Thread(
                    target=self._work, args=(processes, name), name=f"wtb-{name}", daemon=True
                )
            )

    def run(self) -> None:
        self._active.pool_created("process", len(self._threads))
        threads = self._threads
        for thread in threads:
            thread.start()
        for thread in threads:
            # With a limit, so that Ctrl-C comes through.
            while thread.is_alive() and self._failure is None:
                thread.join(0.1)
        if self._failure is not None:
            raise self._failure

    def _work(self, processes: "_native.ProcessesRef", name: str) -> None:
        try:
            processes.work(name)
        except BaseException as error:
            self._failure = self._failure or error


def _check_environment(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        texts = isinstance(name, str) and isinstance(value, str)
        if not texts or not name or "=" in name or "\0" in name + value or _is_torn(name + value):
            raise ConfigurationError(
                f"environment names variables and their values, all of them texts, not "
                f"{name!r}: {value!r}"
            )


def _is_torn(text: str) -> bool:
    """Whether a text has halves of characters, as Python makes them of bytes that are no UTF-8."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _check_module(name: str) -> None:
    try:
        is_there = name in sys.modules or importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):
        is_there = False
    if not is_there:
        raise ConfigurationError(f"there is no module {name!r} to preload")


_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def byte_count(given: int | str, what: str) -> int:
    """Return a number of bytes that is given as such or as a text such as "2 GiB".

    Raises:
        ConfigurationError: It is neither, or not positive.

    Example:
        >>> byte_count("1.5 KiB", "memory")
        1536
    """
    number: float | None = None
    if isinstance(given, int) and not isinstance(given, bool):
        number = given
    elif isinstance(given, str):
        digits = given.strip().rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
        unit = _UNITS.get(given.strip()[len(digits) :].strip().upper())
        try:
            number = None if unit is None else float(digits) * unit
        except ValueError:
            number = None
    if number is None or number < 1:
        raise ConfigurationError(
            f"{what} is a number of bytes or a text such as '512 MiB' or '2 GB', not {given!r}"
        )
    return int(number)
