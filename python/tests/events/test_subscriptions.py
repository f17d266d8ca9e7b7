"""Subscriptions: which events come, in which order, and what a handler may do."""

import asyncio
import functools
import threading

import pytest

from wtb.errors import ConfigurationError

WAIT_S = 30


def numbers(events):
    return [event.data["n"] for event in events]


def test_events_from_now_on_come_in_order(bus):
    bus.publish("custom.count", {"n": -1})
    seen = []
    subscription = bus.subscribe(seen.append)
    published = [bus.publish("custom.count", {"n": n}) for n in range(600)]

    assert subscription.drain()
    assert numbers(seen) == list(range(600))
    assert [event.sequence for event in seen] == published
    assert subscription.delivered == 600
    assert subscription.position == published[-1]


def test_events_of_many_publishers_come_once_and_in_the_order_of_the_journal(bus):
    seen = []
    subscription = bus.subscribe(seen.append)

    def publish(start):
        for n in range(start, start + 100):
            bus.publish("custom.count", {"n": n})

    threads = [threading.Thread(target=publish, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert subscription.drain()
    assert sorted(numbers(seen)) == list(range(300))
    sequences = [event.sequence for event in seen]
    assert sequences == sorted(sequences)


def test_history_can_be_replayed_from_any_place(bus, submit):
    batch, _ = submit()
    middle = bus.publish("custom.count", {"n": 0})
    bus.publish("custom.count", {"n": 1})

    everything, tail = [], []
    assert bus.subscribe(everything.append, after=0).drain()
    assert bus.subscribe(tail.append, after=middle).drain()

    kinds = [event.kind for event in everything]
    assert kinds == ["batch.created", "batch.started", "custom.count", "custom.count"]
    assert everything[0].batch_id == batch
    assert numbers(tail) == [1]


def test_a_subscription_can_be_taken_up_where_an_earlier_one_ended(bus):
    first, second = [], []
    with bus.subscribe(first.append) as subscription:
        bus.publish("custom.count", {"n": 0})
    bus.publish("custom.count", {"n": 1})

    assert bus.subscribe(second.append, after=subscription.position).drain()
    assert numbers(first) == [0]
    assert numbers(second) == [1]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["batch.created"], ["batch.created"]),
        ("batch.created", ["batch.created"]),
        (["batch.*"], ["batch.created", "batch.started"]),
        (["batch.started", "custom.b"], ["batch.started", "custom.b"]),
        (["custom.*"], ["custom.a", "custom.ab", "custom.b"]),
        (["custom.a*"], ["custom.a", "custom.ab"]),
        (["custom.a"], ["custom.a"]),
        (["execution.failed"], []),
        (["*"], ["batch.created", "batch.started", "custom.a", "custom.ab", "custom.b"]),
        (None, ["batch.created", "batch.started", "custom.a", "custom.ab", "custom.b"]),
    ],
)
def test_kinds_are_chosen_by_name_and_by_pattern(bus, submit, kinds, expected):
    seen = []
    subscription = bus.subscribe(seen.append, kinds=kinds)
    submit()
    for kind in ("custom.a", "custom.ab", "custom.b"):
        bus.publish(kind)

    assert subscription.drain()
    assert [event.kind for event in seen] == expected


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        (["execution.suceeded"], "Did you mean 'execution.succeeded'"),
        (["exekution.*"], r"Did you mean 'execution\.\*'"),
        (["execution.*.x"], "at the end only"),
        (["nonsense"], "Whole families: "),
        ([], "kinds is empty"),
        ([3], "not 3"),
    ],
)
def test_unknown_kinds_are_refused_with_what_was_probably_meant(bus, kinds, text):
    with pytest.raises(ConfigurationError, match=text):
        bus.subscribe(print, kinds=kinds)


def test_a_handler_has_to_be_callable_and_after_a_sequence_number(bus):
    with pytest.raises(ConfigurationError, match="a function of one event, not 'print'"):
        bus.subscribe("print")
    with pytest.raises(ConfigurationError, match="not -1"):
        bus.subscribe(print, after=-1)


def test_subscriptions_have_names_that_tell_them_apart(bus):
    def handler(event, extra=None):
        pass

    own = handler.__qualname__
    assert bus.subscribe(handler).name == own
    assert bus.subscribe(functools.partial(handler, extra=1)).name == f"{own} #2"
    named = bus.subscribe(handler, name="watch")
    with pytest.raises(ConfigurationError, match="'watch' already"):
        bus.subscribe(handler, name="watch")
    named.cancel()
    assert bus.subscribe(handler, name="watch").name == "watch"
    assert "'watch'" in repr(bus)


def test_a_handler_may_publish(bus):
    seen = []

    def countdown(event):
        seen.append(event)
        if event.data["n"] > 0:
            bus.publish("custom.count", {"n": event.data["n"] - 1})

    subscription = bus.subscribe(countdown)
    bus.publish("custom.count", {"n": 5})

    while len(seen) < 6:
        assert subscription.drain(WAIT_S)
    assert numbers(seen) == [5, 4, 3, 2, 1, 0]


def test_a_handler_may_subscribe_and_drain_others(bus):
    inner_seen, drained = [], []

    def outer(event):
        inner = bus.subscribe(inner_seen.append, after=0, name="inner")
        drained.append(inner.drain(WAIT_S))
        inner.cancel()

    subscription = bus.subscribe(outer)
    bus.publish("custom.count", {"n": 1})

    assert subscription.drain(WAIT_S)
    assert drained == [True]
    assert numbers(inner_seen) == [1]


def test_a_handler_may_cancel_itself(bus):
    seen = []

    def once(event):
        seen.append(event)
        subscription.cancel()

    subscription = bus.subscribe(once)
    bus.publish("custom.count", {"n": 0})
    bus.publish("custom.count", {"n": 1})

    assert not subscription.drain(WAIT_S)
    assert numbers(seen) == [0]
    assert not subscription.active


def test_a_handler_that_waits_for_itself_is_told_so(bus):
    subscription = bus.subscribe(lambda event: subscription.drain())
    bus.publish("custom.count")

    assert subscription.drain(WAIT_S)
    assert isinstance(subscription.last_error, RuntimeError)
    assert "cannot wait for its own return" in str(subscription.last_error)


def test_nothing_comes_after_cancel(bus):
    seen = []
    subscription = bus.subscribe(seen.append)
    bus.publish("custom.count", {"n": 0})
    assert subscription.drain()
    subscription.cancel()
    bus.publish("custom.count", {"n": 1})

    assert not subscription.drain(WAIT_S)
    assert numbers(seen) == [0]


def test_a_with_block_delivers_what_was_published_in_it(bus):
    seen = []
    with bus.subscribe(seen.append) as subscription:
        for n in range(50):
            bus.publish("custom.count", {"n": n})
    bus.publish("custom.count", {"n": 50})

    assert numbers(seen) == list(range(50))
    assert not subscription.active


def test_async_handlers_share_one_loop_and_keep_the_order(bus):
    seen, loops = [], set()

    async def handler(event):
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0.001 if event.data["n"] % 2 else 0)
        seen.append(event)

    class Callable:
        async def __call__(self, event):
            await handler(event)

    for one in (handler, Callable()):
        seen.clear()
        loops.clear()
        with bus.subscribe(one):
            for n in range(20):
                bus.publish("custom.count", {"n": n})
        assert numbers(seen) == list(range(20))
        assert len(loops) == 1


def test_subscriptions_read_well(bus):
    with bus.subscribe(print, kinds=["batch.*"], name="watch") as subscription:
        assert repr(subscription) == (
            "Subscription('watch', batch.*, active, 0 delivered, position 0)"
        )
    assert "ended" in repr(subscription)
