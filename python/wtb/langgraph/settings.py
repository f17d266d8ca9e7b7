"""Joins the config and context of a bench call with those of a variant; the variant's win."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from pydantic import BaseModel

from wtb.errors import ConfigurationError

# They choose a history to continue, and every execution has its own.
_OWNED = ("thread_id", "checkpoint_id", "checkpoint_ns")


def joined_config(
    base: Mapping[str, Any] | None, over: Mapping[str, Any], where: str
) -> RunnableConfig:
    """Return `base` overlaid with `over`; callbacks and tags of both count.

    Raises:
        ConfigurationError: One of them sets a key that belongs to the bench, or is no config.
    """
    lower = _proper({} if base is None else base, "config")
    upper = _proper(over, f"{where}: config")
    if not upper:
        return lower
    merged = merge_configs(lower, upper)
    # `merge_configs` takes LangChain's default limit for "not given".
    if "recursion_limit" in upper:
        merged["recursion_limit"] = upper["recursion_limit"]
    return merged


def with_handler(config: RunnableConfig, handler: BaseCallbackHandler) -> RunnableConfig:
    """Return the config with one more callback handler; the user's stay and come first."""
    given = config.get("callbacks")
    callbacks: list[BaseCallbackHandler] | BaseCallbackManager
    if given is None:
        callbacks = [handler]
    elif isinstance(given, BaseCallbackManager):
        callbacks = given.copy()
        callbacks.add_handler(handler)
    else:
        callbacks = [*given, handler]
    return {**config, "callbacks": callbacks}


def joined_context(base: Any, over: Any, where: str) -> Any:
    """Return `base` overlaid with `over`.

    Two mappings are joined; a mapping over an object replaces the fields that it names; an object
    of the graph's context type takes the place of whatever is below it.

    Raises:
        ConfigurationError: A mapping lies over an object that cannot be copied with changes.
    """
    if base is None or over is None:
        return base if over is None else over
    if not isinstance(over, Mapping):
        return over
    if isinstance(base, Mapping):
        return {**base, **over}
    if isinstance(base, BaseModel):
        return base.model_copy(update=dict(over))
    if dataclasses.is_dataclass(base) and not isinstance(base, type):
        return dataclasses.replace(base, **over)
    raise ConfigurationError(
        f"{where}: its context {dict(over)!r} cannot be laid over the context {base!r}, which is "
        "neither a mapping nor a dataclass nor a pydantic model; give one of the two only"
    )


def _proper(given: Mapping[str, Any], where: str) -> RunnableConfig:
    """Return a config whose unknown keys are in `configurable`, where LangGraph looks for them."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{where} is a {type(given).__name__}; it has to be a mapping")
    known = {key: value for key, value in given.items() if key in RunnableConfig.__annotations__}
    inner = known.get("configurable") or {}
    other = {key: value for key, value in given.items() if key not in known}
    configurable = {**inner, **other}
    for key in _OWNED:
        if key in configurable:
            raise ConfigurationError(
                f"{where} sets {key!r} to {configurable[key]!r}, but every execution has a thread "
                "of its own, and a shared one would mix their states; take the key out"
            )
    _check_values(known, where)
    config: Any = {**known, "configurable": configurable} if configurable else known
    return config  # type: ignore[no-any-return]


def _check_values(config: Mapping[str, Any], where: str) -> None:
    callbacks = config.get("callbacks")
    if callbacks is not None and not isinstance(callbacks, list | tuple | BaseCallbackManager):
        raise ConfigurationError(
            f"{where}: callbacks are a list of handlers or a manager, not {callbacks!r}"
        )
    limit = config.get("recursion_limit", 1)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ConfigurationError(
            f"{where}: recursion_limit is a whole number of at least 1, not {limit!r}"
        )
