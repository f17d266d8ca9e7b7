"""What is done to a stored batch or execution: extend, retry, cancel, score."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb import _plan, _restore
from wtb._drive import Drive, ProgressLike
from wtb._job import Job
from wtb.batch import Batch
from wtb.cases import Case, normalise_cases
from wtb.errors import ConfigurationError, InvalidTransitionError
from wtb.evaluators import resolve_evaluators
from wtb.execution import Execution
from wtb.runners import resolve_runner
from wtb.variants import Variant, VariantLike, normalise_variants
from wtb.workflow import as_workflow

if TYPE_CHECKING:
    from wtb._core import Core

__all__ = ["cancel", "extend", "retry_in_batch", "retry_single", "score"]


def extend(
    core: "Core",
    batch: Batch | str,
    variants: Sequence[VariantLike],
    test_cases: Sequence[Case | Mapping[str, Any]],
    repeats: int,
    workflow: object,
    progress: ProgressLike,
) -> Batch:
    """Add to a batch and run what is new; see `TestBench.extend`."""
    data = core.stored(batch)
    job, known = core.job(data, workflow, None)
    added = normalise_variants(job.workflow, variants) if variants else []
    cases = normalise_cases(test_cases) if test_cases else []
    _plan.check_new_names(job, added, cases)
    whole = Job(
        job.workflow, [*job.variants, *added], [*job.cases, *cases], job.config, job.context
    )
    whole.check()
    described = [(_plan.name_of(one), _restore.describe_variant(one)) for one in added]
    rows = _plan.case_rows(cases)
    return core.take_up(
        data,
        whole,
        known,
        lambda: core.engine.extend(data["id"], described, rows, repeats),
        None,
        None,
        progress,
    )


def retry_in_batch(
    core: "Core",
    batch: str,
    executions: Sequence[Execution],
    errors_only: bool,
    workflow: object,
    progress: ProgressLike,
) -> Batch:
    """Run executions of a batch again; see `TestBench.retry`."""
    chosen = [one.id for one in executions if _plan.is_retried(one, errors_only)]
    if not chosen:
        return core.batch(batch)
    data = core.stored(batch)
    job, known = core.job(data, workflow, None)
    return core.take_up(
        data, job, known, lambda: core.engine.retry(batch, chosen), None, None, progress
    )


def retry_single(
    core: "Core", execution: Execution, errors_only: bool, workflow: object
) -> Execution:
    """Run a single execution again; see `TestBench.retry`."""
    if not _plan.is_retried(execution, errors_only):
        return execution
    if execution.variant != "baseline":
        raise ConfigurationError(
            f"execution {execution.id} ran variant {execution.variant!r}, which a single "
            "execution does not keep: call run() again with that variant"
        )
    given = workflow if workflow is not None else core.registry.get(execution.workflow)
    owner = as_workflow(given)
    job = Job(owner, normalise_variants(owner, [Variant()]), [Case(execution.input, id="input")])
    job.check()
    active = core.engine.retry_single(execution.id, None)
    Drive(active, job, resolve_runner("inline"), 1).run()
    return core.execution(execution.id)


def cancel(core: "Core", target: Batch | Execution) -> None:
    """Cancel a batch or one of its executions; see `TestBench.cancel`."""
    if isinstance(target, Execution):
        active = core.engine.active(target.batch_id) if target.batch_id else None
        if active is None:
            raise InvalidTransitionError(
                f"execution {target.id} is not under way in this program (status {target.status!r})"
            )
        active.cancel_execution(target.id)
        return
    active = core.engine.active(target.id)
    if active is None:
        if not target.is_unfinished:
            raise InvalidTransitionError(
                f"batch {target.id} has ended (status {target.status!r}); nothing to cancel"
            )
        active = core.engine.resume(target.id)
    active.cancel()


def score(
    core: "Core", batch: Batch | str, evaluators: Sequence[Any], evaluator_timeout: float
) -> Batch:
    """Score a batch's finished executions; see `TestBench.score`."""
    from wtb._scoring import score_executions

    data = core.stored(batch)
    resolved = resolve_evaluators(evaluators)
    cases = {one.id: one for one in _restore.restore_cases(core.engine, data["id"])}
    done = [one for one in core.batch(data["id"]).results if one.succeeded]
    score_executions(
        [(one, cases[one.case_id]) for one in done],
        resolved,
        core.engine.put_scores,
        workers=4,
        timeout=evaluator_timeout,
    )
    core.engine.flush()
    described = {one["name"]: one for one in data["spec"]["evaluators"]}
    described.update({one.name: one.describe() for one in resolved})
    spec = {**data["spec"], "evaluators": [*described.values()]}
    core.engine.set_spec(data["id"], json.dumps(spec))
    return core.batch(data["id"])
