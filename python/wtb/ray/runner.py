"""The Ray runner: the same batch on a cluster."""

import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wtb.errors import ConfigurationError
from wtb.processes.packing import Packed, pack
from wtb.processes.runner import DEADLINE_GRACE_S, ProcessBatchTestRunner
from wtb.ray.actor import Post, mark_of
from wtb.ray.cluster import check_environment, connect, leave, load_ray, no_other_cluster
from wtb.ray.config import RayConfig
from wtb.ray.lifecycle import ActorLifecycleManager, PostTo
from wtb.ray.pool import Pool
from wtb.standalone import StandaloneRunner

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import ActiveBatchRef

__all__ = ["RayBatchTestRunner"]


class RayBatchTestRunner(StandaloneRunner):
    """Runs attempts on the machines of a Ray cluster, each in a process of its own.

    A few actors, supervisors each, make attempts as the process runner does on this machine, with
    the same isolation, limits and deadlines. They write into the bench's store by themselves: one
    on PostgreSQL, or a file if all of them are on this machine. What is run next, retried or given
    up is decided here. An actor that is lost or silent is replaced; what it had not started runs
    elsewhere as if nothing had been.

    Args:
        config: How the cluster is used, or the fields of that; by default what "auto" finds.
        keep_actors: Whether actors stay for the next batch, until `shutdown`.
        processes: Options of the processes, as `ProcessBatchTestRunner` takes them: `isolation`,
            `memory`, `cpu_time`, `nice`, `grace`, `environment`, `directory`, `preload`.
        **standalone: Where a runner that is used without a bench keeps its results, see
            `wtb.standalone.StandaloneRunner`.

    Raises:
        ConfigurationError: An option cannot be used.

    Example:
        >>> config = RayConfig.for_local_development()
        >>> runner = RayBatchTestRunner(config)
        >>> bench.run_batch(graph, variants=[{}], test_cases=cases, runner=runner)
        ... # doctest: +SKIP
    """

    kind: ClassVar[str] = "ray"

    def __init__(
        self,
        config: RayConfig | Mapping[str, Any] | None = None,
        *,
        keep_actors: bool = True,
        processes: Mapping[str, Any] | None = None,
        **standalone: Any,
    ) -> None:
        super().__init__(**standalone)
        self.config = config if isinstance(config, RayConfig) else RayConfig(**(config or {}))
        self._keep_actors = keep_actors
        self.max_workers: int | None = self.config.max_pending_tasks
        self._processes = ProcessBatchTestRunner(**(processes or {}))
        self._manager = ActorLifecycleManager(self.config)
        self._one_at_a_time = threading.Lock()
        self._closing = threading.Event()

    @property
    def actors(self) -> ActorLifecycleManager:
        """Who makes and ends the actors."""
        return self._manager

    @property
    def losses_max(self) -> int:
        """How many lost attempts of an execution are followed by another one."""
        return self.config.max_retries

    @property
    def timeout_s(self) -> float | None:
        """Seconds that an attempt may take, unless the batch says it."""
        return self.config.task_timeout_seconds

    @property
    def deadline_grace_s(self) -> float:
        """Seconds that the engine's own deadline is later: the supervisors keep the time."""
        return DEADLINE_GRACE_S

    def describe(self) -> Mapping[str, Any]:
        """Return the arguments that make such a runner again, as JSON."""
        return {"config": self.config.describe(), "processes": self._processes.describe()}

    def check(self, job: "Job") -> None:
        """Refuse a job that cannot be sent to another machine."""
        load_ray()
        for variant in job.variants:
            check_environment(self.config.environment_for(variant.environment), variant.title)
        pack(job)

    def drive(self, active: "ActiveBatchRef", job: "Job", workers: int) -> None:
        """Make attempts on the cluster; see `BatchTestRunner.drive`."""
        del workers  # How many are handed out is the engine's to say.
        packed = pack(job)
        with self._one_at_a_time, no_other_cluster():
            if connect(self.config, self):
                self._manager.forget()
            try:
                posts = self._posts(active, job, packed)
                Pool(active, self.config, self._manager, posts, self._closing).run()
            finally:
                if not self._keep_actors:
                    self._leave()

    def shutdown(self) -> None:
        """End the actors, and the cluster if it was started here."""
        super().shutdown()
        # Batches of other benches with this runner come to their end first, unless they are paused.
        self._closing.set()
        with self._one_at_a_time, no_other_cluster():
            try:
                self._leave()
            finally:
                self._closing.clear()

    def _leave(self) -> None:
        self._manager.stop_all()
        leave(self)

    def _posts(self, active: "ActiveBatchRef", job: "Job", packed: Packed) -> Sequence[PostTo]:
        """Return what actors have to know of a batch, for each of its environments."""
        ray = load_ray()
        post = Post(
            plan=active.outpost_plan(),
            launch=self._processes.launch(packed, job.timeout),
            tasks=self.config.tasks_per_actor,
            path=[os.path.abspath(entry) for entry in sys.path],
            file=_file_of(active),
        )
        packed_job, packed_cases = ray.put(packed.job), ray.put(packed.cases)
        needed = map(self.config.environment_for, json.loads(active.environments()))
        return [
            PostTo(_placed(post, environment), packed_job, packed_cases, environment)
            for environment in needed
        ]


def _placed(post: Post, environment: Mapping[str, Any] | None) -> Post:
    """Have processes be in this program's working directory, unless they have one of their own."""
    if post.launch.directory is not None or "working_dir" in (environment or {}):
        return post
    return replace(post, launch=replace(post.launch, directory=os.getcwd()))


def _file_of(active: "ActiveBatchRef") -> Any:
    """Return the store's file with what tells it from others; None for a store on a server."""
    path = active.store_file()
    if path is None:
        return None
    mark = mark_of(path)
    if mark is None:
        raise ConfigurationError(f"the store {path!r} is no file that other programs can open")
    return str(Path(path).absolute()), mark
