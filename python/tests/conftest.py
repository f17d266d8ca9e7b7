"""What all tests of the package share."""

import signal
import threading
from time import monotonic, sleep

import pytest

# A shell that begins the tests in the background has them, and all that they begin, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
