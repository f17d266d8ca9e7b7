"""Evaluators: what gives scores to executions, and the built-in ones.

An evaluator is a function of any of `output, expected, case, execution`, called by these names. All
evaluators of an execution are given the same objects, which they leave as they are. Threads and
timeouts are in `wtb._scoring`.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from wtb._builtin_evaluators import (
    BUILT_IN,
    PairwiseJudge,
    contains,
    cost,
    edit_distance,
    embedding_similarity,
    exact_match,
    json_equal,
    json_schema,
    judge,
    numeric_close,
    pairwise_judge,
    regex_match,
    set_overlap,
)
from wtb._evaluator import Evaluator
from wtb._scores import Score, ScoreTuple, describe_error
from wtb._warn import warn_caller
from wtb.context import Direction
from wtb.errors import ConfigurationError, WtbError, did_you_mean
from wtb.workflow import import_reference

__all__ = [
    "Evaluator",
    "EvaluatorLike",
    "PairwiseJudge",
    "Score",
    "ScoreTuple",
    "contains",
    "cost",
    "current_evaluators",
    "edit_distance",
    "embedding_similarity",
    "evaluator",
    "exact_match",
    "json_equal",
    "json_schema",
    "judge",
    "numeric_close",
    "pairwise_judge",
    "regex_match",
    "resolve_evaluators",
    "restore_evaluators",
    "set_overlap",
    "warn_of_changes",
]

EvaluatorLike = Evaluator | Callable[..., Any] | str | Mapping[str, Any]
"""An evaluator, a function, a built-in name or reference, or a bench file's `{use = ...}`."""


@overload
def evaluator(name: Callable[..., Any], /) -> Evaluator: ...


@overload
def evaluator(
    name: str | None = None, direction: Direction = "max", timeout: float | None = None
) -> Callable[[Callable[..., Any]], Evaluator]: ...


def evaluator(
    name: str | Callable[..., Any] | None = None,
    direction: Direction = "max",
    timeout: float | None = None,
) -> Evaluator | Callable[[Callable[..., Any]], Evaluator]:
    """Make the decorated function an evaluator; it can still be called.

    The function takes any of `output`, `expected`, `case` and `execution`, by these names. It
    returns a number, a bool, a `Score`, a mapping of metrics' names to numbers or `Score`s, a list
    of `Score`s, or None for no score. It may be async.

    Args:
        name: Name of the evaluator and of its metric; by default the function's.
        direction: "max" when more is better, "min" when less is.
        timeout: Seconds that one call may take; by default the batch's setting counts.

    Raises:
        ConfigurationError: The function asks for something else, or a setting is unusable.

    Example:
        >>> @evaluator
        ... def is_short(output):
        ...     return len(output["answer"]) < 100
        >>> is_short({"answer": "yes"})
        True
    """
    if callable(name):
        return Evaluator(name)

    def register(function: Callable[..., Any]) -> Evaluator:
        return Evaluator(function, name=name, direction=direction, timeout=timeout)

    return register


def resolve_evaluators(specs: Sequence[EvaluatorLike]) -> list[Evaluator]:
    """Return the evaluators that are meant, in order.

    Args:
        specs: Evaluators, functions, names of built-in evaluators, `"module:attribute"` references,
            and mappings `{"use": name or reference, **arguments}`.

    Raises:
        ConfigurationError: A name is unknown, an argument is wrong, a function cannot be called as
            an evaluator, or two evaluators have one name.
        WorkflowImportError: A reference cannot be imported.

    Example:
        >>> resolve_evaluators(["exact_match", {"use": "contains", "field": "answer"}])
        [Evaluator('exact_match', max), Evaluator('contains', max)]
    """
    if isinstance(specs, str | Mapping) or callable(specs) or not isinstance(specs, Iterable):
        raise ConfigurationError(f"evaluators are a list; write a single one as [{specs!r}]")
    resolved = [_resolved(spec, f"evaluators[{place}]") for place, spec in enumerate(specs)]
    first: dict[str, int] = {}
    for place, one in enumerate(resolved):
        other = first.setdefault(one.name, place)
        if other != place:
            raise ConfigurationError(
                f"evaluators[{other}] and evaluators[{place}] are both called {one.name!r}; "
                "give one of them another name: "
                "@wtb.evaluator(name=...), or the built-in evaluators' argument name="
            )
    return resolved


def restore_evaluators(descriptions: Sequence[Mapping[str, Any]]) -> list[Evaluator]:
    """Return the evaluators that `Evaluator.describe` described, perhaps in another session.

    Those whose content has changed since then are named in a warning.

    Raises:
        ConfigurationError: Some cannot be found again; the text names all of them.
    """
    restored = current_evaluators(descriptions)
    warn_of_changes(descriptions, restored)
    return restored


def current_evaluators(descriptions: Sequence[Mapping[str, Any]]) -> list[Evaluator]:
    """Return the evaluators that were described, as they are now.

    Raises:
        ConfigurationError: Some cannot be found again; the text names all of them.
    """
    restored: list[Evaluator] = []
    lost: list[str] = []
    for description in descriptions:
        try:
            restored.append(_restored(description))
        except WtbError as error:
            lost.append(f"{description['name']!r}: {error}")
    if lost:
        raise ConfigurationError(
            "some evaluators cannot be found again; pass all of them as evaluators=[...]. "
            + "; ".join(lost)
        )
    return restored


def warn_of_changes(
    descriptions: Sequence[Mapping[str, Any]], evaluators: Sequence[Evaluator]
) -> None:
    """Warn of evaluators that are not what their descriptions were made of.

    Args:
        descriptions: What `Evaluator.describe` gave. Those of older programs have no version.
        evaluators: The evaluators of these names now.
    """
    now = {one.name: one.version for one in evaluators}
    changed = [
        repr(one["name"])
        for one in descriptions
        if one.get("version") and one["version"] != now.get(one["name"], one["version"])
    ]
    if changed:
        warn_caller(
            f"changed since the batch was scored: evaluator {', '.join(changed)}. Scores from "
            "before and after do not compare; `wtb score` and bench.score(batch) score all anew"
        )


def _resolved(spec: object, where: str) -> Evaluator:
    if isinstance(spec, Evaluator):
        return spec
    if isinstance(spec, str):
        return _used(spec, {}, where)
    if isinstance(spec, Mapping):
        use = spec.get("use")
        if not isinstance(use, str):
            raise ConfigurationError(
                f"{where} is {dict(spec)!r}; 'use' has to name a built-in evaluator or be a "
                "'module:attribute' reference; the other keys are its arguments"
            )
        return _used(use, {key: value for key, value in spec.items() if key != "use"}, where)
    if callable(spec):
        return Evaluator(spec)
    raise ConfigurationError(
        f"{where} is {spec!r}, which cannot be called; give a function, the name of a built-in "
        "evaluator or a 'module:attribute' reference"
    )


def _used(use: str, arguments: Mapping[str, Any], where: str) -> Evaluator:
    if ":" not in use:
        if use not in BUILT_IN:
            known = did_you_mean(use, list(BUILT_IN), listed_as="the built-in evaluators")
            raise ConfigurationError(
                f"{where}: there is no evaluator {use!r}. {known} "
                "One of your own is a 'module:attribute' reference"
            )
        built_in: Evaluator = _call_factory(BUILT_IN[use], use, arguments, where)
        return built_in
    found = import_reference(use)
    if not arguments:
        return _settled(found, reference=use)
    return _settled(_call_factory(found, use, arguments, where), use=use, arguments=arguments)


def _settled(found: Any, **settings: Any) -> Evaluator:
    """Return an evaluator that remembers how it was found."""
    made = found if isinstance(found, Evaluator) else Evaluator(found)
    return made.with_settings(**{"use": None, "reference": None, **settings})


def _call_factory(factory: Any, use: str, arguments: Mapping[str, Any], where: str) -> Any:
    if isinstance(factory, Evaluator) or not callable(factory):
        raise ConfigurationError(
            f"{where}: {use!r} takes no arguments, because it is no function that makes an "
            f"evaluator; leave out {', '.join(repr(key) for key in arguments)}"
        )
    signature = inspect.signature(factory)
    try:
        signature.bind(**arguments)
        # The store keeps them, so that a later session can make the evaluator again.
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        parameters = list(signature.parameters)
        wrong = next((key for key in arguments if key not in parameters), "")
        known = did_you_mean(wrong, parameters, listed_as="its arguments")
        raise ConfigurationError(f"{where}: {use!r}: {error}. {known}") from None
    try:
        return factory(**arguments)
    except WtbError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    except Exception as error:
        raise ConfigurationError(f"{where}: {use!r} raised {describe_error(error)}") from error


def _restored(description: Mapping[str, Any]) -> Evaluator:
    settings = {key: description[key] for key in ("name", "direction", "timeout")}
    if description["use"]:
        where = f"evaluator {description['name']!r}"
        made = _used(description["use"], description["arguments"], where)
        return made.with_settings(**settings)
    reference = description["reference"]
    if reference is None:
        raise ConfigurationError("it was no function that a module of the program holds by name")
    return _settled(import_reference(reference), **settings, reference=reference)
