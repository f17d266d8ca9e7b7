"""The part of a bench that comes back to a batch: takes it up, extends, retries and cancels it."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from wtb import _later
from wtb._arguments import Again, ResumeArguments
from wtb._core import moved
from wtb._drive import Drive, ProgressLike
from wtb._reader import BenchReader
from wtb.batch import Batch
from wtb.cases import Case
from wtb.execution import Execution
from wtb.runners import BatchTestRunner
from wtb.variants import VariantLike

__all__ = ["BenchAgain", "driven"]

Target = Batch | Execution | str
"""A batch or an execution: itself, its id, a unique prefix of it, or "latest" (the batch)."""


class BenchAgain(BenchReader):
    """What a bench does with batches and executions that it, or an earlier session, began."""

    def resume_batch(
        self,
        batch: Batch | str,
        *,
        workflow: object = None,
        variants: Sequence[VariantLike] | None = None,
        evaluators: Sequence[Any] | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        on_interrupt: Callable[..., Any] | str | None = None,
        runner: str | BatchTestRunner | None = None,
        max_workers: int | None = None,
        progress: ProgressLike = None,
    ) -> Batch:
        """Take up a batch that was left unfinished; what has ended is not run again.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            workflow: The workflow again, where the store has no reference to it.
            variants: Variants again, where they hold objects that cannot be found by name.
            evaluators: The evaluators again, where they cannot be found by name.
            config: LangGraph's config again, where it is no JSON (callbacks).
            context: LangGraph's runtime context again, where it is no JSON.
            on_interrupt: What answers questions again, where it cannot be found by name.
            runner: By default that of the batch.
            max_workers: By default that of the batch.
            progress: See `run_batch`.

        Raises:
            BatchBusyError: A live session is running it.
            WorkflowNotBoundError: The workflow or a variant cannot be found again, or its graph has
                other nodes now. Their code may have changed.
        """
        found, drive = self._taken_up(
            batch,
            workflow=workflow,
            variants=variants,
            evaluators=evaluators,
            config=config,
            context=context,
            on_interrupt=on_interrupt,
            runner=runner,
            max_workers=max_workers,
            progress=progress,
        )
        drive.run()
        return found

    async def aresume_batch(
        self, batch: Batch | str, **arguments: Unpack[ResumeArguments]
    ) -> Batch:
        """Take up a batch without blocking the event loop; takes what `resume_batch` takes.

        Cancelling the caller's task stops the batch and leaves it to a later `resume_batch`.
        """
        return await driven(lambda: self._taken_up(batch, **arguments))

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
            WorkflowNotBoundError: See `resume_batch`.
        """
        found, drive = _later.extend(
            self._core, batch, variants, test_cases, repeats, Again(workflow), progress
        )
        drive.run()
        return found

    def retry(
        self,
        target: Target,
        *,
        errors_only: bool = True,
        from_checkpoint: bool = False,
        workflow: object = None,
        progress: ProgressLike = None,
    ) -> Batch | Execution:
        """Run executions again that ended without success; takes them off the dead-letter list.

        A single execution (of `run`) is run in a process if it ran in one before, and else on the
        calling thread. What a cell went on to by `resume` gives way to
        its new result.

        Args:
            target: A batch or an execution.
            errors_only: Only those that failed, timed out or were cancelled; False runs everything
                again.
            from_checkpoint: Whether they go on from their last checkpoints, not from their inputs.
            workflow: The workflow again, where the store has no reference to it.
            progress: See `run_batch`.

        Returns:
            The batch or the execution as it stands then.

        Raises:
            WorkflowNotBoundError: See `resume_batch`.
        """
        found = self._target(target)
        if isinstance(found, Batch):
            return _later.retry_in_batch(
                self._core,
                found.id,
                found.results,
                errors_only,
                Again(workflow),
                progress,
                from_checkpoint=from_checkpoint,
            )
        if found.batch_id is None:
            return _later.retry_single(
                self._core, found, errors_only, workflow, from_checkpoint=from_checkpoint
            )
        _later.retry_in_batch(
            self._core,
            found.batch_id,
            [self._core.cell(found.id)],
            errors_only,
            Again(workflow),
            progress,
            from_checkpoint=from_checkpoint,
        )
        return self.execution(found.id)

    def cancel(self, target: Target) -> None:
        """Cancel what has not ended of a batch, or one execution that is under way.

        It counts at once. Only an execution of `arun` ends a moment later, with the nodes that it
        has recorded.

        Raises:
            BatchBusyError: Another live session is running the batch.
            InvalidTransitionError: There is nothing to cancel.
        """
        _later.cancel(self._core, self._target(target))

    def _target(self, target: Target) -> Batch | Execution:
        """Return the batch or execution that is meant, as the store has it now."""
        if isinstance(target, str):
            return self.execution(target) if target.startswith("e_") else self.batch(target)
        if isinstance(target, Execution):
            return self.execution(target.id)
        return self.batch(target.id)

    def _taken_up(
        self,
        batch: Batch | str,
        *,
        workflow: object = None,
        variants: Sequence[VariantLike] | None = None,
        evaluators: Sequence[Any] | None = None,
        config: Mapping[str, Any] | None = None,
        context: Any = None,
        on_interrupt: Callable[..., Any] | str | None = None,
        runner: str | BatchTestRunner | None = None,
        max_workers: int | None = None,
        progress: ProgressLike = None,
    ) -> tuple[Batch, Drive]:
        data = self._core.stored(batch)
        again = Again(workflow, variants, evaluators, config, context, on_interrupt)
        plan = self._core.plan(data, again, runner, max_workers, progress)
        spec = moved(data["spec"], plan)
        return self._core.take_up(plan, lambda: self._core.engine.resume(data["id"], spec))


async def driven(begin: Callable[[], tuple[Batch, Drive]]) -> Batch:
    """Begin a batch and wait for its end, both off the event loop; stop it when cancelled."""
    begun: list[Batch] = []
    cancelled = threading.Event()

    def run() -> Batch:
        batch, drive = begin()
        begun.append(batch)
        drive.start()
        if cancelled.is_set():  # While it was still being created.
            batch.stop()
        return batch.wait()

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        cancelled.set()
        for batch in begun:
            batch.stop()
        raise
