"""Finds again what one execution is run with: a single one, a fork, or a cell that goes on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _plan, _restore
from wtb._arguments import Again
from wtb._job import Job
from wtb.cases import Case
from wtb.errors import ConfigurationError
from wtb.evaluators import Evaluator
from wtb.variants import Variant
from wtb.workflow import Workflow
from wtb.workspace import of_case

if TYPE_CHECKING:
    from wtb._core import Core
    from wtb.execution import Execution

__all__ = [
    "Known",
    "case_of",
    "describe_single",
    "known_of",
    "merged_variant",
    "reference_of",
]


class Known(NamedTuple):
    """What an execution is run with.

    Attributes:
        job: With its one variant and its one case.
        evaluators: Those of the batch that it comes from, as far as they can be found.
        lost: Why others cannot be found; None if none is missing.
        timeout_s: What an attempt may take.
        place: The kind of the runner that it ran with, and the arguments of that.
    """

    job: Job
    evaluators: Sequence[Evaluator]
    lost: str | None
    timeout_s: float | None
    place: tuple[str, Mapping[str, Any]]


def describe_single(
    job: Job,
    reference: str | None,
    timeout_s: float | None,
    place: tuple[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what a later session needs to run the one execution of a checked job, as JSON data."""
    ((_, described),) = _restore.variant_rows(job, job.variants)
    return {
        **_restore.describe_settings(job.config, job.context, job.breakpoints, job.on_interrupt),
        "reference": reference,
        "variant": json.loads(described),
        "checkpoints": job.checkpoints,
        "timeout_s": timeout_s,
        "workspace": job.workspace,
        "place": place,
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
    front = _front(core, execution)
    known = _remembered(core, execution)
    if known is None or any(one is not None for one in again):
        known = _again(core, execution, front, again, same_nodes=same_nodes)
    known = replace(known, timeout=front["timeout_s"])
    return Known(known, evaluators, lost, front["timeout_s"], front["place"])


def reference_of(
    core: "Core", execution: "Execution", given: object, workflow: Workflow
) -> str | None:
    """Return the reference under which a later session finds the workflow of a fork.

    Args:
        core: The bench's.
        execution: The fork's source.
        given: The workflow that was passed for the fork; None for its source's.
        workflow: The fork's.
    """
    if given is not None:
        return _plan.reference_of(given, workflow)
    reference: str | None = _front(core, execution)["reference"]
    return reference


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


def _front(core: "Core", execution: "Execution") -> Mapping[str, Any]:
    """Return what describes an execution: its own description, or its part of its batch's."""
    if execution.front is not None:
        return execution.front
    data = core.stored(execution.batch_id or "")
    spec = data["spec"]
    _, described = core.engine.variants(data["id"])[execution.variant_index]
    return {
        **spec["front"],
        "reference": data["reference"],
        "variant": json.loads(described),
        "checkpoints": spec["checkpoints"],
        "timeout_s": None if spec["timeout_ms"] is None else spec["timeout_ms"] / 1000,
        "workspace": spec["workspace"],
        "place": (spec["runner"], spec["front"]["runner"].get(spec["runner"], {})),
    }


def _remembered(core: "Core", execution: "Execution") -> Job | None:
    """Return what this program runs an execution with, if it knows."""
    if execution.front is not None:
        known = core.remembered(execution.id)
        return None if known is None else known[0]
    known = core.remembered(execution.batch_id or "")
    if known is None:
        return None
    job = known[0].of_cell(execution.variant_index, execution.case_index)
    job.check_variants()
    return job


def _again(
    core: "Core",
    execution: "Execution",
    front: Mapping[str, Any],
    again: Again,
    *,
    same_nodes: bool,
) -> Job:
    what = f"execution {execution.id}"
    # Its own description has its case's inputs already.
    own_front = execution.front is not None
    owner = _restore.restore_workflow(
        what, execution.workflow, front["reference"], front, again.workflow, core.registry
    )
    stored = [(execution.variant, front["variant"])]
    variants = _restore.restore_variants(what, stored, owner, again.variants)
    settings = _restore.restore_settings(what, front, again)
    case = case_of(core, execution)
    job = Job(
        owner,
        variants,
        [case],
        config=settings.config,
        context=settings.context,
        checkpoints=front["checkpoints"],
        breakpoints=front["breakpoints"],
        on_interrupt=settings.on_interrupt,
        workspace=front["workspace"] if own_front else of_case(front["workspace"], case.workspace),
    )
    job.check_variants()
    if same_nodes:
        before = front["variant"]["graph_nodes"]
        _restore.check_nodes(what, owner, job.variants[0], before, job.graph_nodes[0])
    return job


def case_of(core: "Core", execution: "Execution") -> Case:
    """Return the case of an execution."""
    batch = execution.batch_id or execution.origin_id
    if batch is None:
        return Case(execution.input, id=execution.case_id)
    return _restore.restore_case(core.engine, batch, execution.case_id)


def _evaluators(core: "Core", batch: str) -> tuple[Sequence[Evaluator], str | None]:
    known = core.remembered(batch)
    own = () if known is None else known[1]
    try:
        return _restore.restore_batch_evaluators(core.stored(batch), None, own), None
    except ConfigurationError as error:
        return list(own), str(error)
