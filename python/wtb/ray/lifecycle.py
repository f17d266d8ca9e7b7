"""The life of actors: made, given a batch, given another one, replaced, stopped."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

from wtb.ray.actor import Post, VariantExecutionActor
from wtb.ray.cluster import Question, load_ray
from wtb.ray.config import RayConfig
from wtb.ray.idle import Idle
from wtb.ray.leaving import Leaving

__all__ = ["Actor", "ActorLifecycleManager", "ActorState", "PostTo"]

Status = Literal["opening", "ready", "leaving", "idle", "lost", "stopped"]

HISTORY_MAX = 1000
"""How many actors that are gone are remembered."""

KILL_S = 1.0
"""How long the cluster's head may take to kill one. It goes with its program in any case."""


@dataclass(frozen=True)
class PostTo:
    """A batch that actors are given.

    Attributes:
        post: What is small.
        job: The packed job, among Ray's objects: it goes to each machine once.
        cases: The packed cases, likewise.
        environment: The environment that they are in; None for that of Ray.
    """

    post: Post
    job: Any
    cases: Any
    environment: Mapping[str, Any] | None


@dataclass(frozen=True)
class ActorState:
    """Where an actor stands.

    Attributes:
        name: Its name, for example "ray-3".
        status: "opening" until it can take attempts, "ready", "leaving" while it lets go of its
            batch, "idle" between two batches, "lost" or "stopped".
        host: The machine that it is on, once that is known.
        process: Its process there.
        replaces: The actor whose place it has taken.
        reason: Why it was lost.
        batches: How many batches it was given.
        environment: The environment that it is in; None for that of Ray.
    """

    name: str
    status: Status
    host: str | None = None
    process: int | None = None
    replaces: str | None = None
    reason: str | None = None
    batches: int = 0
    environment: Mapping[str, Any] | None = None


class Actor:
    """One actor, as the manager and its user see it.

    Attributes:
        name: Its name.
        worker: What the engine calls it: its name and its machine, once that is known.
        handle: Ray's handle.
        opening: The call by which it gets ready for a batch, until that has returned.
        since: When that call was made.
    """

    def __init__(
        self,
        name: str,
        handle: Any,
        replaces: str | None,
        environment: Mapping[str, Any] | None,
    ) -> None:
        self.name = name
        self.handle = handle
        self.environment = environment
        self.replaces = replaces
        self.worker = name
        self.opening: Any = None
        self.since = monotonic()
        self.status: Status = "opening"
        self.host: str | None = None
        self.process: int | None = None
        self.reason: str | None = None
        self.batches = 0

    def state(self) -> ActorState:
        """Return where it stands."""
        return ActorState(
            self.name,
            self.status,
            self.host,
            self.process,
            self.replaces,
            self.reason,
            self.batches,
            self.environment,
        )


class ActorLifecycleManager:
    """Makes actors, gives them batches, replaces those that are lost, and stops them.

    A runner has one. It knows nothing of attempts: those are between the engine and the actors.
    It waits for no actor but in `finish` and `stop_all`, so that one that is slow to leave keeps
    nobody from work.

    Args:
        config: What an actor takes of the cluster.
    """

    def __init__(self, config: RayConfig) -> None:
        self._config = config
        self._numbers = itertools.count(1)
        self._class: Any = None
        self._actors: list[Actor] = []
        self._idle = Idle()
        self._leaving = Leaving()

    @property
    def idle(self) -> int:
        """How many actors wait for their next batch."""
        return len(self._idle)

    @property
    def leaving(self) -> int:
        """How many actors let go of their batch, and take their place of the cluster until then."""
        return len(self._leaving)

    def is_idle(self, post: PostTo) -> bool:
        """Return whether an idle one could get ready for a batch at once."""
        return self._idle.has(post.environment)

    def create(self, post: PostTo, replaces: str | None = None, *, has_room: bool = True) -> Actor:
        """Return an actor that gets ready for a batch: an idle one, or else a new one.

        Args:
            post: What it is to work for.
            replaces: The name of the lost one whose place it takes.
            has_room: Whether there is room for a new one; if not, an idle one in another
                environment makes some.
        """
        idle = self._idle.take(post.environment)
        if idle is not None:
            idle.replaces = replaces
            return self.reset(idle, post)
        if not has_room:
            self.drop(self._idle.take_oldest())
        name = f"ray-{next(self._numbers)}"
        if self._class is None:
            # Once alone: each one is sent to the cluster's head, which may be gone later.
            self._class = load_ray().remote(VariantExecutionActor)
        made = self._class.options(**self._config.actor_options(post.environment))
        actor = Actor(name, made.remote(), replaces, post.environment)
        self._remember(actor)
        return self._opened(actor, post)

    def make_room(self) -> bool:
        """End those that wait for a batch of another runner of this program; return if any did."""
        others = self._idle.take_others()
        self.drop(others)
        return bool(others)

    def reset(self, actor: Actor, post: PostTo) -> Actor:
        """Give an actor another batch; what it had of the one before is ended."""
        return self._opened(actor, post)

    def opened(self, actor: Actor, found: dict[str, Any]) -> None:
        """Take note that an actor is ready."""
        actor.opening = None
        actor.status = "ready"
        actor.host, actor.process = found["host"], found["process"]
        actor.worker = found["worker"]

    def lose(self, actor: Actor, reason: str) -> None:
        """Give an actor up; nothing that it still does counts."""
        actor.status, actor.reason, actor.opening = "lost", reason, None
        _kill(actor)

    def release(self, actor: Actor) -> None:
        """Have an actor end what it has of its batch, to be kept for the next one."""
        self._leave(actor, is_kept=True)

    def stop(self, actor: Actor) -> None:
        """Have an actor end its processes, to be ended itself then."""
        self._leave(actor, is_kept=False)

    def tend(self) -> None:
        """Take note of who has left its batch, and end who has had its time for that."""
        ends = []
        for one in self._leaving.ended():
            if not one.is_kept:
                ends.append(one.actor)
            elif one.error is not None:
                self.lose(one.actor, f"it did not let go of its batch: {one.error}")
            else:
                one.actor.status = "idle"
                self._idle.add(one.actor)
        self.drop(ends)

    def finish(self) -> None:
        """Wait until all that leave their batch have left it, or have had their time."""
        while self._leaving:
            if not load_ray().is_initialized():
                self.forget()
                return
            self._leaving.wait()
            self.tend()

    def drop(self, actors: Sequence[Actor]) -> None:
        """End actors that have no processes, or only such as have not begun with anything."""
        for actor in actors:
            actor.status, actor.opening = "stopped", None
        _kill(*actors)

    def forget(self) -> None:
        """Take note that the cluster which the actors were on is gone."""
        self._class = None
        self._leaving.clear()
        for actor in self._actors:
            if actor.status not in ("lost", "stopped"):
                actor.status, actor.reason = "lost", "its cluster is gone"
        self._idle.take_all()

    def stop_all(self) -> None:
        """End all actors, and wait until they have ended their processes."""
        self.drop(self._idle.take_all())
        for actor in self._actors:
            if actor.status in ("opening", "ready"):
                self.stop(actor)
        self.finish()

    def states(self) -> Sequence[ActorState]:
        """Return where each actor stands, oldest first."""
        return [actor.state() for actor in self._actors]

    def _opened(self, actor: Actor, post: PostTo) -> Actor:
        actor.status, actor.since = "opening", monotonic()
        actor.batches += 1
        actor.opening = actor.handle.open.remote(actor.name, post.post, post.job, post.cases)
        return actor

    def _leave(self, actor: Actor, *, is_kept: bool) -> None:
        actor.status, actor.opening = "leaving", None
        # Ray would start a cluster of its own for the call, had the program left the one before.
        if load_ray().is_initialized():
            with suppress(Exception):
                self._leaving.begin(actor, is_kept=is_kept)
                return
        self.drop([actor])

    def _remember(self, actor: Actor) -> None:
        gone = [one for one in self._actors if one.status in ("lost", "stopped")]
        for one in gone[: max(0, len(gone) - HISTORY_MAX)]:
            self._actors.remove(one)
        self._actors.append(actor)


def _kill(*actors: Actor) -> None:
    def kill() -> None:
        for actor in actors:
            with suppress(Exception):
                load_ray().kill(actor.handle, no_restart=True)

    # As above.
    if actors and load_ray().is_initialized():
        Question(kill).look(KILL_S)
