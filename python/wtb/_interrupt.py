"""Ctrl-C while a batch runs: who is told, and how to tell it from a node that raises by itself.

And the request to end (SIGTERM) while something is unfinished that has to be removed.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Presses", "cleaning_up", "is_genuine", "watched"]


class Presses:
    """How often Ctrl-C was pressed while somebody watched."""

    def __init__(self) -> None:
        self.count = 0


_watching: list[Presses] = []


@contextmanager
def watched(press: Callable[[int], None], *, always: bool = False) -> Iterator[Presses]:
    """Call `press(n)` at the n-th Ctrl-C inside the `with` block.

    Nothing is watched off the main thread, which alone can do that, and where the program handles
    Ctrl-C itself.

    Args:
        press: Told how often Ctrl-C was pressed; what it raises comes out of whatever runs.
        always: Take the place of a handler of the program's own, too.
    """
    presses = Presses()
    former = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or not (always or former is signal.default_int_handler):
        yield presses
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        presses.count += 1
        press(presses.count)

    signal.signal(signal.SIGINT, handle)
    _watching.append(presses)
    try:
        yield presses
    finally:
        _watching.remove(presses)
        signal.signal(signal.SIGINT, former)


def is_genuine() -> bool:
    """Whether a `KeyboardInterrupt` on the main thread may come from Ctrl-C.

    Where presses are counted and none was, or where Ctrl-C is ignored (as in what a shell begins in
    the background), it was raised by user code.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return False
    return not _watching or any(presses.count for presses in _watching)


class _AskedToEndError(BaseException):
    """The process was asked to end, by SIGTERM."""


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Have SIGTERM leave the `with` block as an error does, and end the process after that.

    Without it nothing that stands in a `finally` is done. The program's own handler stays, and so
    does an order to ignore the signal.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    asked = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        # Only once: what is done now is not to be interrupted.
        signal.signal(number, signal.SIG_IGN)
        asked.set()
        raise _AskedToEndError

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Whatever came out: a library between may have made another exception of it.
        if asked.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
