"""The half of a bench that goes back and goes on: checkpoints, rollback, fork, resume."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wtb import _plan
from wtb._arguments import Again
from wtb._difference import difference
from wtb._drive import Drive
from wtb._loop_attempt import DEADLINE_GRACE_S
from wtb._place import Named, Place, find_place, lineages_of
from wtb._reader import BenchReader
from wtb._restore_single import Known, case_of, describe_single, known_of, merged_variant
from wtb._scoring import score_executions
from wtb._update import answers_of, logged_metrics, staged_update, state_at, store_update
from wtb._warn import warn_caller
from wtb.checkpoint import Checkpoint, read_checkpoints
from wtb.diff import ExecutionDiff
from wtb.errors import ConfigurationError, InvalidTransitionError, WtbError
from wtb.execution import Execution
from wtb.runners import resolve_runner
from wtb.variants import VariantLike, normalise_variants
from wtb.workflow import as_workflow

if TYPE_CHECKING:
    from wtb._job import Job

__all__ = ["BenchLineages"]


class BenchLineages(BenchReader):
    """What a bench does with the histories of executions."""

    def checkpoints(self, execution: Execution | str) -> Sequence[Checkpoint]:
        """Return the checkpoints of the lineage that an execution stands in, oldest first.

        Those of its subgraphs are among them, with their `path`.
        """
        found = self._current(execution)
        for _, thread in lineages_of(found):
            return read_checkpoints(self._core.checkpoints, thread, partial(self._rebuilt, found))
        return []

    def rollback(
        self,
        execution: Execution | str,
        *,
        at: Checkpoint | str | None = None,
        before: str | None = None,
        after: str | None = None,
        occurrence: int = -1,
    ) -> Execution:
        """Put an execution back to a checkpoint; it is paused there, and `resume` goes on.

        What came after stays in the store: an execution can be put back to it in the same way. A
        cell of a batch goes on beside the result that its batch keeps. A checkpoint in a subgraph
        stands for the one from which the whole subgraph runs again.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            at: A checkpoint, its id, or a unique prefix of it, of any of the execution's lineages.
            before: A node: the checkpoint from which it ran.
            after: A node: the checkpoint that it led to.
            occurrence: Which of several such checkpoints: 0 for the first, -1 for the latest.

        Raises:
            CheckpointNotFoundError: There is no such checkpoint; the text names what there is.
            ConfigurationError: More or less than one place is named.
            InvalidTransitionError: The execution is under way.
        """
        found = self._current(execution)
        place = find_place(self._core.checkpoints, found, Named(at, before, after, occurrence))
        self._core.lineages.rollback(found.key, place.lineage, place.checkpoint.id)
        return self._core.execution(found.id)

    def fork(
        self,
        execution: Execution | str,
        *,
        at: Checkpoint | str | None = None,
        before: str | None = None,
        after: str | None = None,
        occurrence: int = -1,
        update: Any = None,
        as_node: str | None = None,
        variant: VariantLike | None = None,
        workflow: object = None,
    ) -> Execution:
        """Make a new execution whose history begins where another one stands or stood.

        Its source stays as it is. It is paused, and `resume` runs it; one that stands where its
        source asks a question asks it, too. It has its source's case, and is scored as that is.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            at: See `rollback`; where no place is named, the fork begins where its source stands.
            before: See `rollback`.
            after: See `rollback`.
            occurrence: See `rollback`.
            update: What a node could return: it is applied to the state there, with the reducers.
            as_node: The node that is to have returned it; by default the one that ran last.
            variant: What to substitute, laid over what its source substitutes.
            workflow: The workflow again, where the store has no reference to it, or another one.

        Raises:
            CheckpointNotFoundError: There is no such checkpoint.
            ConfigurationError: The update or the variant cannot be applied; nothing was made.
            WorkflowNotBoundError: The workflow cannot be found again.
        """
        found = self._current(execution)
        named = Named(at, before, after, occurrence)
        place = self._standing(found) if named.is_nothing else self._place(found, named)
        known = known_of(self._core, found, Again(workflow), same_nodes=False)
        job = self._forked_job(known.job, workflow, variant, place)
        staged = None
        if update is not None:
            thread = place.checkpoint.thread
            at_id = None if named.is_nothing else place.checkpoint.id
            staged = staged_update(self._core.checkpoints, job, thread, update, as_node, at_id)
        elif as_node is not None:
            raise ConfigurationError("as_node says whose an update is: pass update= as well")
        reference = _plan.reference_of(workflow, job.workflow)
        if workflow is None and found.front is not None:
            reference = found.front["reference"]
        elif workflow is None:
            reference = self._core.stored(found.batch_id or "")["reference"]
        fork = self._core.lineages.fork(
            found.key,
            place.lineage,
            place.checkpoint.id,
            named.is_nothing and staged is None,
            _plan.storable(job.workflow.name, "the workflow's name"),
            _plan.name_of(job.variants[0]),
            json.dumps(describe_single(job, reference, known.timeout_s)),
        )
        if staged is not None:
            store_update(self._core.checkpoints, staged, f"{fork}/1")
        self._core.remember(fork, job, ())
        return self._core.execution(fork)

    def resume(
        self,
        execution: Execution | str,
        *,
        update: Any = None,
        as_node: str | None = None,
        answer: Any = None,
        workflow: object = None,
    ) -> Execution:
        """Go on with an execution from where it stands, and return it when it has ended again.

        It is one that is paused, awaits an answer, failed, timed out, or was cancelled. It runs
        inline. A cell of a batch goes on beside the result that its batch keeps, and is scored as
        that is.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            update: What a node could return: it is applied to the state first, with the reducers.
            as_node: The node that is to have returned it; by default the one that ran last.
            answer: The answer to the question that the execution asks; to several, a mapping from
                their ids.
            workflow: The workflow again, where the store has no reference to it.

        Raises:
            InvalidTransitionError: It has succeeded, is under way, or asks nothing that could be
                answered.
            ConfigurationError: The update cannot be applied; nothing has been run.
            WorkflowNotBoundError: The workflow cannot be found again.
        """
        going = self._going_on(execution, update, as_node, answer, workflow)
        going.drive.run()
        return self._concluded(going)

    async def aresume(
        self,
        execution: Execution | str,
        *,
        update: Any = None,
        as_node: str | None = None,
        answer: Any = None,
        workflow: object = None,
    ) -> Execution:
        """Go on with an execution on the caller's event loop; see `resume`.

        Raises:
            asyncio.CancelledError: The caller's task was cancelled, and the execution with it.
        """
        going = await asyncio.to_thread(
            self._going_on, execution, update, as_node, answer, workflow, on_loop=True
        )
        await going.drive.arun(going.known.timeout_s)
        return await asyncio.to_thread(self._concluded, going)

    def diff(self, a: Execution | str, b: Execution | str) -> ExecutionDiff:
        """Compare two executions: the first node that differs, the state, the scores.

        Nodes are compared in the order in which they ran, by what they were given and returned.
        What two executions share because one was forked from the other is passed over. The state of
        one that has not succeeded is that of the checkpoint at which it stands.

        Args:
            a: An execution, its id, a unique prefix of it, or "latest".
            b: The other one.

        Raises:
            NotFoundError: There is no such execution.
        """
        one, other = self._current(a), self._current(b)
        return difference(one, self.checkpoints(one), other, self.checkpoints(other))

    def _rebuilt(self, found: Execution, checkpoint: Checkpoint) -> Mapping[str, Any]:
        """Return a state as its graph reads it; nothing, if the workflow is not known."""
        try:
            job = known_of(self._core, found, Again()).job
        except WtbError:
            return {}
        state: Mapping[str, Any] = state_at(self._core.checkpoints, job, checkpoint.config)
        return state

    def _current(self, execution: Execution | str) -> Execution:
        """Return an execution as it stands now."""
        id = execution.id if isinstance(execution, Execution) else execution  # noqa: A001
        return self._core.execution(id)

    def _place(self, found: Execution, named: Named) -> Place:
        return find_place(self._core.checkpoints, found, named)

    def _standing(self, found: Execution) -> Place:
        """Return the head of an execution."""
        roots = [one for one in self.checkpoints(found) if not one.namespace]
        if not roots:
            # Says that there are no checkpoints.
            return self._place(found, Named(at="the head"))
        return Place(found.lineages, roots[-1])

    def _forked_job(
        self, job: "Job", workflow: object, variant: VariantLike | None, place: Place
    ) -> "Job":
        owner = job.workflow if workflow is None else as_workflow(workflow)
        chosen = job.variants[0]
        if variant is not None:
            (over,) = normalise_variants(owner, [variant])
            named = replace(over, name=_own_name(variant))
            chosen = merged_variant(replace(chosen, name=None), named)
        forked = replace(
            job,
            workflow=owner,
            variants=normalise_variants(owner, [chosen]),
            breakpoints=(),
            start=None,
            _checked=[],
        )
        forked.check_variants()
        forked.prepared().check_next(place.checkpoint.next)
        return forked

    def _going_on(
        self,
        execution: Execution | str,
        update: Any,
        as_node: str | None,
        answer: Any,
        workflow: object,
        *,
        on_loop: bool = False,
    ) -> "_Going":
        found = self._current(execution)
        answers = answers_of(found, answer)
        if found.status == "succeeded":
            raise InvalidTransitionError(
                f"execution {found.id} has succeeded, so that there is nothing to go on with: roll "
                "it back or fork it first"
            )
        known = known_of(self._core, found, Again(workflow))
        job = self._start(found, known.job, update, as_node, answers)
        timeout_ms = _plan.milliseconds(known.timeout_s, "timeout")
        if timeout_ms is not None and on_loop:
            timeout_ms += round(DEADLINE_GRACE_S * 1000)
        active = self._core.lineages.resume(
            found.key, timeout_ms, answers is not None, update is not None
        )
        _, drive = self._core.driven_single(Drive(active, job, resolve_runner("inline"), 1), job)
        self._core.remember(found.id, known.job, ())
        return _Going(found.id, drive, known)

    def _start(
        self,
        found: Execution,
        job: "Job",
        update: Any,
        as_node: str | None,
        answers: Mapping[str, Any] | None,
    ) -> "Job":
        """Return what runs, with how it goes on; the engine refuses it without checkpoints."""
        from wtb.langgraph.lineage import Start

        staged = None
        if update is not None and found.thread_id is not None:
            staged = staged_update(
                self._core.checkpoints, job, found.thread_id, update, as_node, None
            )
        elif as_node is not None:
            raise ConfigurationError("as_node says whose an update is: pass update= as well")
        logged = logged_metrics(found)
        if answers is not None:
            # The question is open as long as no other checkpoint follows: the update goes with the
            # answer, and was worked out only to see that it can be applied.
            start = Start(answers=answers, update=update, metrics=logged)
        else:
            start = Start(staged=staged, metrics=logged)
        return replace(job, start=start, _checked=[])

    def _concluded(self, going: "_Going") -> Execution:
        """Return an execution that was gone on with, scored."""
        found = self._core.execution(going.execution)
        known = going.known
        if known.lost is not None:
            warn_caller(f"execution {found.id} is not scored by all evaluators: {known.lost}")
        if found.succeeded and known.evaluators:
            batch = found.batch_id or found.origin_id or ""
            timeout = self._core.stored(batch)["spec"]["front"]["evaluator_timeout"]
            score_executions(
                [(found, case_of(self._core, found))],
                known.evaluators,
                lambda _, scores: self._core.engine.put_scores(found.key, scores),
                workers=1,
                timeout=timeout,
            )
            self._core.engine.flush()
            found = self._core.execution(going.execution)
        return found


@dataclass(frozen=True)
class _Going:
    """An execution that is gone on with."""

    execution: str
    drive: Drive
    known: Known


def _own_name(variant: VariantLike) -> str | None:
    return None if isinstance(variant, Mapping) else variant.name
