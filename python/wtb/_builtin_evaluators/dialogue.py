"""Asking a function of the user's that may be sync or async, from code that need not care."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["carry_on"]

T = TypeVar("T")


def carry_on(dialogue: Generator[Any, Any, T], ask: Callable[[Any], Any]) -> T | Awaitable[T]:
    """Ask what a generator yields, send it the answers, and return what it returns.

    Args:
        dialogue: Yields questions, one after the other.
        ask: Answers one; sync or async.

    Returns:
        The result; an awaitable of it once an answer has to be awaited.
    """
    try:
        question = next(dialogue)
        while True:
            answer = ask(question)
            if inspect.isawaitable(answer):
                return _carry_on_later(dialogue, ask, answer)
            question = dialogue.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def _carry_on_later(
    dialogue: Generator[Any, Any, T], ask: Callable[[Any], Any], answer: Any
) -> T:
    while True:
        known = await answer if inspect.isawaitable(answer) else answer
        try:
            question = dialogue.send(known)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = ask(question)
