"""Drives a batch in this session: workers, evaluators, progress, Ctrl-C, and waiting."""

import asyncio
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from wtb import _interrupt, _native
from wtb._loop_attempt import LoopAttempt
from wtb._progress import Progress, poll_until
from wtb.errors import StoreError, WtbError

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import ActiveBatchRef
    from wtb._scoring import ScoringPool
    from wtb.runners import BatchTestRunner

__all__ = ["Drive", "ProgressLike"]

ProgressLike = bool | Callable[[Progress], None] | _native.DisplayRef | None
"""True shows a bar on stderr; a function is called with a `Progress` a few times per second."""

PROGRESS_EVERY_S = 0.2

POLL_S = 0.1
"""How long an asynchronous execution waits for its task before it looks whether all is over."""

CLOSE_GRACE_S = 2.0
"""How long closing waits for a batch's own threads; user code may hold them longer."""

SCORING_GRACE_S = 1.0
"""How long the end of a batch waits for each thread that scores."""


class Drive:
    """What this session does for one batch.

    Args:
        active: The engine's handle.
        job: What workers need to know.
        runner: Where workers live.
        workers: How many of them.
        scoring: The evaluators' threads, when there are evaluators.
        progress: What shows the progress.
    """

    def __init__(
        self,
        active: "ActiveBatchRef",
        job: "Job",
        runner: "BatchTestRunner",
        workers: int,
        scoring: "ScoringPool | None" = None,
        progress: ProgressLike = None,
    ) -> None:
        self.active = active
        self._job = job
        self._runner = runner
        self._workers = workers
        self._scoring = scoring
        self._progress = progress
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._on_loop = False
        self._asked_to_stop = threading.Event()

    def run(self) -> None:
        """Drive the batch on the calling thread until it has ended.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; a batch can be resumed, a single execution is
                cancelled.
            WtbError: Something other than an execution failed.
        """
        if self.active.id is None:
            # Nothing of a single execution could be resumed: Ctrl-C stops it at once.
            self._work()
            self.wait(None)
            return
        with _ctrl_c(self.active) as pressed:
            self._work()
            self.wait(None)
        if pressed.count:
            raise KeyboardInterrupt("stopped; bench.resume_batch takes the batch up again")

    async def arun(self, timeout: float | None) -> None:
        """Drive a single execution on the caller's event loop.

        Args:
            timeout: Seconds that the attempt may take; the engine's own deadline is later.

        Raises:
            asyncio.CancelledError: The caller was cancelled, and the execution with it.
        """
        self._on_loop = True
        adapter = self._job.adapter()
        try:
            key = self.active.join("async-1", 0, None)
            while (task := await asyncio.to_thread(self.active.poll, key, POLL_S)) is not False:
                if task is not None:
                    attempt = LoopAttempt(self._job, adapter, task, timeout)
                    deliver = partial(self.active.complete, task)
                    await attempt.run(self._asked_to_stop.is_set, deliver)
        except BaseException:
            self._leave()
            raise
        finally:
            adapter.close()
        await asyncio.to_thread(self.wait, None)

    def start(self) -> None:
        """Drive the batch on a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="wtb-drive", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None) -> None:
        """Wait until the batch has ended and is durable; see `Batch.wait`."""
        try:
            ended = poll_until(lambda rest: self.active.wait(rest) is not None, timeout)
        except StoreError as error:
            raise self._explained(error) from None
        if not ended:
            raise TimeoutError(f"the batch has not ended within {timeout} s; it goes on")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if isinstance(self._failure, StoreError):
            raise self._explained(self._failure) from None
        if self._failure is not None:
            raise self._failure

    def _explained(self, error: StoreError) -> StoreError:
        if self.active.id is None:
            return error
        return type(error)(
            f"{error}. What had ended before is stored; once the store can be written again, "
            f"bench.resume_batch({self.active.id!r}) goes on"
        )

    def cancel(self) -> None:
        """Cancel a single execution, at once, or on an event loop as soon as that is free."""
        self._asked_to_stop.set()
        if not self._on_loop:
            self.active.cancel()

    def close(self) -> None:
        """Stop, leave what is unfinished to a later session, and let own threads end."""
        self._leave()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_GRACE_S)

    def _work(self) -> None:
        try:
            with self._shown():
                if self._scoring is not None:
                    self._scoring.start()
                self._runner.drive(self.active, self._job, self._workers)
                # Workers are through before evaluators are.
                poll_until(lambda rest: self.active.wait(rest) is not None, None)
        except BaseException as error:
            self._failure = error
            self._leave()
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            if self._scoring is not None:
                self._scoring.join(SCORING_GRACE_S)
                self._failure = self._failure or self._scoring.error

    def _leave(self) -> None:
        """Stop now: a batch is left to a later session, a single execution is cancelled."""
        # The error that led here is the one to tell.
        with suppress(WtbError):
            if self.active.is_under_way():
                if self.active.id is None:
                    self.active.cancel()
                self.active.abandon()

    def _shown(self) -> Any:
        if self._progress is None or self._progress is False:
            return nullcontext()
        if self._progress is True:
            return _bar(self.active, _native.DisplayRef())
        if isinstance(self._progress, _native.DisplayRef):
            return _bar(self.active, self._progress)
        return _ticking(self.active, _reported(self._progress))


def _reported(show: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Return a function that calls `show` until it raises, which costs nothing but a warning."""
    is_broken = False

    def reported(progress: Progress) -> None:
        nonlocal is_broken
        if is_broken:
            return
        try:
            show(progress)
        except Exception as error:
            is_broken = True
            warnings.warn(
                f"the function that shows the progress raised {type(error).__name__}: {error}; it "
                "is not called again",
                RuntimeWarning,
                stacklevel=2,
            )

    return reported


@contextmanager
def _bar(active: "ActiveBatchRef", display: "_native.DisplayRef") -> Iterator[None]:
    try:
        with _ticking(active, lambda _: display.update(active)):
            yield
    finally:
        display.finish()


@contextmanager
def _ticking(active: "ActiveBatchRef", show: Callable[[Progress], None]) -> Iterator[None]:
    """Call `show` a few times per second, and once at the end."""
    stopped = threading.Event()

    def tick() -> None:
        while not stopped.wait(PROGRESS_EVERY_S):
            show(Progress.parse(active.progress()))

    thread = threading.Thread(target=tick, name="wtb-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        show(Progress.parse(active.progress()))


def _ctrl_c(active: "ActiveBatchRef") -> AbstractContextManager[_interrupt.Presses]:
    """Make the first Ctrl-C drain the batch and the second one stop it."""

    def press(count: int) -> None:
        if count == 1 and active.is_under_way():
            # It may have ended in between, or is drained already.
            with suppress(WtbError):
                active.drain()
            return
        with suppress(WtbError):
            active.abandon()
        raise KeyboardInterrupt

    return _interrupt.watched(press)
