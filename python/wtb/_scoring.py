"""Runs evaluators on threads of their own, with timeouts.

The pool polls the engine for executions whose outcome is stored and delivers their scores. What
goes wrong in an evaluator is an error of its score; the execution and the batch go on.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from wtb import _evaluator_loop
from wtb._evaluator import Evaluator, check_timeout
from wtb._scores import ScoreTuple, describe_error
from wtb.errors import WtbError

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef
    from wtb.cases import Case

__all__ = ["ScoringPool", "score_executions"]

HANGING_MAX = 8
"""How many calls of one evaluator may hang at a time; then it is not called until one returns."""

_POLL_S = 0.2


class Scorable(Protocol):
    """What is scored: an execution."""

    @property
    def id(self) -> str:
        """The execution's id."""
        ...

    @property
    def output(self) -> Any:
        """What the workflow returned."""
        ...


class ScoringPool:
    """The threads that score the executions of an active batch.

    A call that takes too long is left behind on its thread, because Python cannot stop it, and its
    worker goes on with a new thread. One evaluator leaves at most `HANGING_MAX` threads behind,
    plus one per worker.

    Args:
        active: The engine's handle.
        evaluators: What is called for each execution, in order.
        load: Returns an execution and its case by the execution's id.
        workers: How many executions are scored at a time.
        timeout: Seconds that an evaluator without a timeout of its own may take.

    Attributes:
        error: What stopped the pool before the batch had ended: the store's error.
    """

    def __init__(
        self,
        active: "ActiveBatchRef",
        evaluators: Sequence[Evaluator],
        load: "Callable[[str], tuple[Scorable, Case]]",
        workers: int = 4,
        timeout: float = 60.0,
    ) -> None:
        self.error: WtbError | None = None
        self._active = active
        self._load = load
        self._panel = _Panel(evaluators, timeout)
        self._threads = [
            _thread(self._work, f"wtb-scoring-{number}") for number in range(max(1, workers))
        ]

    def start(self) -> None:
        """Start to poll the engine."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the threads have ended and return whether they have.

        They end when the engine has nothing more to score.

        Args:
            timeout: Seconds for each of them; None waits for ever.
        """
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        caller = _Caller()
        try:
            while self.error is None:
                task = self._active.poll_scoring(_POLL_S)
                if task is False:
                    return
                if task is not None:
                    self._active.complete_scoring(task, self._scores(caller, task.execution))
        except WtbError as error:
            self.error = self.error or error
            # Nobody waits for scores that will not come.
            with suppress(WtbError):
                self._active.abandon()
        finally:
            caller.close()

    def _scores(self, caller: "_Caller", execution: str) -> list[ScoreTuple]:
        try:
            loaded, case = self._load(execution)
        # The engine waits for an answer to every execution that it handed out.
        except BaseException as error:
            return self._panel.failed(error)
        return self._panel.scores(caller, loaded, case)


def score_executions(
    executions: "Iterable[tuple[Scorable, Case]]",
    evaluators: Sequence[Evaluator],
    put: Callable[[str, list[ScoreTuple]], None],
    workers: int = 4,
    timeout: float = 60.0,
) -> None:
    """Score executions that have ended, and return when all scores are put.

    Args:
        executions: What to score, each with its case.
        evaluators: What is called for each of them, in order.
        put: Takes an execution's id and its scores; called from several threads.
        workers: How many executions are scored at a time.
        timeout: Seconds that an evaluator without a timeout of its own may take.

    Raises:
        WtbError: What `put` or the iteration raised first; no further execution is begun then.
    """
    run = _Rescoring(executions, _Panel(evaluators, timeout), put)
    threads = [_thread(run.work, f"wtb-scoring-{number}") for number in range(max(1, workers))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        # After Ctrl-C here the threads end with the execution they are at.
        run.stopped.set()
    if run.error is not None:
        raise run.error


class _Rescoring:
    def __init__(
        self,
        executions: "Iterable[tuple[Scorable, Case]]",
        panel: "_Panel",
        put: Callable[[str, list[ScoreTuple]], None],
    ) -> None:
        self.error: BaseException | None = None
        self.stopped = threading.Event()
        self._remaining = iter(executions)
        self._lock = threading.Lock()
        self._panel = panel
        self._put = put

    def work(self) -> None:
        caller = _Caller()
        try:
            while not self.stopped.is_set():
                with self._lock:
                    pair = next(self._remaining, None)
                if pair is None:
                    return
                self._put(pair[0].id, self._panel.scores(caller, *pair))
        except BaseException as error:
            self.error = self.error or error
            self.stopped.set()
        finally:
            caller.close()


class _Panel:
    """The evaluators of a batch, and how many calls of each hang."""

    def __init__(self, evaluators: Sequence[Evaluator], timeout: float) -> None:
        self._evaluators = list(evaluators)
        self._timeout = check_timeout(timeout, "the evaluators")
        self._hanging = dict.fromkeys((one.name for one in evaluators), 0)
        self._lock = threading.Lock()

    def failed(self, error: BaseException) -> list[ScoreTuple]:
        """Return the scores of an execution that cannot be read."""
        text = f"the execution cannot be read: {describe_error(error)}"
        return [evaluator.failed(text) for evaluator in self._evaluators]

    def scores(self, caller: "_Caller", execution: Scorable, case: "Case") -> list[ScoreTuple]:
        """Return what all evaluators say of an execution."""
        try:
            output = execution.output
        except BaseException as error:
            return self.failed(error)
        scores: list[ScoreTuple] = []
        for evaluator in self._evaluators:
            call = partial(evaluator.evaluate, output, case.expected, case, execution)
            found = self._called(caller, evaluator, call)
            # That an evaluator declined is told as well: it takes its earlier scores away.
            scores.extend(found or [evaluator.declined()])
        return scores

    def _called(
        self, caller: "_Caller", evaluator: Evaluator, evaluate: Callable[..., list[ScoreTuple]]
    ) -> list[ScoreTuple]:
        timeout = self._timeout if evaluator.timeout is None else evaluator.timeout
        if self._hanging[evaluator.name] >= HANGING_MAX:
            return [
                evaluator.failed(
                    f"TimeoutError: evaluator {evaluator.name!r} was not called, "
                    f"because {HANGING_MAX} calls of it hang"
                )
            ]
        slow = f"evaluator {evaluator.name!r} took longer than {timeout:g} s"
        wait = partial(_evaluator_loop.wait, timeout=timeout, slow=slow)
        pending = caller.call(partial(evaluate, wait=wait))
        try:
            return pending.result(timeout)
        except TimeoutError:
            caller.leave_behind()
            self._count(evaluator, 1)
            pending.add_done_callback(lambda _: self._count(evaluator, -1))
            return [evaluator.failed(f"TimeoutError: {slow}")]

    def _count(self, evaluator: Evaluator, change: int) -> None:
        with self._lock:
            self._hanging[evaluator.name] += change


_Call = tuple[Future[list[ScoreTuple]], Callable[[], list[ScoreTuple]]]


class _Caller:
    """Makes the calls of one worker, on a thread that can be left behind."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] | None = None

    def call(self, function: Callable[[], list[ScoreTuple]]) -> Future[list[ScoreTuple]]:
        """Begin a call; the former one has ended or was left behind."""
        if self._calls is None:
            self._calls = SimpleQueue()
            _thread(partial(_serve, self._calls), "wtb-evaluator").start()
        future: Future[list[ScoreTuple]] = Future()
        self._calls.put((future, function))
        return future

    def leave_behind(self) -> None:
        """Let the thread end by itself when its call returns, and use a new one from now on."""
        self.close()
        self._calls = None

    def close(self) -> None:
        """Let the thread end."""
        if self._calls is not None:
            self._calls.put(None)


def _serve(calls: SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        future, function = call
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


def _thread(target: Callable[[], None], name: str) -> threading.Thread:
    # A context of its own, so that `wtb.current()` is inert, whoever starts the thread.
    return threading.Thread(target=Context().run, args=(target,), name=name, daemon=True)
