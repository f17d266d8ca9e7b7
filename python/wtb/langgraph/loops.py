"""Runs coroutines from synchronous code."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["LoopRunner"]


class LoopRunner:
    """Runs coroutines from synchronous code, on one event loop that is kept between calls."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, make: Callable[[], Any]) -> Any:
        """Run the coroutine that `make` returns, in a copy of the caller's context."""
        context = contextvars.copy_context()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(make(), context=context)
        # A loop runs in this thread already, for example a notebook's; no second one can.
        with ThreadPoolExecutor(1, thread_name_prefix="wtb-loop") as helper:
            return helper.submit(context.run, lambda: asyncio.run(make())).result()

    def close(self) -> None:
        """End the loop, if one was needed."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
