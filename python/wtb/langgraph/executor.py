"""Threads that wait for the store on behalf of event loops."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

__all__ = ["ASYNC_WORKERS", "Executor"]

P = ParamSpec("P")
T = TypeVar("T")

ASYNC_WORKERS = 4
"""How many threads an executor has."""


class Executor:
    """Threads that wait for the store; made at the first need, bound to no event loop."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, as a forked child has to: threads do not survive a fork."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function on one of the threads."""
        if os.getpid() != self._process:
            # Threads do not survive a fork, and the call will say that the store does not either.
            return call(*args, **kwargs)
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(ASYNC_WORKERS, thread_name_prefix="wtb-saver")
            future = self._threads.submit(call, *args, **kwargs)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let the threads end."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._threads is not None:
                self._threads.shutdown(wait=False)
                self._threads = None
