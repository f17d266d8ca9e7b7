"""The actors that work in one environment, and what each of them holds."""

from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

from wtb.ray.lifecycle import Actor, PostTo

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["Group", "Member"]

AHEAD_S = 0.1
"""For how long the attempts are to last that wait at an actor for their start."""

AHEAD_MAX = 64
"""How many attempts may wait at an actor for each that it makes at once."""

ATTEMPT_S_MAX = 0.5
"""Attempts that take longer are not handed out ahead: the way there costs nothing beside them."""

WEIGHT = 0.2
"""How much the newest attempts count in the mean of their durations."""


class Member:
    """An actor that works for the batch.

    Attributes:
        actor: The actor.
        key: The engine's number of it.
        held: How many attempts it holds.
        news: The call by which it tells what has happened, while it is under way.
        heard: When it was heard of last.
        idle_since: When it had something to do last.
        is_told_of_end: Whether it knows that nothing more will come.
    """

    def __init__(self, actor: Actor, key: int, processes: int) -> None:
        self.actor = actor
        self.key = key
        self.held = 0
        self.news: Any = None
        self.heard = monotonic()
        self.idle_since = monotonic()
        self.is_told_of_end = False
        self._processes = processes
        self._mean_s: float | None = None

    @property
    def window(self) -> int:
        """How many attempts it may hold."""
        if self._mean_s is None or self._mean_s > ATTEMPT_S_MAX:
            return self._processes
        ahead = min(AHEAD_MAX, ceil(AHEAD_S / max(self._mean_s, 1e-6)))
        return self._processes * (1 + ahead)

    @property
    def is_busy(self) -> bool:
        """Whether it has something to do for each of its processes."""
        return self.held >= self._processes

    def learn(self, ended: int, busy_s: float, returned: int) -> None:
        """Take note of how long attempts took; one that handed some back had too many."""
        self.heard = monotonic()
        if returned:
            self._mean_s = None
        elif ended:
            mean = busy_s / ended
            before = mean if self._mean_s is None else self._mean_s
            self._mean_s = before + WEIGHT * (mean - before)


class Group:
    """The actors of one environment.

    Args:
        active: The engine's handle on the batch.
        number: The environment's place among the batch's.
        post: What its actors have to know of the batch.

    Attributes:
        opening: The actors that get ready.
        members: Those that work.
        may_grow_at: When another one may be made at the earliest.
        error: Why no further one may be made at all.
    """

    def __init__(self, active: "ActiveBatchRef", number: int, post: PostTo) -> None:
        self.number = number
        self.post = post
        self.opening: list[Actor] = []
        self.members: list[Member] = []
        self.may_grow_at = 0.0
        self.error: BaseException | None = None
        self._active = active

    @property
    def size(self) -> int:
        """How many actors it has."""
        return len(self.opening) + len(self.members)

    @property
    def is_lost(self) -> bool:
        """Whether nobody can do its work."""
        return self.error is not None and not self.size

    @property
    def title(self) -> str:
        """How errors speak of one of its actors, without values that may be secrets."""
        keys = ", ".join(self.post.environment or ())
        return f"an actor with an environment ({keys})" if keys else "an actor"

    def outstanding(self) -> int:
        """Return how many of its executions have not ended."""
        return self._active.outstanding(self.number)

    def waiting(self) -> int:
        """Return how many of them no actor holds."""
        return self.outstanding() - sum(one.held for one in self.members)

    def lacks_actors(self) -> bool:
        """Return whether work waits that another actor could begin with."""
        is_full = not self.opening and all(one.is_busy for one in self.members)
        return is_full and self.error is None and self.waiting() > 0
