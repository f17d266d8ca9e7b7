"""How many actors work for a batch, and in which environments."""

from collections.abc import Sequence
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING

from wtb._environments import shares
from wtb.errors import ConfigurationError
from wtb.ray.cluster import Question, answer, room_for
from wtb.ray.config import RayConfig
from wtb.ray.group import Group, Member
from wtb.ray.lifecycle import ActorLifecycleManager

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["Staff"]

SCALE_S = 0.25
"""How often the driver looks whether there are too few or too many actors."""


class Staff:
    """The actors of a batch by number: makes more, and ends those that nothing is left for.

    Args:
        active: The engine's handle on the batch.
        config: How the cluster is used.
        manager: Who makes and ends actors.
        groups: The actors of each environment.
    """

    def __init__(
        self,
        active: "ActiveBatchRef",
        config: RayConfig,
        manager: ActorLifecycleManager,
        groups: Sequence[Group],
    ) -> None:
        self._active = active
        self._config = config
        self._manager = manager
        self._groups = groups
        self._room = Question(lambda: room_for(config))
        self._scaled = 0.0

    @property
    def size(self) -> int:
        """How many actors there are."""
        return sum(group.size for group in self._groups)

    @property
    def _present(self) -> int:
        """How many there are with those that have still to leave."""
        return self.size + self._manager.leaving

    def begin(self) -> int:
        """Make as many actors as are of use and have room; return how many."""
        config = self._config
        useful = [ceil(one.outstanding() / config.tasks_per_actor) for one in self._groups]
        room = answer(lambda: room_for(config))
        if room + self._manager.idle < min(config.max_actors, sum(useful)):
            # The cluster takes note of that later: then there are more of them.
            self._manager.make_room()
        most = min(config.max_actors, sum(useful), max(1, room + self._manager.idle))
        counts = shares(useful, max(1, config.min_actors, most))
        wanted = [
            group for group, count in zip(self._groups, counts, strict=True) for _ in range(count)
        ]
        # Before others make room, who is there already is given something to do.
        for group in sorted(wanted, key=lambda one: not self._manager.is_idle(one.post)):
            is_new = not self._manager.is_idle(group.post)
            self.make(group, has_room=room > 0)
            room -= is_new
        return sum(counts)

    def make(self, group: Group, replaces: str | None = None, *, has_room: bool = True) -> None:
        """Make an actor for a group.

        Args:
            group: The group.
            replaces: The name of the lost one whose place it takes.
            has_room: Whether the cluster has room for it.
        """
        # Those that wait for a batch in another environment are actors, too.
        has_room = has_room and self._present + self._manager.idle < self._config.max_actors
        try:
            actor = self._manager.create(group.post, replaces, has_room=has_room)
        except (TypeError, ValueError) as error:
            # What Ray finds out only where it is about to make an environment.
            group.error = ConfigurationError(f"Ray does not take {group.title}: {error}")
            return
        group.opening.append(actor)

    def scale(self) -> None:
        """Make actors where work waits for some, and end those that have had nothing to do."""
        now = monotonic()
        if now - self._scaled < SCALE_S:
            return
        self._scaled = now
        for group in self._groups:
            if group.waiting() <= 0:
                self._shrink(group, now - self._config.idle_timeout)
        short = [one for one in self._groups if now >= one.may_grow_at and one.lacks_actors()]
        if short:
            self._grow(short)

    def _grow(self, short: list[Group]) -> None:
        room = self._room.look()
        for group in short:
            may_grow = self._present < self._config.max_actors
            if not self._present:
                self.make(group)
            elif room is None:
                return  # The cluster has still to say so.
            elif may_grow and room + self._manager.idle > 0:
                self.make(group, has_room=room > 0)
                room -= 1
            elif may_grow and self._manager.make_room():
                return  # How much that is, the cluster has still to say.
            elif self._manager.leaving or self._free_place(group):
                return  # The place is for this group, once it is free.

    def _shrink(self, group: Group, idle: float) -> None:
        for member in [one for one in group.members if not one.held and one.idle_since < idle]:
            if self.size <= max(1, self._config.min_actors):
                return
            self._retire(group, member)

    def _free_place(self, short: Group) -> bool:
        """End an actor without anything to do, for a group that has none, or whose work is left."""
        for group in self._groups:
            idle = [one for one in group.members if not one.held]
            if idle and (not group.outstanding() or (group.waiting() <= 0 and not short.members)):
                self._retire(group, idle[0])
                return True
        return False

    def _retire(self, group: Group, member: Member) -> None:
        self._active.leave(member.key)
        group.members.remove(member)
        self._manager.stop(member.actor)
