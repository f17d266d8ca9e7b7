"""One handler, and the thread that brings the journal's events to it.

Nothing is queued in memory: the thread reads the journal page by page behind a position, so a slow
handler lags in the store and holds up nobody. No lock is held while the handler runs.
"""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from wtb.errors import ForkedProcessError, WtbError
from wtb.events.event import Event, read_page
from wtb.events.failure import FAILED, report_failure

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["DRAIN_S", "Handler", "Subscription"]

Handler = Callable[[Event], object]
"""A function, or an async function, of one event; what it returns is dropped."""

DRAIN_S = 30.0
"""How long `drain` waits unless told otherwise."""

SLOW_HANDLER_S = 30.0
"""A handler that is at one event for longer is reported in the log, once."""

_PAGE = 256
_RETRY_S = 1.0

_log = logging.getLogger("wtb.events")


class Subscription:
    """A handler that is called for the journal's events, one after the other, in their order.

    `EventBus.subscribe` makes it. As a context manager it ends with its block, after what was
    journaled in the block has been delivered.

    Attributes:
        name: What reports of failures call it.
    """

    def __init__(
        self,
        engine: "EngineRef",
        handler: Handler,
        *,
        name: str,
        kinds: Sequence[str],
        after: int,
    ) -> None:
        self.name = name
        self._engine = engine
        self._handler = handler
        self._kinds = kinds
        self._thread: threading.Thread | None = None
        self._runner: asyncio.Runner | None = None
        self._began = engine.last_sequence()
        self._delivered = 0
        self._failures = 0
        self._last_error: BaseException | None = None
        self._busy_since: float | None = None
        self._slow_reported = False
        # Guards what follows. `_until` is the last event to deliver, once that is decided.
        self._changed = threading.Condition(threading.Lock())
        self._position = after
        self._journaled = after
        self._until: int | None = None
        self._cancelled = False
        self._ended = False

    @property
    def delivered(self) -> int:
        """How many events the handler was given, those that it raised on included."""
        return self._delivered

    @property
    def failures(self) -> int:
        """How many events the handler raised on."""
        return self._failures

    @property
    def last_error(self) -> BaseException | None:
        """What the handler raised last, or why the journal could not be read."""
        return self._last_error

    @property
    def position(self) -> int:
        """Sequence number up to which everything was delivered; a later `after=` goes on there."""
        return self._position

    @property
    def active(self) -> bool:
        """Whether further events will be delivered."""
        return not (self._cancelled or self._ended)

    def cancel(self) -> None:
        """Deliver no further event. One that the handler is at now is finished, not waited for."""
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()

    def drain(self, timeout: float | None = DRAIN_S) -> bool:
        """Wait until everything that is journaled by now was delivered.

        Args:
            timeout: Seconds to wait at most; None to wait without a limit.

        Returns:
            Whether it was; False when the time was over, or the subscription ended before.

        Raises:
            RuntimeError: The handler itself called it, and would wait for its own return.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError(f"the handler of {self.name!r} cannot wait for its own return")
        self._engine.check_process()
        self._engine.flush()
        last = self._engine.last_sequence()
        self.wake(last)
        with self._changed:
            self._changed.wait_for(lambda: self._position >= last or self._ended, timeout)
            return self._position >= last

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            own = threading.current_thread() is self._thread
            if kind is None and self.active and not own and not self.drain():
                _log.warning("subscriber %r: not everything was delivered in time", self.name)
        finally:
            self.cancel()

    def __repr__(self) -> str:
        kinds = ", ".join(self._kinds) or "all kinds"
        state = "active" if self.active else "ended"
        failures = f", {self._failures} failures" if self._failures else ""
        return (
            f"Subscription({self.name!r}, {kinds}, {state}, "
            f"{self._delivered} delivered{failures}, position {self._position})"
        )

    # What follows is for the bus.

    def start(self, on_end: Callable[["Subscription"], None]) -> None:
        """Begin to deliver on a thread of its own, and call `on_end` there at the end."""
        self._thread = threading.Thread(
            target=self._run, args=(on_end,), name=f"wtb-events-{self.name}", daemon=True
        )
        self._thread.start()

    def wake(self, journaled: int) -> None:
        """Say that the journal has come to this sequence number."""
        with self._changed:
            self._journaled = max(self._journaled, journaled)
            self._changed.notify_all()

    def finish(self, last: int) -> None:
        """End after this sequence number; at once when called by the handler itself."""
        if threading.current_thread() is self._thread:
            self.cancel()
            return
        with self._changed:
            self._until = last
            self._journaled = max(self._journaled, last)
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the end; return whether it came. The handler itself does not wait."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def report_when_slow(self) -> None:
        """Write a warning, once, when the handler has been at one event for long."""
        since = self._busy_since
        if since is None or self._slow_reported or monotonic() - since < SLOW_HANDLER_S:
            return
        self._slow_reported = True
        _log.warning(
            "subscriber %r has been at the event after %d for more than %g s; "
            "its events wait in the store, and nobody else waits for it",
            self.name,
            self._position,
            SLOW_HANDLER_S,
        )

    def _run(self, on_end: Callable[["Subscription"], None]) -> None:
        forked = False
        try:
            while self._has_more():
                self._deliver_page()
        except ForkedProcessError:
            # Whoever held a lock here at the fork does not exist in this process.
            forked = True
        finally:
            if not forked:
                self._end(on_end)

    def _end(self, on_end: Callable[["Subscription"], None]) -> None:
        try:
            if self._runner is not None:
                self._runner.close()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            on_end(self)

    def _has_more(self) -> bool:
        """Wait for events to deliver; False when there will be none."""

        def over() -> bool:
            return self._cancelled or (self._until is not None and self._position >= self._until)

        with self._changed:
            self._changed.wait_for(lambda: over() or self._journaled > self._position)
            return not over()

    def _deliver_page(self) -> None:
        try:
            # Read first: up to here the page below has everything that there is.
            last = self._engine.last_sequence()
            page = read_page(self._engine, self._position, _PAGE, kinds=self._kinds)
        except WtbError as error:
            self._endure(error)
            return
        for event in page:
            if self._cancelled:
                return
            if self._until is not None and event.sequence > self._until:
                self._advance(self._until)
                return
            if not self._is_own_failure(event):
                self._give(event)
            self._advance(event.sequence)
        if len(page) < _PAGE:
            self._advance(last)

    def _advance(self, position: int) -> None:
        with self._changed:
            self._position = max(self._position, position)
            self._changed.notify_all()

    def _give(self, event: Event) -> None:
        self._busy_since = monotonic()
        try:
            outcome = self._handler(event)
            if inspect.isawaitable(outcome):
                self._await(outcome)
        except BaseException as error:  # Even SystemExit: a handler ends nothing but itself.
            self._failures += 1
            self._last_error = error
            report_failure(self._engine, self.name, event, error, first=self._failures == 1)
        finally:
            self._busy_since = None
            self._delivered += 1
        # A handler may have forked: then its child is here, too, and must not go on.
        self._engine.check_process()

    def _await(self, outcome: Awaitable[Any]) -> None:
        async def finish() -> None:
            await outcome

        if self._runner is None:
            self._runner = asyncio.Runner()
        self._runner.run(finish())

    def _is_own_failure(self, event: Event) -> bool:
        return (
            event.kind == FAILED
            and event.sequence > self._began
            and event.data["subscriber"] == self.name
        )

    def _endure(self, error: WtbError) -> None:
        """Go on after a while: what cannot be read now is still there then."""
        if self._last_error is None or str(self._last_error) != str(error):
            _log.warning("subscriber %r waits, as the journal cannot be read: %s", self.name, error)
        self._last_error = error
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled, _RETRY_S)
