"""Goes on with an execution from where it stands, and scores what it comes to."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _plan
from wtb._arguments import Again
from wtb._drive import Drive
from wtb._loop_attempt import DEADLINE_GRACE_S
from wtb._restore_single import Known, case_of, known_of
from wtb._scoring import score_executions
from wtb._update import answers_of, check_parent, logged_metrics, staged_update
from wtb._warn import warn_caller
from wtb.errors import ConfigurationError, InvalidTransitionError
from wtb.evaluators import Evaluator
from wtb.runners import check_place, deadline_grace_s, place_again

if TYPE_CHECKING:
    from wtb._core import Core
    from wtb._job import Job
    from wtb.execution import Execution

__all__ = ["Given", "Going", "concluded", "going_on", "score_one"]


class Given(NamedTuple):
    """What a person gives with it; `TestBench.resume` says what each means."""

    update: Any = None
    as_node: str | None = None
    answer: Any = None
    workflow: object = None


class Going(NamedTuple):
    """An execution that is gone on with.

    Attributes:
        execution: Its id.
        drive: What drives it.
        known: What it is run with.
        kind: The runner's.
    """

    execution: str
    drive: Drive
    known: Known
    kind: str

    async def run_on_loop(self) -> None:
        """Drive it on the caller's event loop, or beside it where it runs in a process.

        Raises:
            asyncio.CancelledError: The caller was cancelled, and the execution with it.
        """
        if self.kind == "inline":
            await self.drive.arun(self.known.timeout_s)
            return
        self.drive.start()
        try:
            await asyncio.to_thread(self.drive.wait, None)
        except asyncio.CancelledError:
            self.drive.cancel()
            raise


def going_on(core: "Core", found: "Execution", given: Given, *, on_loop: bool = False) -> Going:
    """Take an execution up at its head, ready to be driven; see `TestBench.resume`."""
    answers = answers_of(found, given.answer)
    if found.status == "succeeded":
        raise InvalidTransitionError(
            f"execution {found.id} has succeeded, so that there is nothing to go on with: roll "
            "it back or fork it first"
        )
    known = known_of(core, found, Again(given.workflow))
    head = None
    if answers is not None or given.update is not None:
        head = _head(core, found)
    job = _start(core, found, known.job, given, answers, head)
    place = place_again(*known.place)
    # An event loop makes attempts itself, where they are not made in processes.
    grace_s = DEADLINE_GRACE_S if on_loop and place.kind == "inline" else deadline_grace_s(place)
    check_place(place, job)
    timeout_ms = _plan.milliseconds(known.timeout_s, "timeout")
    if timeout_ms is not None:
        timeout_ms += round(grace_s * 1000)
    active = core.lineages.resume(
        found.key,
        timeout_ms,
        answers is not None,
        given.update is not None,
        None if head is None else (found.lineages, head),
        json.dumps(known.job.workspace),
    )
    drive = Drive(active, job, place, 1)
    core.enter_single(drive)
    if found.front is not None:
        core.remember(found.id, known.job, ())
    return Going(found.id, drive, known, place.kind)


def concluded(core: "Core", execution: str, known: Known) -> "Execution":
    """Return an execution that was gone on with, scored by the evaluators of its batch."""
    found = core.execution(execution)
    if known.lost is not None:
        warn_caller(f"execution {found.id} is not scored by all evaluators: {known.lost}")
    if not found.succeeded or not known.evaluators:
        return found
    batch = found.batch_id or found.origin_id or ""
    timeout = core.stored(batch)["spec"]["front"]["evaluator_timeout"]
    return score_one(core, found, known.evaluators, timeout)


def score_one(
    core: "Core", execution: "Execution", evaluators: Sequence[Evaluator], timeout: float
) -> "Execution":
    """Score an execution that has succeeded, and return it."""
    score_executions(
        [(execution, case_of(core, execution))],
        evaluators,
        lambda _, scores: core.engine.put_scores(execution.key, scores),
        workers=1,
        timeout=timeout,
    )
    core.engine.flush()
    return core.execution(execution.id)


def _head(core: "Core", found: "Execution") -> str:
    """Return the checkpoint that an update or an answer is for."""
    head = None if found.thread_id is None else core.checkpoints.head(found.thread_id, "")
    if head is None:
        raise InvalidTransitionError(
            f"execution {found.id} has no checkpoints that could be updated or answered: resume "
            "it without, or run it again"
        )
    return head[2]


def _start(
    core: "Core",
    found: "Execution",
    job: "Job",
    given: Given,
    answers: Mapping[str, Any] | None,
    head: str | None,
) -> "Job":
    """Return what runs, with how it goes on."""
    from wtb.langgraph.lineage import Start

    staged = None
    if given.update is not None and found.thread_id is not None:
        place = {"thread_id": found.thread_id}
        staged = staged_update(core.checkpoints, job, place, given.update, given.as_node)
        check_parent(staged, found, head or "")
    elif given.as_node is not None:
        raise ConfigurationError("as_node says whose an update is: pass update= as well")
    logged = logged_metrics(found)
    if answers is not None:
        # The question is open as long as no other checkpoint follows: the update goes with the
        # answer, and was worked out only to see that it can be applied.
        start = Start(answers=answers, update=given.update, metrics=logged)
    else:
        start = Start(staged=staged, metrics=logged)
    return replace(job, start=start, _checked=[])
