"""Values as a page shows them: as text, each once, and cut where they are long.

A value is a mapping of named leaves, or one leaf. A leaf is text, the JSON of data, or a list of
messages, whose texts are leaves again. So what a state holds on to from node to node is written
once, and two values of a table differ exactly where the numbers of their leaves do.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb._plain import plain
from wtb.diff import without_ids

if TYPE_CHECKING:
    from wtb._native import EngineRef, ValueRef

__all__ = ["Allowance", "ValueTable"]

VALUE_BYTES_MAX = 4 * 1024 * 1024
"""Values that are larger in the store are not read; the page tells their size."""

LEAF_CHARACTERS_MAX = 20_000
"""Of one text of a value so much is shown."""

PRINTED_CHARACTERS_MAX = 20_000
"""Of what an attempt printed, and of a traceback, so much is shown: the head, and the end."""

KEYS_MAX = 200
"""So many keys of a mapping, or messages of a list, are shown."""

SHOWN_MIN = 200
"""So much of each text is shown, until twice of what an execution may have is written."""

Leaf = list[Any]
"""`["text", text]` and `["json", text]`, with the whole length behind it where it was cut;
`["messages", [[role, leaf]], how many there are]`; `["large", bytes]`."""


class Allowance:
    """How many characters may still be written for one execution.

    Once they are spent, each text still gets its beginning, until as much has been written again.
    """

    def __init__(self, characters: int) -> None:
        self._left = characters
        self._end = -characters

    def take(self, wanted: int, most: int) -> int:
        """Return how many of the wanted characters may be written, and count them."""
        least = SHOWN_MIN if self._left > self._end else 0
        given = min(wanted, most, max(self._left, least))
        self._left -= given
        return given


class ValueTable:
    """Collects values and their leaves for one piece of a report, each of them once."""

    def __init__(self, engine: "EngineRef") -> None:
        self._engine = engine
        self._places: dict[Any, int] = {}
        self._leaf_places: dict[tuple[str, str], int] = {}
        self.values: list[Any] = []
        self.leaves: list[Leaf] = []
        self.characters = 0

    def add(self, ref: "ValueRef | None", allowance: Allowance) -> int | None:
        """Add a stored value and return its number; None when there is none."""
        if ref is None:
            return None
        if ref.size > VALUE_BYTES_MAX:
            return self._append(self._large(ref.size))
        payload = self._engine.load(ref)
        place = self._places.get(payload)
        if place is None:
            place = self.add_plain(_values.load_state(payload), allowance)
            self._places[payload] = place
        return place

    def add_plain(self, value: Any, allowance: Allowance) -> int:
        """Add a value that is at hand and return its number."""
        try:
            return self._add(value, allowance)
        except RecursionError:
            return self._append(self._leaf("<nested too deeply to be shown>", allowance))

    def _add(self, value: Any, allowance: Allowance) -> int:
        parts = value if isinstance(value, Mapping) else plain(value)
        if not isinstance(parts, Mapping) or not parts:
            return self._append(self._leaf(value, allowance))
        shown = [
            [str(key), self._leaf(part, allowance)] for key, part in islice(parts.items(), KEYS_MAX)
        ]
        return self._append({"keys": shown, "of": len(parts)})

    def add_printed(self, text: str, allowance: Allowance) -> int | None:
        """Add what was printed, or a traceback, of which the end says most."""
        if not text:
            return None
        given = allowance.take(len(text), PRINTED_CHARACTERS_MAX)
        if given == len(text):
            return self._text("text", text, given)
        head = given // 4
        left_out = f"\n[... {len(text) - given:,} characters are left out ...]\n"
        shown = text[:head] + left_out + text[len(text) - (given - head) :]
        return self._put(("printed", shown), ["text", shown, len(text)])

    def _leaf(self, value: Any, allowance: Allowance) -> int:
        if isinstance(value, str):
            return self._limited("text", value, allowance)
        if (text := _json_of_data(value)) is not None:
            return self._limited("json", text, allowance)
        data = plain(value)
        if isinstance(data, str):
            # The `repr` of an array leaves out its middle: what it holds tells two of them apart.
            return self._limited(f"text {_digest(value)}", data, allowance)
        if isinstance(data, list) and data and all(map(_is_message, data)):
            return self._messages(data, allowance)
        return self._limited("json", _ENCODER.encode(without_ids(data)), allowance)

    def _messages(self, messages: Sequence[Mapping[str, Any]], allowance: Allowance) -> int:
        shown = [
            [str(one["type"]), self._leaf(_said(one), allowance)] for one in messages[:KEYS_MAX]
        ]
        leaf = ["messages", shown, len(messages)]
        # Those that are not shown tell two lists apart as well.
        rest = _ENCODER.encode(without_ids(list(messages[KEYS_MAX:])))
        return self._put((f"messages {shown}", rest), leaf)

    def _limited(self, kind: str, text: str, allowance: Allowance) -> int:
        place = self._leaf_places.get((kind, text))
        if place is not None:
            return place
        return self._text(kind, text, allowance.take(len(text), LEAF_CHARACTERS_MAX))

    def _text(self, kind: str, text: str, given: int) -> int:
        shown = [kind.partition(" ")[0], text[:given]]
        return self._put((kind, text), shown if given == len(text) else [*shown, len(text)])

    def _large(self, size: int) -> int:
        return self._put(("large", str(size)), ["large", size])

    def _put(self, key: tuple[str, str], leaf: Leaf) -> int:
        place = self._leaf_places.get(key)
        if place is None:
            place = self._leaf_places[key] = len(self.leaves)
            self.leaves.append(leaf)
            self.characters += len(leaf[1]) if isinstance(leaf[1], str) else 40
        return place

    def _append(self, value: Any) -> int:
        self.values.append(value)
        self.characters += 40
        return len(self.values) - 1


def _is_message(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("type"), str) and "content" in data


def _said(message: Mapping[str, Any]) -> Any:
    """Return what a message says: its content, with whatever else it has but its id and role."""
    rest = {key: part for key, part in message.items() if key not in ("type", "id", "content")}
    return {"content": message["content"], **rest} if rest else message["content"]


def _digest(value: Any) -> str:
    try:
        kind, content = _values.serializer().dumps_typed(value)
    except Exception:
        return ""
    return f"{kind} {blake2b(content, digest_size=16).hexdigest()}"


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _json_of_data(value: Any) -> str | None:
    """Return the JSON of a value that is nothing else; None where it has to be looked into."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError):
        return None
    # It may hold messages, whose ids do not count.
    return None if '"content": ' in text and '"type": ' in text else text
