"""Counts tokens from LangChain's usage metadata, by model."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult

from wtb.langgraph.trace import Usage

UNKNOWN_MODEL = "unknown"


def add_call(usage: Usage, model: str, metadata: Mapping[str, Any] | None) -> None:
    """Count one call of a model, with its tokens if the provider told them.

    What no call told is not there: 0 would say that a model has read and written nothing.
    """
    counts = usage.setdefault(model, {"calls": 0})
    counts["calls"] += 1
    _add(counts, metadata or {})


def merge(total: Usage, part: Usage) -> None:
    """Add the counts of `part` to `total`."""
    for model, counts in part.items():
        into = total.setdefault(model, {})
        _add(into, counts)


def answer_of(result: LLMResult) -> AIMessage | None:
    """Return the message that a chat model answered with, or None for another kind of model."""
    if not result.generations or not result.generations[0]:
        return None
    message = getattr(result.generations[0][0], "message", None)
    return message if isinstance(message, AIMessage) else None


def model_of(message: AIMessage | None, metadata: Mapping[str, Any] | None) -> str:
    """Return the model's name as the provider, else as the client, calls it."""
    told = message.response_metadata if message is not None else {}
    for name in (told.get("model_name"), told.get("model"), (metadata or {}).get("ls_model_name")):
        if isinstance(name, str) and name:
            return name
    return UNKNOWN_MODEL


def messages_in(value: Any) -> Iterator[AIMessage]:
    """Yield the model's messages directly in a state or an update, or in a list that is in it."""
    if isinstance(value, Mapping):
        for part in value.values():
            if isinstance(part, BaseMessage | list):
                yield from messages_in(part)
    elif isinstance(value, AIMessage):
        yield value
    # Long lists of other things are common in states; the first element tells them apart.
    elif isinstance(value, list) and value and isinstance(value[0], BaseMessage):
        for part in value:
            if isinstance(part, AIMessage):
                yield part


def _add(counts: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping):
            _add(counts.setdefault(key, {}), value)
        elif isinstance(value, int | float):
            counts[key] = counts.get(key, 0) + value
