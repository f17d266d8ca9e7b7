"""The event bus: handlers that are called as the journal grows, and events of the user's own.

Each subscription has a thread; one more, for all of them, watches for the journal to grow.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from wtb.errors import ConfigurationError, ForkedProcessError, StoreError, WtbError
from wtb.events.data import dump_data
from wtb.events.event import Event
from wtb.events.kinds import check_custom, select
from wtb.events.subscription import Handler, Subscription

if TYPE_CHECKING:
    from wtb._native import EngineRef

__all__ = ["CLOSE_S", "EventBus"]

CLOSE_S = 10.0
"""How long `close` waits for handlers unless told otherwise."""

_WATCH_S = 1.0
"""How often the journal is looked at for events of other processes."""

_GATHER_S = 0.005
"""Events that come within this time wake subscribers once."""

_log = logging.getLogger("wtb.events")


class EventBus:
    """Publish and subscribe over the journal of one store.

    A handler runs on its subscription's own thread with no lock held: it may publish, subscribe,
    cancel itself and use the bench. Events come in the journal's order, each one once. Those of
    other processes on the same store come, too, within about a second.

    Args:
        engine: The open store.

    Example:
        >>> with bench.events.subscribe(print, kinds=["execution.failed"]):     # doctest: +SKIP
        ...     bench.run_batch(workflow, variants=variants, test_cases=cases)
    """

    def __init__(self, engine: "EngineRef") -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []
        self._watching = False
        self._closed = threading.Event()

    def subscribe(
        self,
        handler: Handler,
        *,
        kinds: str | Sequence[str] | None = None,
        name: str | None = None,
        after: int | None = None,
    ) -> Subscription:
        """Call a handler for every event of some kinds, from now on or from a place in the past.

        A handler that raises is reported as an event `subscriber.failed` and in the log, and goes
        on with the next event. It is not told of its own failures. A handler that is slow lags
        behind; its events wait in the store.

        Args:
            handler: A function or an async function of one `Event`. An async one runs on an event
                loop of the subscription's own, one event at a time.
            kinds: Names ("execution.failed") and patterns ("execution.*", "custom.*"); all by
                default.
            name: What reports of failures call it; the handler's own name by default.
            after: Deliver events with a larger sequence number, 0 for all of history; by default
                only what is journaled from now on.

        Raises:
            ConfigurationError: A kind is unknown, the name is taken, or the handler cannot be
                called.
            StoreError: The bus is closed.
        """
        self._engine.check_process()
        selected = select(kinds)
        if not callable(handler):
            raise ConfigurationError(f"a handler is a function of one event, not {handler!r:.200}")
        start = self._engine.last_sequence() if after is None else after
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise ConfigurationError(f"after is a sequence number from 0 on, not {after!r}")
        with self._lock:
            self._check_open()
            subscription = Subscription(
                self._engine,
                handler,
                name=self._free_name(handler, name),
                kinds=selected,
                after=start,
            )
            # It can remove itself only once the lock is free.
            subscription.start(self._remove)
            self._subscriptions.append(subscription)
            if not self._watching:
                threading.Thread(target=self._watch, name="wtb-events", daemon=True).start()
                self._watching = True
        # The watcher may have passed what came before the subscription was listed.
        subscription.wake(self._engine.last_sequence())
        return subscription

    def publish(
        self,
        kind: str,
        data: Mapping[str, Any] | None = None,
        *,
        batch_id: str | None = None,
        execution_id: str | None = None,
    ) -> int:
        """Write an event of your own into the journal, durably, and so to all subscribers.

        Args:
            kind: A name that begins with "custom.", for example "custom.note".
            data: What there is to say: text, finite numbers, booleans, None, and lists and
                mappings of these; at most 256 KiB as JSON.
            batch_id: The batch that it belongs to: an id, a unique prefix of it, or "latest".
            execution_id: The execution that it belongs to, likewise.

        Returns:
            Its sequence number.

        Raises:
            ConfigurationError: The kind is not one that users publish.
            TypeError: Something in `data` has no exact form in JSON; the text names its key.
            ValueError: `data` is too large.
            NotFoundError: There is no such batch or execution.
        """
        self._engine.check_process()
        check_custom(kind)
        text = dump_data(data)
        batch = None if batch_id is None else self._engine.find_batch(batch_id)
        execution = None if execution_id is None else self._engine.find_execution(execution_id)
        return self._engine.publish(kind, text, batch, execution)

    def close(self, timeout: float = CLOSE_S) -> None:
        """Deliver what is journaled by now, and end all subscriptions.

        A handler that is at an event when the time is over is named in a warning and left alone;
        it is given no further event. Closing a closed bus does nothing.

        Args:
            timeout: Seconds to wait for handlers at most.
        """
        try:
            self._engine.check_process()
        except ForkedProcessError:
            return  # The threads are the other process's.
        with self._lock:
            self._closed.set()
            subscriptions = list(self._subscriptions)
        if not subscriptions:
            return
        deadline = monotonic() + timeout
        try:
            self._engine.flush()
            last = self._engine.last_sequence()
            for subscription in subscriptions:
                subscription.finish(last)
        except WtbError as error:
            _log.warning("the last events are not delivered: %s", error)
            deadline = monotonic()
        for subscription in subscriptions:
            ended = subscription.join(deadline - monotonic())
            subscription.cancel()
            if not ended:
                _log.warning(
                    "subscriber %r was not done when the bus closed; it stands at event %d",
                    subscription.name,
                    subscription.position,
                )

    def __repr__(self) -> str:
        names = ", ".join(repr(one.name) for one in self._listed() if one.active)
        state = "closed" if self._closed.is_set() else names or "no subscriptions"
        return f"EventBus({self._engine.url}: {state})"

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise StoreError("the event bus is closed; open the store again to subscribe")

    def _free_name(self, handler: Handler, name: str | None) -> str:
        taken = {one.name for one in self._subscriptions if one.active}
        if name is not None:
            if name in taken:
                raise ConfigurationError(
                    f"there is a subscription {name!r} already; cancel it or take another name"
                )
            return name
        own = _name_of(handler)
        number = 1
        while (free := own if number == 1 else f"{own} #{number}") in taken:
            number += 1
        return free

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions.remove(subscription)

    def _listed(self) -> list[Subscription]:
        with self._lock:
            return list(self._subscriptions)

    def _is_watched(self) -> bool:
        """Return whether the watcher has to go on; once it has not, the next one starts anew."""
        with self._lock:
            self._watching = bool(self._subscriptions) and not self._closed.is_set()
            return self._watching

    def _watch(self) -> None:
        seen = 0
        while self._is_watched():
            began = monotonic()
            known = self._engine.wait_journal(seen, _WATCH_S)
            if self._closed.is_set():
                continue
            if known <= seen:
                if monotonic() - began < _WATCH_S / 2:
                    self._end_all()  # It does not wait once the store is closed.
                    continue
                known = self._last_sequence()
            for subscription in self._listed():
                if known > seen:
                    subscription.wake(known)
                subscription.report_when_slow()
            seen = max(seen, known)
            self._closed.wait(_GATHER_S)

    def _last_sequence(self) -> int:
        try:
            return self._engine.last_sequence()
        except WtbError as error:
            _log.warning("the journal cannot be read just now: %s", error)
            return 0

    def _end_all(self) -> None:
        with self._lock:
            self._closed.set()
        for subscription in self._listed():
            subscription.cancel()


def _name_of(handler: Callable[[Event], object]) -> str:
    named = getattr(handler, "func", handler)  # A partial has the name of what it calls.
    return str(getattr(named, "__qualname__", type(named).__name__))
