"""Makes an execution that begins where another one stands or stood."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from wtb import _plan
from wtb._arguments import Again
from wtb._place import Named, Place, find_place, head_of
from wtb._restore_single import describe_single, known_of, merged_variant, reference_of
from wtb._update import check_parent, staged_update, store_update
from wtb.errors import ConfigurationError
from wtb.variants import VariantLike, normalise_variants
from wtb.workflow import as_workflow

if TYPE_CHECKING:
    from wtb._core import Core
    from wtb._job import Job
    from wtb.execution import Execution

__all__ = ["Changed", "fork"]


class Changed(NamedTuple):
    """What a fork has otherwise than its source; `TestBench.fork` says what each means."""

    update: Any = None
    as_node: str | None = None
    variant: VariantLike | None = None
    workflow: object = None


def fork(core: "Core", source: "Execution", named: Named, changed: Changed) -> str:
    """Make a fork and return its id; see `TestBench.fork`."""
    checkpoints = core.checkpoints
    place = head_of(checkpoints, source) if named.is_nothing else None
    place = place or find_place(checkpoints, source, named)
    known = known_of(core, source, Again(changed.workflow), same_nodes=False)
    job = _forked_job(known.job, changed, place)
    staged = None
    if changed.update is not None:
        where = {"thread_id": place.checkpoint.thread}
        if not named.is_nothing:
            where["checkpoint_id"] = place.checkpoint.id
        staged = staged_update(checkpoints, job, where, changed.update, changed.as_node)
        check_parent(staged, source, place.checkpoint.id)
    elif changed.as_node is not None:
        raise ConfigurationError("as_node says whose an update is: pass update= as well")
    reference = reference_of(core, source, changed.workflow, job.workflow)
    as_it_stands = named.is_nothing and staged is None
    prepared = None
    if staged is not None:
        # The history is complete before the execution is there: both or neither.
        prepared = core.lineages.prepare_fork(
            source.key, place.lineage, place.checkpoint.id, as_it_stands
        )
        thread = f"{prepared}/1"
        store_update(core.lineages.checkpoints(thread), staged, thread)
    made = core.lineages.fork(
        source.key,
        place.lineage,
        place.checkpoint.id,
        as_it_stands,
        _plan.storable(job.workflow.name, "the workflow's name"),
        _plan.name_of(job.variants[0]),
        json.dumps(describe_single(job, reference, known.timeout_s, known.place)),
        prepared,
    )
    core.remember(made, job, ())
    return made


def _forked_job(job: "Job", changed: Changed, place: Place) -> "Job":
    from wtb.langgraph.updates import check_next

    owner = job.workflow if changed.workflow is None else as_workflow(changed.workflow)
    chosen = job.variants[0]
    if changed.variant is not None:
        (over,) = normalise_variants(owner, [changed.variant])
        named = replace(over, name=_own_name(changed.variant))
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
    check_next(forked.prepared(), place.checkpoint.next)
    return forked


def _own_name(variant: VariantLike) -> str | None:
    return None if isinstance(variant, Mapping) else variant.name
