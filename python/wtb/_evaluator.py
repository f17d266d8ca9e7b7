"""One evaluator: a function that is called by parameter name.

What it may return is in `wtb._scores`, the built-in ones and the names that bench files use are in
`wtb.evaluators`, threads and timeouts in `wtb._scoring`.
"""

import asyncio
import functools
import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Mapping
from numbers import Real
from typing import Any, Final

from wtb._content import content_version, lines_of
from wtb._scores import ScoreTuple, describe_error, failed, read_scores
from wtb.context import Direction
from wtb.errors import ConfigurationError, did_you_mean

__all__ = ["PARAMETERS", "Evaluator", "check_timeout", "reference_of"]

PARAMETERS: Final = ("output", "expected", "case", "execution")
"""What an evaluator may ask for by the names of its parameters."""

_WORKFLOW_SOURCE = "workflow"
# Arguments of factories that are settings of the evaluator.
_NO_CONTENT = ("name", "timeout")


class Evaluator:
    """A function that scores executions, with its name and direction.

    It can be called like the function itself.

    Args:
        function: Takes any of `output`, `expected`, `case` and `execution` by these names; sync or
            async. Further parameters need defaults.
        name: Name of the evaluator and of its metric; by default the function's.
        direction: "max" when more is better, "min" when less is; for all of its metrics.
        timeout: Seconds that one call may take; by default the batch's setting counts.
        use: The name that `arguments` are given to in order to get this evaluator again.
        arguments: JSON values.
        reference: The `"module:attribute"` that it was imported from.

    Raises:
        ConfigurationError: It cannot be called with what there is, or a setting is unusable.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        direction: Direction = "max",
        timeout: float | None = None,
        use: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        reference: str | None = None,
    ) -> None:
        if isinstance(function, Evaluator):
            raise ConfigurationError(
                f"{function!r} is an evaluator already; give its settings where it is made"
            )
        self.name = _checked_name(_function_name(function) if name is None else name)
        if direction not in ("max", "min"):
            raise ConfigurationError(
                f"evaluator {self.name!r}: direction is 'max' or 'min', not {direction!r}"
            )
        self.direction: Direction = direction
        where = f"evaluator {self.name!r}"
        self.timeout = None if timeout is None else check_timeout(timeout, where)
        self.function = function
        self._parameters = _parameters(function, self.name)
        self._use = use
        self._arguments = dict(arguments or {})
        self._given_reference = reference
        self._lines = lines_of(function)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Evaluator({self.name!r}, {self.direction})"

    @property
    def reference(self) -> str | None:
        """The `"module:attribute"` that finds the evaluator again, or None when nothing does."""
        return self._given_reference or reference_of(self.function)

    @functools.cached_property
    def version(self) -> str:
        """A hash of what decides its scores, 16 hexadecimal digits.

        It is made of the source of the function, its defaults, what its closure holds, what it
        names of its own module (functions, classes, and constants in capitals), the arguments that
        it was made of, name and direction. The same code gives the same version in every process.
        What it calls in other modules is not seen.
        """
        arguments = {key: one for key, one in self._arguments.items() if key not in _NO_CONTENT}
        return content_version((self.function, arguments, self.name, self.direction), self._lines)

    def with_settings(self, **settings: Any) -> "Evaluator":
        """Return the same function as an evaluator with other settings; see the class."""
        known = {
            "name": self.name,
            "direction": self.direction,
            "timeout": self.timeout,
            "use": self._use,
            "arguments": self._arguments,
            "reference": self._given_reference,
        }
        made = Evaluator(self.function, **{**known, **settings})
        made._lines = self._lines
        return made

    def describe(self) -> dict[str, Any]:
        """Return what `restore_evaluators` needs, as JSON data."""
        return {
            "name": self.name,
            "reference": None if self._use else self.reference,
            "use": self._use,
            "arguments": dict(self._arguments),
            "direction": self.direction,
            "timeout": self.timeout,
            "version": self.version,
        }

    def evaluate(
        self,
        output: object,
        expected: object,
        case: object,
        execution: object,
        *,
        wait: Callable[[Awaitable[Any]], Any] | None = None,
    ) -> list[ScoreTuple]:
        """Call the function and return its scores; whatever goes wrong becomes a score's error.

        Args:
            output: What the workflow returned.
            expected: What the case expects.
            case: The case.
            execution: The execution.
            wait: Gets the result of an async function; by default on an event loop of its own.
        """
        given = {"output": output, "expected": expected, "case": case, "execution": execution}
        try:
            result = self.function(**{name: given[name] for name in self._parameters})
            if inspect.isawaitable(result):
                result = (wait or _run)(result)
            scores = read_scores(result, self.name, self.direction)
            return [one._replace(version=self.version) for one in scores]
        # A `sys.exit()` in an evaluator, or a test library's own kind of failure, is an error of
        # this score and must not end the thread that everybody's scores come from.
        except BaseException as error:
            return [self.failed(describe_error(error))]

    def declined(self) -> ScoreTuple:
        """Return what stands for "no score" of this evaluator."""
        return ScoreTuple(self.name, None, self.direction, self.name, None, None, self.version)

    def failed(self, error: str) -> ScoreTuple:
        """Return the score that says why there is none."""
        score = failed(self.name, error, self.name, self.direction)
        return score._replace(version=self.version)


def _function_name(function: object) -> str:
    """Return what an evaluator of this function is called by default."""
    if isinstance(function, functools.partial):
        return _function_name(function.func)
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def check_timeout(timeout: float, where: str) -> float:
    """Return the timeout if it is a positive number of seconds.

    Raises:
        ConfigurationError: It is something else.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, Real) or not 0 < timeout < math.inf:
        raise ConfigurationError(
            f"{where}: timeout is a positive number of seconds, not {timeout!r}"
        )
    return float(timeout)


def _run(awaitable: Awaitable[Any]) -> Any:
    async def result() -> Any:
        return await awaitable

    return asyncio.run(result())


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"an evaluator needs a non-empty name, not {name!r}")
    if name == _WORKFLOW_SOURCE:
        raise ConfigurationError(
            f"an evaluator cannot be called {name!r}, because that is how the metrics that "
            "nodes log are marked; give it another name: @wtb.evaluator(name=...)"
        )
    return name


def _parameters(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """Return which of the four values the function asks for."""
    if not callable(function):
        raise ConfigurationError(
            f"evaluator {name!r} is {function!r}, which cannot be called; give a function of any "
            f"of {', '.join(PARAMETERS)}"
        )
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"evaluator {name!r}: {function!r} does not tell its parameters; wrap it in a "
            f"function of any of {', '.join(PARAMETERS)}"
        ) from None
    asked = [one.name for one in parameters if one.kind in _BY_NAME and one.name in PARAMETERS]
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        asked = list(PARAMETERS)
    for one in parameters:
        required = one.default is inspect.Parameter.empty and one.kind not in _VARIADIC
        if required and one.name not in asked:
            only = " by position only" if one.name in PARAMETERS else ""
            raise ConfigurationError(
                f"evaluator {name!r} asks for {one.name!r}{only}, which it cannot be given. "
                f"{did_you_mean(one.name, PARAMETERS, listed_as='parameters are passed by name')} "
                "Any other parameter needs a default"
            )
    if not asked:
        raise ConfigurationError(
            f"evaluator {name!r} takes none of {', '.join(PARAMETERS)}, so it cannot score an "
            "execution; if it is a function that makes evaluators, call it"
        )
    return tuple(asked)


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def reference_of(function: object) -> str | None:
    module = getattr(function, "__module__", None)
    qualified = getattr(function, "__qualname__", None)
    # The main module is another one in the session that would look for it.
    if not module or not qualified or module == "__main__":
        return None
    found: object = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    is_same = found is function or (isinstance(found, Evaluator) and found.function is function)
    return f"{module}:{qualified}" if is_same else None
