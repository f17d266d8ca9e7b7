"""Runners without a bench: the seeds' `runner.run_batch_test(batch_test)`."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from wtb._environments import refuse_environments
from wtb._plan import LOSSES_MAX
from wtb._warn import warn_caller
from wtb.errors import NotFoundError
from wtb.registry import Registry, registered

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb.batch import Batch, Progress
    from wtb.batch_test import BatchTest, BatchTestStatus
    from wtb.bench import TestBench

__all__ = ["StandaloneRunner"]


class StandaloneRunner:
    """What a runner can do on its own, with a bench that it opens for itself.

    Args:
        store: Path or URL of the store; by default `./.wtb`.
        wtb_db_url: The seeds' name for `store`.
        agentgit_db_url: Accepted for the seeds' sake and not used.

    Attributes:
        kind: What the store calls it.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        *,
        store: str | None = None,
        wtb_db_url: str | None = None,
        agentgit_db_url: str | None = None,
    ) -> None:
        if agentgit_db_url is not None:
            warn_caller(
                "agentgit_db_url is not used: everything is kept in one store", DeprecationWarning
            )
        self._store = store or wtb_db_url
        self._registry = Registry(registered)
        self._lock = threading.Lock()
        self._bench: TestBench | None = None
        self._batches: dict[str, Batch] = {}

    @property
    def losses_max(self) -> int:
        """How many lost attempts of an execution are followed by another one."""
        return LOSSES_MAX

    @property
    def timeout_s(self) -> float | None:
        """Seconds that an attempt may take, unless the batch says it; None for no limit."""
        return None

    @property
    def deadline_grace_s(self) -> float:
        """Seconds that the engine's own deadline is later, for runners that keep the time."""
        return 0.0

    def describe(self) -> Mapping[str, Any]:
        """Return the arguments that make such a runner again, as JSON; most take none."""
        return {}

    def check(self, job: "Job") -> None:
        """Refuse a job that this runner cannot run: in this process, what needs an environment."""
        refuse_environments(job.variants, self.kind)

    def register(self, workflow: object) -> None:
        """Make a workflow known by its name, which `BatchTest.workflow_id` then means."""
        self._registry.register(workflow)

    def run_batch_test(self, batch_test: "BatchTest") -> "BatchTest":
        """Run a batch test to its end and return it with status, results and comparison filled in.

        Raises:
            UnknownWorkflowError: Its `workflow_id` was registered by nobody.
            WtbError: It cannot be run as it stands.
        """
        arguments = batch_test.arguments()
        workflow: Any = batch_test.workflow
        if workflow is None:
            workflow = self._registry.get(batch_test.workflow_id or "")
        batch = self._open().start_batch(workflow, runner=self, **arguments)  # type: ignore[arg-type]  # every subclass is a BatchTestRunner
        with self._lock:
            self._batches[batch_test.id] = batch
        batch_test.begin(batch)
        try:
            batch.wait()
        except BaseException:
            # Ctrl-C: nobody would wait for it any more.
            if batch.is_under_way:
                batch.stop()
            raise
        batch_test.finish(batch)
        return batch_test

    def get_status(self, batch_test_id: str) -> "BatchTestStatus":
        """Return where a batch test of this runner stands, also after its end."""
        from wtb.batch_test import BatchTestStatus

        return BatchTestStatus(self._known(batch_test_id).status)

    def get_progress(self, batch_test_id: str) -> "Progress":
        """Return how far a batch test of this runner is."""
        return self._known(batch_test_id).progress

    def cancel(self, batch_test_id: str) -> bool:
        """Cancel a batch test; returns whether it was still under way."""
        batch = self._known(batch_test_id)
        if not batch.is_under_way:
            return False
        batch.cancel()
        return True

    def shutdown(self) -> None:
        """Close the bench that this runner opened; unfinished batches can be resumed later."""
        with self._lock:
            bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _open(self) -> "TestBench":
        from wtb.bench import TestBench

        with self._lock:
            if self._bench is None:
                self._bench = TestBench(self._store)
            return self._bench

    def _known(self, batch_test_id: str) -> "Batch":
        with self._lock:
            batch = self._batches.get(batch_test_id)
        if batch is None:
            raise NotFoundError(f"this runner has run no batch test {batch_test_id!r}")
        return batch
