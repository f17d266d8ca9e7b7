"""One attempt on the caller's event loop, which is cut short also while a node awaits."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from wtb._job import ErrorTuple, OutcomeItem, broken

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import TaskRef
    from wtb.langgraph.adapter import GraphAdapter

__all__ = ["DEADLINE_GRACE_S", "LoopAttempt"]

LOOK_S = 0.1
"""How often it is looked whether the attempt has been told to stop."""

CLEANUP_S = 0.1
"""How long nodes that are cut may take to clean up, before they are left to themselves."""

DEADLINE_GRACE_S = 0.3
"""How long after a deadline the engine ends the attempt itself, where a node holds the loop."""

_LEFT_BEHIND: set["asyncio.Task[OutcomeItem]"] = set()
"""Tasks of nodes that do not end when they are cancelled; a loop keeps no task alive itself."""


class LoopAttempt:
    """One attempt, as a task of its own that can be cancelled.

    Args:
        job: The workflow, variant and case.
        adapter: The worker's own.
        task: The attempt.
        timeout: Seconds that it may take.
    """

    def __init__(
        self, job: "Job", adapter: "GraphAdapter", task: "TaskRef", timeout: float | None
    ) -> None:
        self._job = job
        self._adapter = adapter
        self._task = task
        self._timeout = timeout
        self._started = perf_counter()
        # "timed_out" or "cancelled", once the attempt is to end before its graph does.
        self._cut: str | None = None

    async def run(
        self, asked_to_stop: Callable[[], bool], deliver: Callable[[OutcomeItem], object]
    ) -> None:
        """Make the attempt and deliver its outcome.

        Raises:
            asyncio.CancelledError: The caller was cancelled; the outcome says the same.
        """
        attempt = asyncio.create_task(
            self._job.aattempt(self._adapter, self._task, lambda: self._cut is not None)
        )
        try:
            await self._until_over(attempt, asked_to_stop)
        except asyncio.CancelledError:
            self._cut = self._cut or "cancelled"
            attempt.cancel()
            # Whoever cancels a task may expect that its nodes have cleaned up afterwards.
            await asyncio.wait({attempt})
            deliver(self._outcome(attempt))
            raise
        deliver(self._outcome(attempt))

    async def _until_over(
        self, attempt: "asyncio.Task[OutcomeItem]", asked_to_stop: Callable[[], bool]
    ) -> None:
        while self._cut is None:
            await asyncio.wait({attempt}, timeout=max(0.0, min(LOOK_S, self._rest_s())))
            if self._rest_s() <= 0:
                self._cut = "timed_out"
            elif attempt.done():
                return
            elif self._task.is_stopped() or asked_to_stop():
                self._cut = "cancelled"
        attempt.cancel()
        await asyncio.wait({attempt}, timeout=CLEANUP_S)

    def _rest_s(self) -> float:
        if self._timeout is None:
            return LOOK_S
        return self._timeout - (perf_counter() - self._started)

    def _outcome(self, attempt: "asyncio.Task[OutcomeItem]") -> OutcomeItem:
        duration_s = perf_counter() - self._started
        found = OutcomeItem("cancelled", duration_s)
        if not attempt.done():
            _LEFT_BEHIND.add(attempt)
            attempt.add_done_callback(_forget)
        elif not attempt.cancelled():
            error = attempt.exception()
            if error is None:
                found = attempt.result()
            elif isinstance(error, Exception):
                found = broken(error, duration_s)
            elif self._cut is None:
                raise error
        if self._cut is None:
            return found
        return found._replace(
            status=self._cut,
            output=None,
            state=found.state or found.output,
            interrupts=None,
            error=self._overdue(found) if self._cut == "timed_out" else None,
        )

    def _overdue(self, found: OutcomeItem) -> ErrorTuple:
        cut = [node.node for node in found.nodes if node.status == "cancelled"]
        message = f"attempt {self._task.attempt} outlived its deadline"
        return ("TimeoutError", message, None, cut[-1] if cut else None)


def _forget(attempt: "asyncio.Task[OutcomeItem]") -> None:
    _LEFT_BEHIND.discard(attempt)
    if not attempt.cancelled():
        # An exception that nobody asks for would be logged.
        attempt.exception()
