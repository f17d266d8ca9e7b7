"""The driver's side of a batch on a cluster: who has which attempts, and who is silent."""

import json
from contextlib import suppress
from math import ceil, inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from wtb._warn import warn_caller
from wtb.errors import WorkerError, WtbError
from wtb.ray.cluster import Question, answer, lacking, load_ray, room_for
from wtb.ray.config import RayConfig
from wtb.ray.lifecycle import Actor, ActorLifecycleManager, PostTo

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["Pool"]

TICK_S = 0.02
"""How long the driver waits for actors before it looks for what else is to be done."""

NEWS_S = 0.5
"""How long an actor waits for something to say; so it is heard of at least that often."""

SCALE_S = 0.25
"""How often the driver looks whether there are too few or too many actors."""

AHEAD_S = 0.1
"""For how long the attempts are to last that wait at an actor for their start."""

AHEAD_MAX = 64
"""How many attempts may wait at an actor for each that it makes at once."""

ATTEMPT_S_MAX = 0.5
"""Attempts that take longer are not handed out ahead: the way there costs nothing beside them."""

WHY_S = 2.0
"""How long the cluster's head may take to say what an actor lacks."""

PAUSE_S = 1.0
"""A turn of the driver that takes longer is a pause in which it could not hear of anybody."""

END_S = 5.0
"""How much longer than the grace attempts may take to end, once their batch is over."""

WEIGHT = 0.2
"""How much the newest attempts count in the mean of their durations."""


class _Member:
    """An actor that works for the batch."""

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

    def learn(self, ended: int, busy_s: float, returned: int) -> None:
        """Take note of how long attempts took; one that handed some back had too many."""
        self.heard = monotonic()
        if returned:
            self._mean_s = None
        elif ended:
            mean = busy_s / ended
            before = mean if self._mean_s is None else self._mean_s
            self._mean_s = before + WEIGHT * (mean - before)


class Pool:
    """The actors of one batch.

    Args:
        active: The engine's handle on the batch.
        config: How the cluster is used.
        manager: Who makes and ends actors.
        post: What actors have to know of the batch.
    """

    def __init__(
        self,
        active: "ActiveBatchRef",
        config: RayConfig,
        manager: ActorLifecycleManager,
        post: PostTo,
    ) -> None:
        self._active = active
        self._config = config
        self._manager = manager
        self._post = post
        self._room = Question(lambda: room_for(config))
        self._opening: list[Actor] = []
        self._members: list[_Member] = []
        self._lost = 0
        self._scaled = 0.0
        self._turned = monotonic()
        self._may_grow_at = 0.0
        self._has_had = False
        self._over_since: float | None = None
        self._warned: set[str] = set()

    def run(self) -> None:
        """Bring the batch to its end, or as far as it is to be brought in this session.

        Raises:
            WorkerError: There are no actors, and none can be made.
        """
        try:
            first = self._count_wanted()
            self._active.pool_created("ray", first)
            for _ in range(first):
                self._opening.append(self._manager.create(self._post))
            while (self._opening or self._members) and not self._is_overdue():
                self._turn()
        except BaseException:
            # What has begun costs nothing when its session ends, but would if its worker were lost.
            with suppress(WtbError):
                self._active.abandon()
            raise
        finally:
            self._let_go()

    def _turn(self) -> None:
        if self._over_since is not None:
            self._drop_opening()
        self._wait()
        self._look_for_silent()
        self._look_for_late()
        self._scale()
        for member in list(self._members):
            self._feed(member)

    def _is_overdue(self) -> bool:
        """Whether the batch is over, and its attempts have had the time to end."""
        if self._active.is_under_way():
            return False
        self._over_since = self._over_since or monotonic()
        return monotonic() - self._over_since > self._post.post.launch.grace_s + END_S

    def _wait(self) -> None:
        ray = load_ray()
        openings = {actor.opening: actor for actor in self._opening}
        members = {one.news: one for one in self._members if one.news is not None}
        waiting = [*openings, *members]
        if not waiting:
            return
        ready, _ = ray.wait(waiting, num_returns=1, timeout=TICK_S)
        if ready and len(waiting) > 1:
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for news in ready:
            if news in openings:
                self._take_in(openings[news], news)
            else:
                self._hear(members[news], news)

    def _take_in(self, actor: Actor, opened: Any) -> None:
        ray = load_ray()
        self._opening.remove(actor)
        try:
            found = ray.get(opened)
        except ray.exceptions.RayTaskError as error:
            self._refuse(actor, error)
            return
        except ray.exceptions.RayError as error:
            self._manager.lose(actor, _one_line(error))
            if actor.batches > 1:
                # It died between two batches, which is no loss of this one.
                self._opening.append(self._manager.create(self._post, actor.replaces))
            else:
                self._replace(actor)
            return
        self._has_had = True
        self._manager.opened(actor, found)
        for warning in set(found["warnings"]) - self._warned:
            self._warned.add(warning)
            warn_caller(f"{actor.worker}: {warning}", RuntimeWarning)
        key = self._active.join(actor.worker, found["ready_ms"], actor.replaces)
        self._members.append(_Member(actor, key, self._config.tasks_per_actor))

    def _refuse(self, actor: Actor, error: Any) -> None:
        """Do without an actor that cannot work for the batch; nor could another one there."""
        self._manager.lose(actor, _one_line(error.cause))
        if not (self._has_had or self._opening):
            raise _as_own(error) from None
        self._may_grow_at = inf
        warn_caller(f"{actor.name} cannot work for the batch: {actor.reason}", RuntimeWarning)
        self._check_any()

    def _hear(self, member: _Member, news: Any) -> None:
        ray = load_ray()
        member.news = None
        try:
            report = ray.get(news)
        except ray.exceptions.RayTaskError as error:
            self._lose(member, f"its supervisor cannot go on: {_one_line(error.cause)}")
            return
        except ray.exceptions.RayError as error:
            self._lose(member, _one_line(error))
            return
        gone, returned, busy_s = self._active.report(report)
        member.held -= gone
        member.learn(gone - returned, busy_s, returned)

    def _feed(self, member: _Member) -> None:
        """Give an actor what it has room for, and have it wait for news."""
        slots = max(0, member.window - member.held)
        count, has_stops, is_last, handout = self._active.hand_out(member.key, slots)
        member.held += count
        if member.held:
            member.idle_since = monotonic()
        if is_last and not member.held:
            self._active.leave(member.key)
            self._members.remove(member)
            self._manager.release(member.actor)
            return
        if not (count or has_stops) and (member.is_told_of_end or not is_last):
            handout = None
        member.is_told_of_end = is_last
        if member.news is None:
            member.news = member.actor.handle.exchange.remote(handout, NEWS_S)
        elif handout is not None:
            member.actor.handle.hand.remote(handout)

    def _look_for_silent(self) -> None:
        now = monotonic()
        paused = now - self._turned
        self._turned = now
        if paused > PAUSE_S:
            # This program was not there to hear them.
            for member in self._members:
                member.heard += paused
            for actor in self._opening:
                actor.since += paused
        until = monotonic() - self._config.result_timeout - NEWS_S
        for member in [one for one in self._members if one.heard < until]:
            self._lose(member, f"it was silent for {self._config.result_timeout:g} s")

    def _look_for_late(self) -> None:
        until = monotonic() - self._config.actor_creation_timeout
        for actor in [one for one in self._opening if one.since < until]:
            self._opening.remove(actor)
            why = Question(lambda: lacking(self._config)).look(WHY_S) or "its head is silent"
            seconds = self._config.actor_creation_timeout
            self._manager.lose(actor, f"it was not ready within {seconds:g} s")
            self._may_grow_at = monotonic() + seconds
            if not self._members and not self._opening:
                raise WorkerError(
                    f"no actor was ready within {seconds:g} s: {why}. What has not run is left; "
                    "bench.resume_batch goes on with it"
                )

    def _lose(self, member: _Member, reason: str) -> None:
        self._members.remove(member)
        self._manager.lose(member.actor, reason)
        self._active.fail(member.key, reason)
        self._replace(member.actor)

    def _replace(self, lost: Actor) -> None:
        self._lost += 1
        if not self._is_work_left():
            return
        if self._lost <= self._config.actor_max_restarts:
            self._opening.append(self._manager.create(self._post, lost.worker))
            return
        self._may_grow_at = inf
        warn_caller(
            f"{self._lost} actors were lost, the last one because {lost.reason}; "
            f"actor_max_restarts={self._config.actor_max_restarts} allows no further one",
            RuntimeWarning,
        )
        self._check_any()

    def _check_any(self) -> None:
        if not self._members and not self._opening:
            raise WorkerError(
                "there are no actors any more, and no further one may be made. What has not run is "
                "left; bench.resume_batch goes on with it"
            )

    def _scale(self) -> None:
        now = monotonic()
        if now - self._scaled < SCALE_S or not self._active.is_under_way():
            return
        self._scaled = now
        if self._is_more_waiting():
            there = len(self._members) + len(self._opening)
            full = all(one.held >= self._config.tasks_per_actor for one in self._members)
            may_grow = full and not self._opening and now >= self._may_grow_at
            if may_grow and there < self._config.max_actors and (self._room.look() or 0) > 0:
                self._opening.append(self._manager.create(self._post))
            return
        idle = now - self._config.idle_timeout
        for member in [one for one in self._members if not one.held and one.idle_since < idle]:
            if len(self._members) + len(self._opening) <= max(1, self._config.min_actors):
                break
            self._active.leave(member.key)
            self._members.remove(member)
            self._manager.stop(member.actor)

    def _count_wanted(self) -> int:
        """How many actors to begin with: no more than have something to do and room."""
        config = self._config
        useful = ceil(len(self._active.executions()) / config.tasks_per_actor)
        most = min(config.max_actors, useful, max(1, answer(lambda: room_for(config))))
        return max(1, config.min_actors, most)

    def _count_left(self) -> int:
        counts: dict[str, int] = json.loads(self._active.progress())["counts"]
        return counts["queued"] + counts["running"]

    def _is_work_left(self) -> bool:
        return self._active.is_under_way() and self._count_left() > 0

    def _is_more_waiting(self) -> bool:
        """Whether there is more to do than actors hold."""
        return self._count_left() > sum(one.held for one in self._members)

    def _let_go(self) -> None:
        """Leave no actor at work for a batch that nobody drives any more."""
        self._drop_opening()
        for member in self._members:
            self._manager.stop(member.actor)
        self._members = []

    def _drop_opening(self) -> None:
        for actor in self._opening:
            self._manager.drop(actor)
        self._opening = []


def _as_own(error: Any) -> BaseException:
    """Return what an actor has raised."""
    cause = error.cause
    return cause if isinstance(cause, WtbError) else WorkerError(_one_line(cause))


def _one_line(error: object) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
