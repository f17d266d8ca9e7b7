"""Finds again what one execution is run with: a single one, a fork, or a cell that goes on."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _restore
from wtb._arguments import Again
from wtb._job import Job
from wtb.cases import Case
from wtb.errors import ConfigurationError
from wtb.evaluators import Evaluator
from wtb.variants import Variant

if TYPE_CHECKING:
    from wtb._core import Core
    from wtb.execution import Execution

__all__ = ["Known", "case_of", "describe_single", "known_of", "merged_variant"]


class Known(NamedTuple):
    """What an execution is run with.

    Attributes:
        job: With its one variant and its one case.
        evaluators: Those of the batch that it comes from, as far as they can be found.
        lost: Why others cannot be found; None if none is missing.
        timeout_s: What an attempt may take.
    """

    job: Job
    evaluators: Sequence[Evaluator]
    lost: str | None
    timeout_s: float | None


def describe_single(job: Job, reference: str | None, timeout_s: float | None) -> dict[str, Any]:
    """Return what a later session needs to run the one execution of a checked job, as JSON data."""
    ((_, described),) = _restore.variant_rows(job, job.variants)
    return {
        **_restore.describe_settings(job.config, job.context, job.breakpoints, job.on_interrupt),
        "reference": reference,
        "variant": json.loads(described),
        "checkpoints": job.checkpoints,
        "timeout_s": timeout_s,
    }


def known_of(
    core: "Core", execution: "Execution", again: Again, *, same_nodes: bool = True
) -> Known:
    """Return what an execution is run with: what this program knows, or what the store has.

    Args:
        core: The bench's.
        execution: The execution.
        again: What the caller passes again.
        same_nodes: Whether a graph with other nodes is refused.

    Raises:
        WorkflowNotBoundError: The workflow, its variant, config or context cannot be found again.
    """
    batch = execution.batch_id or execution.origin_id
    evaluators, lost = ([], None) if batch is None else _evaluators(core, batch)
    front = execution.front
    if front is None:
        job, timeout_s = _of_cell(core, execution, again)
        return Known(job, evaluators, lost, timeout_s)
    known = core.remembered(execution.id)
    anew = known is None or any(one is not None for one in again)
    if known is None or anew:
        job = _of_front(core, execution, front, again, same_nodes=same_nodes)
    else:
        job = known[0]
    return Known(job, evaluators, lost, front["timeout_s"])


def merged_variant(below: Variant, over: Variant) -> Variant:
    """Return a variant with another one laid over it; what both choose, the other one decides."""
    from wtb.langgraph.settings import joined_config

    context = over.context
    if isinstance(below.context, Mapping) and isinstance(over.context, Mapping):
        context = {**below.context, **over.context}
    return Variant(
        over.name,
        nodes={**below.nodes, **over.nodes},
        config=dict(joined_config(below.config, over.config, over.title)),
        context=below.context if context is None else context,
        params={**below.params, **over.params},
        graph=below.graph if over.graph is None else over.graph,
    )


def _of_cell(core: "Core", execution: "Execution", again: Again) -> tuple[Job, float | None]:
    data = core.stored(execution.batch_id or "")
    whole = core.job_of_batch(data, again)
    job = whole.of_cell(execution.variant_index, execution.case_index)
    job.check_variants()
    timeout_ms = data["spec"]["timeout_ms"]
    return job, None if timeout_ms is None else timeout_ms / 1000


def _of_front(
    core: "Core",
    execution: "Execution",
    front: Mapping[str, Any],
    again: Again,
    *,
    same_nodes: bool,
) -> Job:
    what = f"execution {execution.id}"
    owner = _restore.restore_workflow(
        what, execution.workflow, front["reference"], front, again.workflow, core.registry
    )
    stored = [(execution.variant, front["variant"])]
    variants = _restore.restore_variants(what, stored, owner, again.variants)
    settings = _restore.restore_settings(what, front, again)
    job = Job(
        owner,
        variants,
        [case_of(core, execution)],
        settings.config,
        settings.context,
        front["checkpoints"],
        front["breakpoints"],
        settings.on_interrupt,
    )
    job.check_variants()
    if same_nodes:
        before = front["variant"]["graph_nodes"]
        _restore.check_nodes(what, owner, job.variants[0], before, job.graph_nodes[0])
    return job


def case_of(core: "Core", execution: "Execution") -> Case:
    """Return the case of an execution that is no cell."""
    if execution.origin_id is None:
        return Case(execution.input, id=execution.case_id)
    cases = _restore.restore_cases(core.engine, execution.origin_id)
    return next(case for case in cases if case.id == execution.case_id)


def _evaluators(core: "Core", batch: str) -> tuple[Sequence[Evaluator], str | None]:
    known = core.remembered(batch)
    own = () if known is None else known[1]
    try:
        return _restore.restore_batch_evaluators(core.stored(batch), None, own), None
    except ConfigurationError as error:
        return list(own), str(error)
