"""What runs in a worker's process: attempts of one job, until nothing more comes."""

import math
import os
import pickle
import random
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, overload

from wtb._job import Job, OutcomeItem, attempted, broken
from wtb._native import CheckpointsRef, LinkRef, OrderRef, SeedRef
from wtb.langgraph.recording import ExecutionCancelledError
from wtb.processes.packing import check_nodes

if TYPE_CHECKING:
    from wtb.cases import Case
    from wtb.langgraph.adapter import GraphAdapter


def work(seed: SeedRef) -> NoReturn:
    """Make the calling process a worker, and make attempts until nothing more comes."""
    link = seed.become_worker()
    # Whoever draws before an attempt has seeded the generator must not draw what its siblings do.
    random.seed()
    _Worker(link).run()
    os._exit(0)


class Task:
    """An attempt as a job sees it; like `_native.TaskRef`."""

    def __init__(self, order: OrderRef) -> None:
        self.execution = order.execution
        self.thread = order.thread
        self.from_head = order.from_head
        self.variant = order.variant
        self.case = order.case
        self.repeat = order.repeat
        self.attempt = order.attempt
        self.seed = order.seed
        self._order = order
        self._is_stopped = False
        self._workspace: Path | None = None

    def checkpoints(self) -> CheckpointsRef:
        """Return the supervisor's checkpoints, to be written under the attempt's lease."""
        return self._order.checkpoints()

    def enter_workspace(self) -> Path | None:
        """Make the attempt's private files the working directory; return where they are."""
        self._workspace = self._order.enter_workspace()
        return self._workspace

    def leave_workspace(self, directory: str) -> None:
        """Undo that, for the attempts after it; the working directory is another one then."""
        if self._workspace is not None:
            self._order.leave_workspace(directory)

    def is_stopped(self) -> bool:
        """Whether the attempt was asked to end."""
        return self._is_stopped

    def stop(self) -> None:
        """Ask the attempt to end."""
        self._is_stopped = True


class _OneCase(Sequence["Case"]):
    """The batch's cases, of which a worker has one at a time."""

    def __init__(self, place: int, case: "Case") -> None:
        self._place = place
        self._case = case

    @overload
    def __getitem__(self, place: int) -> "Case": ...
    @overload
    def __getitem__(self, place: slice) -> "Sequence[Case]": ...
    def __getitem__(self, place: Any) -> Any:
        if place != self._place:
            raise IndexError(f"case {place} is another attempt's")
        return self._case

    def __len__(self) -> int:
        return self._place + 1


class _Worker:
    def __init__(self, link: LinkRef) -> None:
        self._link = link
        self._job: Job | None = None
        self._adapter: GraphAdapter | None = None
        self._task: Task | None = None
        self._is_astray = False
        self._directory = os.getcwd()
        self._cpu_s, self._cpu_s_max = resource.getrlimit(resource.RLIMIT_CPU)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._asked_to_end)
        while (order := self._link.next()) is not None:
            outcome = self._attempt(order)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            order.complete(outcome)
            if self._is_astray:
                # The next attempt would not be where it belongs: another worker makes it.
                return

    def _attempt(self, order: OrderRef) -> OutcomeItem:
        started = perf_counter()
        self._renew_cpu_time()
        self._task = task = Task(order)
        try:
            job, adapter = self._prepared()
            check_nodes(job, order.variant, adapter.nodes_of(job.variants[order.variant]))
            job.cases = _OneCase(order.case, pickle.loads(order.input))
            return attempted(job, adapter, task, order.node)
        # Also what the request to end has raised outside of the graph.
        except BaseException as error:
            return broken(error, perf_counter() - started)
        finally:
            self._task = None
            try:
                task.leave_workspace(self._directory)
            except OSError:
                self._is_astray = True

    def _prepared(self) -> "tuple[Job, GraphAdapter]":
        if self._job is None:
            self._job = pickle.loads(self._link.job)
        if self._adapter is None:
            self._adapter = self._job.adapter()
        return self._job, self._adapter

    def _renew_cpu_time(self) -> None:
        """Have the limit of CPU time count from here on, for a worker that makes many attempts."""
        if self._cpu_s == resource.RLIM_INFINITY:
            return
        limit = math.ceil(process_time()) + self._cpu_s
        if self._cpu_s_max == resource.RLIM_INFINITY or limit < self._cpu_s_max:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, self._cpu_s_max))

    def _asked_to_end(self, _signal: int, _frame: FrameType | None) -> None:
        """End the attempt under way where it stands, so that what it has recorded is delivered."""
        if self._task is None:
            os._exit(0)
        if not self._task.is_stopped():
            self._task.stop()
            raise ExecutionCancelledError
