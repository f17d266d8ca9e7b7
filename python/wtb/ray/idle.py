"""Actors between two batches, which make room for those of this program's other runners."""

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from wtb.ray.lifecycle import Actor

__all__ = ["Idle"]


class Idle:
    """The actors of one runner that wait for its next batch."""

    def __init__(self) -> None:
        self._actors: list[Actor] = []
        with _lock:
            _all.add(self)

    def __len__(self) -> int:
        return len(self._actors)

    def has(self, environment: Mapping[str, Any] | None) -> bool:
        """Return whether one is in an environment."""
        with _lock:
            return any(actor.environment == environment for actor in self._actors)

    def add(self, actor: "Actor") -> None:
        """Have one more."""
        with _lock:
            self._actors.append(actor)

    def take(self, environment: Mapping[str, Any] | None) -> "Actor | None":
        """Take out the newest one in an environment; None if there is none."""
        with _lock:
            for actor in reversed(self._actors):
                if actor.environment == environment:
                    self._actors.remove(actor)
                    return actor
        return None

    def take_oldest(self) -> "Sequence[Actor]":
        """Take out the one that has been there for longest, if there is any."""
        with _lock:
            taken, self._actors = self._actors[:1], self._actors[1:]
        return taken

    def take_all(self) -> "Sequence[Actor]":
        """Take out all."""
        with _lock:
            taken, self._actors = self._actors, []
        return taken

    def take_others(self) -> "Sequence[Actor]":
        """Take out those of all other runners of this program."""
        with _lock:
            others = [one for one in _all if one is not self]
        return [actor for one in others for actor in one.take_all()]


_lock = threading.Lock()
_all: WeakSet[Idle] = WeakSet()
