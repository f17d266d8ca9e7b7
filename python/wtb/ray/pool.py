"""The driver's side of a batch on a cluster: who has which attempts, and who is silent."""

import json
from collections.abc import Sequence
from contextlib import suppress
from threading import Event
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from wtb._warn import warn_caller
from wtb.errors import WorkerError, WtbError
from wtb.ray.cluster import Question, lacking, load_ray
from wtb.ray.config import RayConfig
from wtb.ray.group import Group, Member
from wtb.ray.lifecycle import Actor, ActorLifecycleManager, PostTo
from wtb.ray.staff import Staff

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["Pool"]

TICK_S = 0.02
"""How long the driver waits for actors before it looks for what else is to be done."""

NEWS_S = 0.5
"""How long an actor waits for something to say; so it is heard of at least that often."""

WHY_S = 2.0
"""How long the cluster's head may take to say what an actor lacks."""

PAUSE_S = 1.0
"""A turn of the driver that takes longer is a pause in which it could not hear of anybody."""

_GOES_ON = "what has not run is left, and bench.resume_batch goes on with it"

END_S = 5.0
"""How much longer than the grace attempts may take to end, once their batch is over."""


class Pool:
    """The actors of one batch, in groups: those of one environment.

    Args:
        active: The engine's handle on the batch.
        config: How the cluster is used.
        manager: Who makes and ends actors.
        posts: What actors have to know of the batch, for each of its environments.
        closing: Set when the runner is to shut down: a paused batch would keep it from that.
    """

    def __init__(
        self,
        active: "ActiveBatchRef",
        config: RayConfig,
        manager: ActorLifecycleManager,
        posts: Sequence[PostTo],
        closing: Event,
    ) -> None:
        self._active = active
        self._config = config
        self._manager = manager
        self._closing = closing
        self._grace_s = posts[0].post.launch.grace_s
        self._groups = [Group(active, number, post) for number, post in enumerate(posts)]
        self._staff = Staff(active, config, manager, self._groups)
        self._lost = 0
        self._turned = monotonic()
        self._is_ending = False
        self._over_since: float | None = None
        self._warned: set[str] = set()

    def run(self) -> None:
        """Bring the batch to its end, or as far as it is to be brought in this session.

        Raises:
            WtbError: There are no actors for what is left, and none can be made.
        """
        try:
            self._active.pool_created("ray", self._staff.begin())
            while not self._is_through():
                self._turn()
        except BaseException:
            # What has begun costs nothing when its session ends, but would if its worker were lost.
            with suppress(WtbError):
                self._active.abandon()
            raise
        finally:
            self._let_go()

    def _turn(self) -> None:
        self._check_joined()
        try:
            self._work()
        except Exception:
            self._check_joined()
            raise

    def _check_joined(self) -> None:
        if not load_ray().is_initialized():
            raise WorkerError(f"this program has left its cluster; {_GOES_ON}")

    def _work(self) -> None:
        if self._closing.is_set() and json.loads(self._active.progress())["status"] == "paused":
            raise WorkerError(f"its runner was shut down while it was paused; {_GOES_ON}")
        if self._over_since is not None:
            self._drop_opening()
        self._wait()
        self._manager.tend()
        self._look_for_silent()
        self._look_for_late()
        self._check_lost()
        if self._active.is_under_way() and not self._is_ending:
            self._staff.scale()
        for group in self._groups:
            for member in list(group.members):
                self._feed(group, member)

    def _is_through(self) -> bool:
        """Whether nobody is left, or the batch is over and its attempts have had time to end."""
        if self._active.is_under_way():
            # Those that nobody works for wait for a place.
            return self._is_ending and not self._staff.size
        self._over_since = self._over_since or monotonic()
        is_overdue = monotonic() - self._over_since > self._grace_s + END_S
        return is_overdue or not self._staff.size

    def _wait(self) -> None:
        ray = load_ray()
        openings = {actor.opening: (one, actor) for one in self._groups for actor in one.opening}
        members = {
            member.news: (group, member)
            for group in self._groups
            for member in group.members
            if member.news is not None
        }
        waiting = [*openings, *members]
        if not waiting:
            sleep(TICK_S)
            return
        ready, _ = ray.wait(waiting, num_returns=1, timeout=TICK_S)
        if ready and len(waiting) > 1:
            ready, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for news in ready:
            if news in openings:
                self._take_in(*openings[news], news)
            else:
                self._hear(*members[news], news)

    def _take_in(self, group: Group, actor: Actor, opened: Any) -> None:
        ray = load_ray()
        group.opening.remove(actor)
        try:
            found = ray.get(opened)
        except ray.exceptions.RayTaskError as error:
            self._refuse(group, actor, _as_own(error))
            return
        except ray.exceptions.RuntimeEnvSetupError as error:
            # What was tried, as a traceback, comes before it.
            why = str(error).strip().rpartition("\n")[2]
            self._refuse(group, actor, WorkerError(f"{group.title} cannot be made: {why}"))
            return
        except ray.exceptions.RayError as error:
            self._check_joined()
            self._manager.lose(actor, _one_line(error))
            if actor.batches > 1:
                # It died between two batches, which is no loss of this one.
                self._staff.make(group, actor.replaces)
            else:
                self._replace(group, actor)
            return
        self._manager.opened(actor, found)
        for warning in set(found["warnings"]) - self._warned:
            self._warned.add(warning)
            warn_caller(f"{actor.worker}: {warning}", RuntimeWarning)
        key = self._active.join(actor.worker, found["ready_ms"], actor.replaces, group.number)
        group.members.append(Member(actor, key, self._config.tasks_per_actor))

    def _refuse(self, group: Group, actor: Actor, error: BaseException) -> None:
        """Do without an actor that cannot work for the batch; nor could another one there."""
        self._manager.lose(actor, _one_line(error))
        group.error = error
        if self._staff.size:
            warn_caller(f"{actor.name} cannot work for the batch: {actor.reason}", RuntimeWarning)

    def _hear(self, group: Group, member: Member, news: Any) -> None:
        ray = load_ray()
        member.news = None
        try:
            report = ray.get(news)
        except ray.exceptions.RayTaskError as error:
            reason = f"its supervisor cannot go on: {_one_line(error.cause)}"
            self._lose(group, member, reason)
            return
        except ray.exceptions.RayError as error:
            self._check_joined()
            self._lose(group, member, _one_line(error))
            return
        gone, returned, busy_s = self._active.report(report)
        member.held -= gone
        member.learn(gone - returned, busy_s, returned)

    def _feed(self, group: Group, member: Member) -> None:
        """Give an actor what it has room for, and have it wait for news."""
        slots = max(0, member.window - member.held)
        count, has_stops, is_last, handout = self._active.hand_out(member.key, slots)
        member.held += count
        if member.held:
            member.idle_since = monotonic()
        self._is_ending |= is_last
        if is_last and not member.held:
            self._active.leave(member.key)
            group.members.remove(member)
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
            for group in self._groups:
                for member in group.members:
                    member.heard += paused
                for actor in group.opening:
                    actor.since += paused
        until = monotonic() - self._config.result_timeout - NEWS_S
        for group in self._groups:
            for member in [one for one in group.members if one.heard < until]:
                reason = f"it was silent for {self._config.result_timeout:g} s"
                self._lose(group, member, reason)

    def _look_for_late(self) -> None:
        seconds = self._config.actor_creation_timeout
        until = monotonic() - seconds
        for group in self._groups:
            for actor in [one for one in group.opening if one.since < until]:
                group.opening.remove(actor)
                why = Question(lambda: lacking(self._config)).look(WHY_S) or "its head is silent"
                self._manager.lose(actor, f"it was not ready within {seconds:g} s")
                group.may_grow_at = monotonic() + seconds
                if group.size:
                    continue
                group.error = WorkerError(
                    f"{group.title} was not ready within {seconds:g} s: {why}. What has not run is "
                    "left; bench.resume_batch goes on with it"
                )
                if self._staff.size:
                    warn_caller(f"{group.error}", RuntimeWarning)

    def _lose(self, group: Group, member: Member, reason: str) -> None:
        group.members.remove(member)
        self._manager.lose(member.actor, reason)
        self._active.fail(member.key, reason)
        self._replace(group, member.actor)

    def _replace(self, group: Group, lost: Actor) -> None:
        self._lost += 1
        if self._is_ending or not group.outstanding():
            return
        if self._lost <= self._config.actor_max_restarts:
            self._staff.make(group, lost.worker)
            return
        warn_caller(
            f"{self._lost} actors were lost, the last one because {lost.reason}; "
            f"actor_max_restarts={self._config.actor_max_restarts} allows no further one",
            RuntimeWarning,
        )
        for one in self._groups:
            one.error = one.error or WorkerError(
                "there are no actors any more, and no further one may be made. What has not run is "
                "left; bench.resume_batch goes on with it"
            )

    def _check_lost(self) -> None:
        """Give up once only executions are left that nobody can make."""
        left = [one for one in self._groups if one.outstanding()]
        errors = [one.error for one in left if one.is_lost]
        if errors and errors[0] and len(errors) == len(left) and self._active.is_under_way():
            raise errors[0]

    def _let_go(self) -> None:
        """Leave no actor at work for a batch that nobody drives any more."""
        self._drop_opening()
        for group in self._groups:
            for member in group.members:
                self._manager.stop(member.actor)
            group.members = []
        self._manager.finish()

    def _drop_opening(self) -> None:
        self._manager.drop([actor for group in self._groups for actor in group.opening])
        for group in self._groups:
            group.opening = []


def _as_own(error: Any) -> BaseException:
    """Return what an actor has raised."""
    cause = error.cause
    return cause if isinstance(cause, WtbError) else WorkerError(_one_line(cause))


def _one_line(error: object) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
