"""Answers to the questions of executions (LangGraph: interrupts) where no person is asked."""

import contextlib
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wtb.cases import Case
from wtb.errors import ConfigurationError, did_you_mean
from wtb.workflow import import_reference

__all__ = ["Answers", "OnInterrupt", "resolve_on_interrupt"]

PARAMETERS = ("question", "case", "variant", "repeat")
"""What `on_interrupt` may ask for by the names of its parameters."""

QUESTIONS_MAX = 1_000
"""How often one attempt is answered, before it is left to a person."""


class OnInterrupt:
    """A function that answers questions.

    Args:
        function: Takes any of `question` (what the node gave to `interrupt`), `case`, `variant` and
            `repeat` by these names, or one argument of any other name, which is the question; sync
            or async.

    Raises:
        ConfigurationError: It cannot be called so.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        parameters: Sequence[inspect.Parameter] = ()
        # Of some built-in functions nothing is known.
        with contextlib.suppress(TypeError, ValueError):
            parameters = [*inspect.signature(function).parameters.values()]
        needed = [
            one.name
            for one in parameters
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
        named = [one.name for one in parameters if one.name in PARAMETERS]
        self._is_single = not named and len(needed) <= 1
        self._named = named
        unknown = [name for name in needed if name not in PARAMETERS]
        if unknown and not self._is_single:
            raise ConfigurationError(
                f"on_interrupt needs {unknown[0]!r}, which there is not. "
                f"{did_you_mean(unknown[0], PARAMETERS, listed_as='it may ask for')}"
            )

    def __call__(self, question: Any, case: Case, variant: str | None, repeat: int) -> Any:
        """Return the answer, or an awaitable of it; None for no answer."""
        if self._is_single:
            return self.function(question)
        given = {"question": question, "case": case, "variant": variant, "repeat": repeat}
        return self.function(**{name: given[name] for name in self._named})


def resolve_on_interrupt(given: object) -> OnInterrupt | None:
    """Return what answers questions, given as a function or a `"module:function"` reference.

    Raises:
        ConfigurationError: It is neither, or cannot be called.
    """
    if given is None or isinstance(given, OnInterrupt):
        return given
    found = import_reference(given) if isinstance(given, str) and ":" in given else given
    if not callable(found):
        raise ConfigurationError(
            f"on_interrupt is a function or a 'module:function' reference, not {given!r}"
        )
    return OnInterrupt(found)


class Answers:
    """What answers the questions of one attempt: first its case, then `on_interrupt`.

    Args:
        case: Its `answers` are a list, given in the order in which is asked, or a mapping from
            questions that are texts.
        variant: The variant's name.
        repeat: Which repeat.
        on_interrupt: What is asked where the case has no answer.
        given: How many questions of the lineage have been answered before: so much of a list of
            answers is passed over.
    """

    def __init__(
        self,
        case: Case,
        variant: str | None,
        repeat: int,
        on_interrupt: OnInterrupt | None,
        given: int,
    ) -> None:
        self._case = case
        self._variant = variant
        self._repeat = repeat
        self._on_interrupt = on_interrupt
        self._left: list[Any] = []
        self._known: Mapping[str, Any] = {}
        if isinstance(case.answers, Mapping):
            self._known = case.answers
        elif case.answers is not None:
            self._left = [*case.answers][given:]
        self._rounds = 0

    def to(
        self,
        questions: Mapping[str, Any],
        wait: Callable[[Callable[[], Awaitable[Any]]], Any],
    ) -> Mapping[str, Any]:
        """Return answers by the questions' ids; those without one are left out.

        Args:
            questions: The questions by their ids.
            wait: Runs what asynchronous functions returned.
        """
        found = self._found(questions)
        if any(inspect.isawaitable(answer) for answer in found.values()):
            found = wait(lambda: _settled(found))
        return _given(found)

    async def ato(self, questions: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return answers by the questions' ids, on the caller's event loop."""
        return _given(await _settled(self._found(questions)))

    def _found(self, questions: Mapping[str, Any]) -> dict[str, Any]:
        self._rounds += 1
        if self._rounds > QUESTIONS_MAX:
            return {}
        return {key: self._answer(question) for key, question in questions.items()}

    def _answer(self, question: Any) -> Any:
        if self._left:
            return self._left.pop(0)
        if isinstance(question, str) and question in self._known:
            return self._known[question]
        if self._on_interrupt is None:
            return None
        return self._on_interrupt(question, self._case, self._variant, self._repeat)


async def _settled(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: await answer if inspect.isawaitable(answer) else answer
        for key, answer in found.items()
    }


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: answer for key, answer in found.items() if answer is not None}
