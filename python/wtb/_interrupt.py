"""Ctrl-C while a batch runs: who is told, and how to tell it from a node that raises by itself."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Presses", "is_genuine", "watched"]


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
