"""The event loop of async evaluators: one for the whole process.

Clients of network services bind their connections to the loop that they are first used on, so a
loop for each call, thread or batch would break an evaluator that keeps its client.
"""

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable
from contextvars import Context
from typing import Any

__all__ = ["wait"]

_ANSWER_S = 1.0

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def wait(awaitable: Awaitable[Any], timeout: float, slow: str) -> Any:
    """Return the result of an awaitable, or raise what it raises.

    One that does not end in time is cancelled. One that blocks the loop (it waits without `await`)
    is left behind together with the loop, and the next awaitable gets a new loop.

    Args:
        awaitable: A coroutine, or anything else that can be awaited.
        timeout: Seconds.
        slow: What the error says when it did not end in time.

    Raises:
        TimeoutError: It did not end in time.
    """
    given_up = threading.Event()
    with _lock:
        loop = _running()
        future = asyncio.run_coroutine_threadsafe(_captured(awaitable, given_up), loop)
    try:
        result, error = future.result(timeout)
    except TimeoutError:
        given_up.set()
        if _answers(loop):
            future.cancel()
        else:
            _leave_behind(loop)
        raise TimeoutError(slow) from None
    if error is not None:
        raise error
    return result


async def _captured(
    awaitable: Awaitable[Any], given_up: threading.Event
) -> tuple[Any, BaseException | None]:
    if given_up.is_set() and inspect.iscoroutine(awaitable):
        awaitable.close()
        return None, None
    try:
        return await awaitable, None
    # asyncio lets SystemExit and KeyboardInterrupt through a task right out of the loop.
    except BaseException as error:
        return None, error


def _running() -> asyncio.AbstractEventLoop:
    # A forked process has the parent's memory, but not the thread that ran the parent's loop.
    process = os.getpid()
    loop = _loops.get(process)
    if loop is None:
        loop = asyncio.new_event_loop()
        threading.Thread(
            target=Context().run, args=(_serve, loop), name="wtb-evaluator-loop", daemon=True
        ).start()
        _loops[process] = loop
    return loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    # Only a loop that was left behind is stopped.
    loop.run_until_complete(_cancel_all())
    loop.close()


async def _cancel_all() -> None:
    # What was given up before it began sees that now.
    await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _answers(loop: asyncio.AbstractEventLoop) -> bool:
    answered = threading.Event()
    try:
        loop.call_soon_threadsafe(answered.set)
    # It was left behind, and has ended since.
    except RuntimeError:
        return False
    return answered.wait(_ANSWER_S)


def _leave_behind(loop: asyncio.AbstractEventLoop) -> None:
    with _lock:
        if _loops.get(os.getpid()) is loop:
            del _loops[os.getpid()]
            loop.call_soon_threadsafe(loop.stop)
