"""User values as LangGraph's serializer writes them: `(type, bytes)`, never pickle.

What the serializer refuses (an open file, a fitted model) does not fail an execution: it is kept as
its `repr`, marked as such, and reported as a warning. So is text that it changes.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    from wtb._native import EngineRef, ValueRef

__all__ = [
    "Payload",
    "Unserialisable",
    "dump",
    "dump_all",
    "dump_record",
    "dump_state",
    "is_incomplete",
    "load",
    "load_all",
    "load_state",
    "load_text",
    "printable",
    "serializer",
]

Payload = tuple[str, bytes]
"""The serializer's type tag, and the bytes."""

VALUE_BYTES_MAX = 256 * 1024 * 1024
"""Outputs and states that are larger than this are stored as their `repr` only."""

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""Inputs and outputs of nodes that are larger than this are recorded as their `repr` only."""

_MARK = "__wtb_unserialisable__"
_REPR_CHARACTERS_MAX = 2_000


@dataclass(frozen=True)
class Unserialisable:
    """Stands where a value was that could not be stored.

    Attributes:
        text: The beginning of the value's `repr`.
    """

    text: str

    def __repr__(self) -> str:
        return f"<not stored: {self.text}>"


@cache
def serializer() -> "JsonPlusSerializer":
    """Return the serializer, importing LangGraph at the first call."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(pickle_fallback=False)


def dump(value: object, what: str, warnings: list[str]) -> Payload:
    """Serialise a value; parts that cannot be are replaced by marks and named in `warnings`.

    Args:
        value: Any user value.
        what: How warnings speak of it, for example "the output".
        warnings: Collects one text for each part that was replaced.
    """
    return _dump(value, what, warnings, VALUE_BYTES_MAX)


def dump_all(values: Sequence[tuple[object, str]], what: str, warnings: list[str]) -> Payload:
    """Serialise values with their names; each that cannot be is replaced by a mark of its own."""
    kept = []
    for value, name in values:
        try:
            serializer().dumps_typed(value)
        except Exception as error:
            value = _without_refused(value, what, error, warnings)
        kept.append((value, name))
    return _dump(kept, what, warnings, VALUE_BYTES_MAX)


def load_all(engine: "EngineRef", value: "ValueRef | None") -> list[tuple[Any, str]]:
    """Return what `dump_all` stored."""
    return [(_unmark(one), name) for one, name in load(engine, value) or []]


def load_text(engine: "EngineRef", value: "ValueRef | None") -> str:
    """Return text that WTB itself stored, and no serializer; "" when there is none."""
    return "" if value is None else engine.load(value)[1].decode()


def dump_record(value: object, what: str, warnings: list[str]) -> Payload:
    """Serialise what a node got or gave; one that is too large is kept as its `repr`."""
    return _dump(value, what, warnings, RECORD_BYTES_MAX)


def dump_state(value: object) -> Payload:
    """Serialise a part of a checkpoint; what cannot be is replaced by marks."""
    try:
        payload = serializer().dumps_typed(value)
    except Exception as error:
        payload = serializer().dumps_typed(_without_refused(value, "the state", error, []))
    if len(payload[1]) > VALUE_BYTES_MAX:
        return serializer().dumps_typed(_mark(value))
    return payload


def load_state(payload: Payload) -> Any:
    """Return a part of a checkpoint, with `Unserialisable` where something could not be stored."""
    return _unmark(serializer().loads_typed(payload))


def load(engine: "EngineRef", value: "ValueRef | None") -> Any:
    """Return a stored value as a Python object; None when there is none."""
    if value is None:
        return None
    return _unmark(serializer().loads_typed(engine.load(value)))


def is_incomplete(value: Any) -> bool:
    """Whether a value that was read, or a part of it, could not be stored."""
    if isinstance(value, dict):
        return any(isinstance(part, Unserialisable) for part in value.values())
    return isinstance(value, Unserialisable)


def printable(text: str) -> str:
    """Return a text without lone surrogates, which cannot be stored as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _dump(value: object, what: str, warnings: list[str], bytes_max: int) -> Payload:
    try:
        payload = serializer().dumps_typed(value)
    except Exception as error:
        value = _without_refused(value, what, error, warnings)
        payload = serializer().dumps_typed(value)
    if (size := len(payload[1])) > bytes_max:
        warnings.append(f"{what} has {size:,} bytes, more than are stored ({bytes_max:,})")
        return serializer().dumps_typed(_mark(value))
    # The serializer writes "?" for each lone surrogate: few values have to be looked at twice.
    if b"?" in payload[1] and _has_lone_surrogates(value):
        warnings.extend(_changed_texts(value, what))
    return payload


def _has_lone_surrogates(value: object) -> bool:
    import ormsgpack

    options = ormsgpack.OPT_NON_STR_KEYS | ormsgpack.OPT_SERIALIZE_PYDANTIC
    try:
        # Native code, and about a tenth of what it costs to serialise messages.
        ormsgpack.packb(value, default=_parts, option=options)
    except Exception as error:
        # Of anything else that it refuses, the serializer has made something.
        return "surrogates" in str(error)
    return False


def _parts(value: object) -> object:
    """Return where the texts are in an object that is no plain data."""
    if isinstance(value, tuple | set | frozenset | deque):
        return list(value)
    return str(value) if isinstance(value, PurePath) else getattr(value, "__dict__", None)


def _changed_texts(value: object, what: str) -> list[str]:
    if isinstance(value, Mapping):
        held = [f"{what}: {key!r}" for key, part in value.items() if _has_lone_surrogates(part)]
    else:
        held = [what]
    return [f"{one} has lone surrogates, each of which is stored as '?'" for one in held]


def _without_refused(value: object, what: str, error: Exception, warnings: list[str]) -> object:
    if not isinstance(value, Mapping):
        warnings.append(f"{what} cannot be serialised ({type(error).__name__}: {error})")
        return _mark(value)
    kept: dict[str, object] = {}
    for key, part in value.items():
        try:
            serializer().dumps_typed(part)
        except Exception as refused:
            reason = f"{type(refused).__name__}: {refused}"
            warnings.append(f"{what}: {key!r} cannot be serialised ({reason})")
            part = _mark(part)
        name = printable(str(key))
        if name != key:
            warnings.append(f"{what}: the key {key!r} is stored as {name!r}")
        kept[name] = part
    return kept


def _mark(value: object) -> dict[str, str]:
    try:
        text = repr(value)
    except Exception as error:
        text = f"<{type(value).__name__} whose repr raises {type(error).__name__}>"
    return {_MARK: printable(text[:_REPR_CHARACTERS_MAX])}


def _unmark(value: Any) -> Any:
    # Marks stand at the top or one level below it, where `_without_refused` puts them.
    if not isinstance(value, dict):
        return value
    if value.keys() == {_MARK}:
        return Unserialisable(value[_MARK])
    for key, part in value.items():
        if isinstance(part, dict) and part.keys() == {_MARK}:
            value[key] = Unserialisable(part[_MARK])
    return value
