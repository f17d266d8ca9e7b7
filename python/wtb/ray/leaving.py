"""Actors that let go of a batch, for which nobody waits as long as others work."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from wtb.ray.cluster import load_ray

if TYPE_CHECKING:
    from wtb.ray.lifecycle import Actor

__all__ = ["Leave", "Leaving"]

STOP_S = 10.0
"""How long an actor may take to end its processes, before it is killed."""


@dataclass(frozen=True)
class Leave:
    """That an actor lets go of its batch.

    Attributes:
        actor: The actor.
        is_kept: Whether it is to be there for the next batch; else it is to end.
        until: When it has had its time.
        error: Why it has not let go; None while it may, and when it has.
    """

    actor: "Actor"
    is_kept: bool
    until: float
    error: str | None = None


class Leaving:
    """The actors that let go of their batch, all at the same time."""

    def __init__(self) -> None:
        self._calls: dict[Any, Leave] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def begin(self, actor: "Actor", *, is_kept: bool) -> None:
        """Have an actor end its processes.

        Raises:
            Exception: Ray does not take the call, for example because its cluster is gone.
        """
        call = actor.handle.close.remote()
        self._calls[call] = Leave(actor, is_kept, monotonic() + STOP_S)

    def ended(self) -> Sequence[Leave]:
        """Return who has let go since the last time, or has had its time for that."""
        if not self._calls:
            return []
        calls = list(self._calls)
        there, _ = load_ray().wait(calls, num_returns=len(calls), timeout=0)
        found = [_heard(self._calls.pop(call), call) for call in there]
        late = [call for call, one in self._calls.items() if one.until <= monotonic()]
        why = f"it has not within {STOP_S:g} s"
        return [*found, *(_failed(self._calls.pop(call), why) for call in late)]

    def wait(self) -> None:
        """Wait until all have let go, or have had their time."""
        if not self._calls:
            return
        calls = list(self._calls)
        rest = max(one.until for one in self._calls.values()) - monotonic()
        load_ray().wait(calls, num_returns=len(calls), timeout=max(0.0, rest))

    def clear(self) -> None:
        """Forget them: their cluster is gone."""
        self._calls.clear()


def _heard(one: Leave, call: Any) -> Leave:
    try:
        load_ray().get(call)
    except Exception as error:
        # Whatever it is, the actor is of no use any more.
        return _failed(one, str(error))
    return one


def _failed(one: Leave, why: str) -> Leave:
    return Leave(one.actor, one.is_kept, one.until, why)
