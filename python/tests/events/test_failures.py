"""Handlers that raise: reported, and delivery goes on."""

import logging
import threading
import tracemalloc

import pytest

from wtb.errors import StoreError

WAIT_S = 30


def failures(audit):
    return [dict(event.data) for event in audit.query(kinds="subscriber.failed")]


def test_a_handler_that_raises_is_reported_and_goes_on(bus, audit, caplog):
    seen = []

    def handler(event):
        if event.data["n"] == 1:
            raise ValueError("no good")
        seen.append(event.data["n"])

    subscription = bus.subscribe(handler, kinds="custom.*", name="picky")
    sequences = [bus.publish("custom.count", {"n": n}) for n in range(3)]

    assert subscription.drain()
    assert seen == [0, 2]
    assert (subscription.delivered, subscription.failures) == (3, 1)
    assert isinstance(subscription.last_error, ValueError)
    assert failures(audit) == [
        {"subscriber": "picky", "sequence": sequences[1], "error": "ValueError: no good"}
    ]
    assert f"subscriber 'picky' raised on event {sequences[1]} (custom.count)" in caplog.text
    assert "1 failures" in repr(subscription)


def test_an_async_handler_that_raises_is_reported(bus, audit):
    async def handler(event):
        raise LookupError("gone")

    with bus.subscribe(handler, kinds="custom.*", name="async"):
        bus.publish("custom.count")
        bus.publish("custom.count")

    assert [one["error"] for one in failures(audit)] == ["LookupError: gone"] * 2


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_handler_cannot_end_its_thread(bus, error):
    seen = []

    def handler(event):
        seen.append(event.data["n"])
        raise error

    subscription = bus.subscribe(handler, kinds="custom.*")
    bus.publish("custom.count", {"n": 0})
    bus.publish("custom.count", {"n": 1})

    assert subscription.drain()
    assert seen == [0, 1]
    assert subscription.failures == 2


def test_an_error_that_cannot_be_shown_is_reported_all_the_same(bus, audit, monkeypatch):
    # Programs that run tests at once pass on what was logged, as UTF-8.
    monkeypatch.setattr(logging.getLogger("wtb.events"), "propagate", False)

    class BrokenError(Exception):
        def __str__(self):
            raise RuntimeError

    def handler(event):
        raise BrokenError if event.data["n"] == 0 else ValueError("half a pair: \ud800")

    with bus.subscribe(handler, kinds="custom.*") as subscription:
        bus.publish("custom.count", {"n": 0})
        bus.publish("custom.count", {"n": 1})

    assert subscription.failures == 2
    first, second = (one["error"] for one in failures(audit))
    assert "BrokenError" in first
    assert second == "ValueError: half a pair: ?"


def test_subscribers_that_fail_on_everything_do_not_feed_each_other(bus, audit):
    def handler(event):
        raise ValueError(event.kind)

    subscriptions = [bus.subscribe(handler, name=name) for name in ("a", "b", "c")]
    bus.publish("custom.count")

    # Each round delivers what the round before has caused; without a loop there are few.
    for _ in range(5):
        for subscription in subscriptions:
            assert subscription.drain(WAIT_S)
    assert sorted(one["subscriber"] for one in failures(audit)) == ["a", "b", "c"]
    # Its own event and the two failures of the others, never its own failure.
    assert [subscription.failures for subscription in subscriptions] == [3, 3, 3]


def test_failures_are_told_to_others_but_not_to_the_one_that_failed(bus):
    told, own = [], []

    def fails(event):
        own.append(event.kind)
        raise ValueError

    failing = bus.subscribe(fails, name="fails")
    watching = bus.subscribe(told.append, kinds="subscriber.failed")
    bus.publish("custom.count")
    assert failing.drain()
    assert watching.drain()
    assert failing.drain()

    assert own == ["custom.count"]
    assert [event.data["subscriber"] for event in told] == ["fails"]


def test_failures_of_the_past_are_history_like_everything_else(bus):
    def fails(event):
        raise ValueError

    with bus.subscribe(fails, name="same", kinds="custom.*"):
        bus.publish("custom.count")

    seen = []
    with bus.subscribe(seen.append, name="same", after=0):
        pass
    assert [event.kind for event in seen] == ["custom.count", "subscriber.failed"]


def test_a_raising_handler_hurts_no_other(bus):
    seen = []

    def fails(event):
        raise ValueError

    bus.subscribe(fails, kinds="custom.*")
    other = bus.subscribe(seen.append, kinds="custom.*")
    for n in range(100):
        bus.publish("custom.count", {"n": n})

    assert other.drain()
    assert [event.data["n"] for event in seen] == list(range(100))


def test_memory_does_not_grow_with_the_events_that_wait(bus):
    entered, gate, seen = threading.Event(), threading.Event(), []
    load = "x" * 10_000

    def blocked(event):
        entered.set()
        gate.wait(WAIT_S)
        seen.append(event.sequence)

    subscription = bus.subscribe(blocked)
    bus.publish("custom.load", {"load": load})
    assert entered.wait(WAIT_S)
    tracemalloc.start()
    try:
        for _ in range(3000):
            bus.publish("custom.load", {"load": load})
        held, _ = tracemalloc.get_traced_memory()
        gate.set()
        assert subscription.drain(WAIT_S)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # 30 MB wait in the store. While the handler is blocked nothing is held; later one page is.
    assert held < 2_000_000
    assert peak < 15_000_000
    assert len(seen) == 3001


def test_a_failure_that_cannot_be_journaled_is_logged(bus, engine, caplog):
    entered, gate = threading.Event(), threading.Event()

    def fails(event):
        entered.set()
        gate.wait(WAIT_S)
        raise ValueError("late")

    subscription = bus.subscribe(fails, name="late")
    bus.publish("custom.count")
    assert entered.wait(WAIT_S)
    engine.close()
    gate.set()

    assert subscription.join(WAIT_S)
    assert "the failure of subscriber 'late' was not journaled" in caplog.text
    with pytest.raises(StoreError):
        bus.publish("custom.count")
