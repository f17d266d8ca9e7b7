"""Benches on stores of their own, and what tests of batches wait for."""

import threading
from time import monotonic, sleep

import pytest
from stores import store_at

from wtb import TestBench


def pytest_collection_modifyitems(items):
    # A worker whose thread dies of an exception has lost an outcome that nobody hears of.
    for item in items:
        if "bench" in item.path.parts:
            item.add_marker(
                pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
            )


@pytest.fixture
def bench(tmp_path):
    with TestBench(store_at(tmp_path / "store")) as bench:
        yield bench


@pytest.fixture
def released():
    """What hanging nodes wait for; they are let go at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def until():
    """Waits until a condition is true; only a program that hangs lets it fail."""

    def until(condition, seconds=30):
        end = monotonic() + seconds
        while not condition():
            assert monotonic() < end, "it never became true"
            sleep(0.005)

    return until


@pytest.fixture
def kinds():
    """Gives the kinds of a batch's journal, in order."""
    return lambda bench, batch: [event.kind for event in bench.journal(batch=batch)]
