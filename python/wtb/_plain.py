"""User values as JSON data, for what is printed and for `to_dict`."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["plain"]

_REPR_CHARACTERS_MAX = 20_000


def plain(value: Any) -> Any:
    """Return a value as JSON data: objects by their fields, or by their `repr` if they have none.

    An object of fields looks alike, whether or not its type can be imported here.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if hasattr(value, "model_dump"):
        # A message of LangChain has a dozen fields, most of them empty.
        dumped = value.model_dump()
        return {key: plain(part) for key, part in dumped.items() if part not in (None, {}, [])}
    return repr(value)[:_REPR_CHARACTERS_MAX]
