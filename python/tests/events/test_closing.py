"""Slow and stuck handlers, and what closing does to them."""

import threading

import pytest

from wtb.errors import StoreError
from wtb.events import EventBus

WAIT_S = 30


def numbers(events):
    return [event.data["n"] for event in events]


def test_a_slow_handler_holds_up_neither_the_store_nor_others(bus):
    gate, stuck, fast = threading.Event(), [], []

    def blocked(event):
        stuck.append(event)
        gate.wait(WAIT_S)

    slow = bus.subscribe(blocked)
    quick = bus.subscribe(fast.append)
    for n in range(2000):
        bus.publish("custom.count", {"n": n})

    assert quick.drain(WAIT_S)
    assert numbers(fast) == list(range(2000))
    assert len(stuck) <= 1
    gate.set()
    assert slow.drain(WAIT_S)
    assert numbers(stuck) == list(range(2000))


def test_a_closed_bus_takes_no_subscriptions_but_can_be_closed_again(bus):
    bus.close()
    bus.close()
    with pytest.raises(StoreError, match="the event bus is closed"):
        bus.subscribe(print)


def test_closing_delivers_what_was_published_before(bus):
    seen = []

    def handler(event):
        threading.Event().wait(0.001)
        seen.append(event)

    subscription = bus.subscribe(handler)
    for n in range(300):
        bus.publish("custom.count", {"n": n})
    bus.close()

    assert numbers(seen) == list(range(300))
    assert not subscription.active


def test_closing_leaves_a_stuck_handler_alone_and_names_it(bus, caplog):
    entered, gate, seen = threading.Event(), threading.Event(), []

    def blocked(event):
        seen.append(event)
        entered.set()
        gate.wait(WAIT_S)

    subscription = bus.subscribe(blocked, name="stuck")
    for n in range(2):
        bus.publish("custom.count", {"n": n})
    assert entered.wait(WAIT_S)
    bus.close(timeout=0.05)

    assert "subscriber 'stuck' was not done" in caplog.text
    gate.set()
    assert subscription.join(WAIT_S)
    assert numbers(seen) == [0]


def test_a_handler_may_close_the_bus(bus):
    seen = []

    def handler(event):
        seen.append(event)
        bus.close()

    subscription = bus.subscribe(handler)
    for n in range(3):
        bus.publish("custom.count", {"n": n})

    assert subscription.join(WAIT_S)
    assert numbers(seen) == [0]
    assert subscription.failures == 0


def test_subscriptions_end_when_the_store_is_closed_beneath_them(engine):
    bus = EventBus(engine)
    subscription = bus.subscribe(print)
    engine.close()

    assert subscription.join(WAIT_S)
    assert not subscription.active


def test_a_handler_that_takes_long_is_named_in_the_log(bus, caplog, monkeypatch):
    monkeypatch.setattr("wtb.events.subscription.SLOW_HANDLER_S", 0.01)
    gate, reported = threading.Event(), threading.Event()

    def blocked(event):
        gate.wait(WAIT_S)

    subscription = bus.subscribe(blocked, name="slow")
    bus.publish("custom.count")
    for _ in range(300):
        if "subscriber 'slow' has been at the event after" in caplog.text:
            reported.set()
            break
        gate.wait(0.1)
    gate.set()

    assert reported.is_set()
    assert subscription.drain(WAIT_S)
