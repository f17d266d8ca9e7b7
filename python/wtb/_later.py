"""What is done to a stored batch or execution: extend, retry, cancel, score."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from wtb import _plan, _restore
from wtb._arguments import Again
from wtb._core import Core
from wtb._drive import Drive, ProgressLike
from wtb._progress import poll_until
from wtb._restore_single import known_of
from wtb._resume import concluded, score_one
from wtb._scoring import score_executions
from wtb.batch import Batch
from wtb.cases import Case, normalise_cases
from wtb.errors import ConfigurationError, InvalidTransitionError
from wtb.evaluators import Evaluator, current_evaluators, resolve_evaluators
from wtb.execution import Execution
from wtb.runners import check_place, deadline_grace_s, place_again
from wtb.variants import VariantLike, normalise_variants

if TYPE_CHECKING:
    from wtb._native import ActiveBatchRef

__all__ = ["cancel", "extend", "retry_in_batch", "retry_single", "score", "score_execution"]

SCORING_WORKERS = 4


def extend(
    core: Core,
    batch: Batch | str,
    variants: Sequence[VariantLike],
    test_cases: Sequence[Case | Mapping[str, Any]],
    repeats: int,
    again: Again,
    progress: ProgressLike,
) -> tuple[Batch, Drive]:
    """Add to a batch; what is new is ready to be driven. See `TestBench.extend`."""
    more = _plan.count(repeats, "repeats", 0)
    data = core.stored(batch)
    plan = core.plan(data, again, progress=progress)
    job = plan.job
    added = normalise_variants(job.workflow, variants) if variants != () else []
    cases = normalise_cases(test_cases) if test_cases != () else []
    _plan.check_new_names(job, added, cases)
    whole = replace(job, variants=[*job.variants, *added], cases=[*job.cases, *cases], _checked=[])
    _plan.check_checkpoints(job.checkpoints, (), None, cases)
    whole.check()
    described = _restore.variant_rows(whole, added)
    rows = _plan.case_rows(cases)
    return core.take_up(
        plan._replace(job=whole), lambda: core.engine.extend(data["id"], described, rows, more)
    )


def retry_in_batch(
    core: Core,
    batch: str,
    executions: Sequence[Execution],
    errors_only: bool,
    again: Again,
    progress: ProgressLike,
    *,
    from_checkpoint: bool,
) -> Batch:
    """Run executions of a batch again; see `TestBench.retry`."""
    chosen = [one.id for one in executions if _plan.is_retried(one, errors_only)]
    if not chosen:
        return core.batch(batch)
    data = core.stored(batch)
    if from_checkpoint and data["spec"]["checkpoints"] == "off":
        raise ConfigurationError(
            f"batch {batch} ran with checkpoints='off': its executions can only be retried from "
            "their inputs"
        )
    plan = core.plan(data, again, progress=progress)
    found, drive = core.take_up(plan, lambda: core.engine.retry(batch, chosen, from_checkpoint))
    drive.run()
    return found


def retry_single(
    core: Core,
    execution: Execution,
    errors_only: bool,
    workflow: object,
    *,
    from_checkpoint: bool,
) -> Execution:
    """Run a single execution again; see `TestBench.retry`."""
    if not _plan.is_retried(execution, errors_only):
        return execution
    if execution.parent_id is not None and not from_checkpoint:
        raise InvalidTransitionError(
            f"execution {execution.id} is a fork, which has no beginning of its own: retry it with "
            "from_checkpoint=True, or roll it back"
        )
    if from_checkpoint and execution.lineages == 0:
        raise InvalidTransitionError(
            f"execution {execution.id} has no checkpoints that it could be retried from"
        )
    known = known_of(core, execution, Again(workflow))
    job = replace(known.job, start=None)
    place = place_again(*known.place)
    check_place(place, job)
    timeout_ms = _plan.milliseconds(known.timeout_s, "timeout")
    if timeout_ms is not None:
        timeout_ms += round(1000 * deadline_grace_s(place))
    active = core.lineages.retry(
        execution.key,
        timeout_ms,
        job.checkpoints != "off",
        from_checkpoint,
        json.dumps(job.workspace),
    )
    _, drive = core.driven_single(Drive(active, job, place, 1), job)
    drive.run()
    return concluded(core, execution.id, known)


def cancel(core: Core, target: Batch | Execution) -> None:
    """Cancel a batch or one of its executions; see `TestBench.cancel`."""
    if isinstance(target, Execution):
        drive = core.drive(target.id)
        active = core.engine.active(target.batch_id) if target.batch_id else None
        if drive is not None:
            drive.cancel()
        elif active is not None:
            active.cancel_execution(target.id)
        else:
            raise InvalidTransitionError(
                f"execution {target.id} is not under way in this program (status {target.status!r})"
            )
    else:
        active = core.engine.active(target.id) or _taken(core, target)
        active.cancel()
        poll_until(lambda rest: active.wait(rest) is not None, None)
    core.engine.flush()


def _taken(core: Core, batch: Batch) -> "ActiveBatchRef":
    if not batch.is_unfinished:
        raise InvalidTransitionError(
            f"batch {batch.id} has ended (status {batch.status!r}); nothing to cancel"
        )
    return core.engine.resume(batch.id, None)


def score_execution(
    core: Core, execution: Execution, evaluators: Sequence[Any] | None, evaluator_timeout: float
) -> Execution:
    """Score one execution; see `TestBench.score`."""
    core.engine.check_process()
    if not execution.succeeded:
        raise InvalidTransitionError(
            f"execution {execution.id} has nothing to score (status {execution.status!r})"
        )
    if evaluators is None:
        batch = execution.batch_id
        evaluators = _own_evaluators(core, batch or execution.id, batch)
    return score_one(core, execution, _resolved(evaluators), evaluator_timeout)


def _resolved(evaluators: Sequence[Any]) -> Sequence[Evaluator]:
    resolved = resolve_evaluators(evaluators)
    if not resolved:
        raise ConfigurationError("there is nothing to score with: name at least one evaluator")
    return resolved


def _own_evaluators(core: Core, whose: str, batch: str | None) -> Sequence[Evaluator]:
    """Return the evaluators of a batch, or of a single execution, as they are now."""
    known = core.remembered(whose)
    if known is not None:
        return known[1]
    return current_evaluators(core.stored(batch)["spec"]["evaluators"]) if batch else []


def score(
    core: Core,
    batch: Batch | str,
    evaluators: Sequence[Any] | None,
    evaluator_timeout: float,
    stopped: threading.Event,
) -> Batch:
    """Score a batch's finished executions until `stopped` is set; see `TestBench.score`."""
    core.engine.check_process()
    data = core.stored(batch)
    if evaluators is None:
        evaluators = _own_evaluators(core, data["id"], data["id"])
    resolved = _resolved(evaluators)
    cases = {one.id: one for one in _restore.restore_cases(core.engine, data["id"])}
    found = core.batch(data["id"])
    pairs = ((one, cases[one.case_id]) for one in found.results if one.succeeded)
    score_executions(
        takewhile(lambda _: not stopped.is_set(), pairs),
        resolved,
        core.engine.put_scores,
        workers=SCORING_WORKERS,
        timeout=evaluator_timeout,
    )
    # As it is now: scoring takes its time, in which the batch may have been extended.
    described = {one["name"]: one for one in core.stored(data["id"])["spec"]["evaluators"]}
    described.update({one.name: one.describe() for one in resolved})
    core.engine.set_evaluators(data["id"], json.dumps([*described.values()]))
    core.engine.flush()
    known = core.remembered(data["id"])
    if known is not None:
        own = {one.name: one for one in (*known[1], *resolved)}
        core.remember(data["id"], known[0], list(own.values()))
    return found
