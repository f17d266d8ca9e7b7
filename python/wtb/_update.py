"""Updates and answers that a person gives, checked before anything changes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb.errors import ConfigurationError, InvalidTransitionError, WtbError

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import CheckpointsRef
    from wtb.context import Metric
    from wtb.execution import Execution
    from wtb.langgraph.lineage import Staged

__all__ = ["answers_of", "staged_update", "store_update"]


def answers_of(execution: "Execution", answer: Any) -> Mapping[str, Any] | None:
    """Return an answer by the ids of the questions that it is for; None for no answer.

    An answer without an id would be given to later questions of the same step as well.

    Raises:
        InvalidTransitionError: The execution asks nothing.
        ConfigurationError: It asks several questions, and the answer does not say which it is for;
            or it cannot be stored.
    """
    if answer is None:
        return None
    if execution.status != "interrupted":
        raise InvalidTransitionError(
            f"execution {execution.id} asks nothing (status {execution.status!r}): there is "
            "nothing to answer"
        )
    check_storable(answer, "the answer")
    ids = [one.id for one in execution.interrupts]
    if isinstance(answer, Mapping) and answer and set(answer) <= set(ids):
        return answer
    if len(ids) > 1:
        asked = ", ".join(f"{one.id} ({one.value!r})" for one in execution.interrupts)
        raise ConfigurationError(
            f"execution {execution.id} asks {len(ids)} questions: answer with a mapping from their "
            f"ids. They are: {asked}"
        )
    return {ids[0]: answer} if ids else None


def check_storable(value: Any, what: str) -> None:
    """Refuse a value that the store would not give back.

    Raises:
        ConfigurationError: It, or a part of it, cannot be serialised.
    """
    lost: list[str] = []
    _values.dump(value, what, lost)
    if lost:
        raise ConfigurationError(f"{lost[0]}. Nothing has changed")


def check_update(job: "Job", update: Any, as_node: str | None = None) -> None:
    """Refuse an update of keys that the state does not have, or as a node that there is not.

    Raises:
        ConfigurationError: See above.
    """
    from wtb.langgraph import updates

    updates.check_update(job.prepared(), update, as_node)
    check_storable(update, "the update")


def staged_update(
    checkpoints: "CheckpointsRef",
    job: "Job",
    place: Mapping[str, Any],
    update: Any,
    as_node: str | None,
) -> "Staged":
    """Work out what an update makes of the state, without storing it.

    Args:
        checkpoints: The store's.
        job: What runs in the lineage.
        place: LangGraph's names of the lineage, and of a checkpoint if it is not to be the head.
        update: What a node could return.
        as_node: The node that is to have returned it; by default the one that ran last.

    Raises:
        ConfigurationError: It cannot be applied; the text says what LangGraph or a reducer said.
    """
    from wtb.langgraph import updates
    from wtb.langgraph.lineage import StagingSaver

    check_update(job, update, as_node)
    prepared = job.prepared()
    config, _ = prepared.settings(job.config)
    named = {**config, "configurable": {**config.get("configurable", {}), **place}}
    try:
        return updates.stage(prepared, StagingSaver(checkpoints), named, update, as_node)
    except WtbError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the update cannot be applied: {type(error).__name__}: {error}. Nothing has changed"
        ) from error


def check_parent(staged: "Staged", execution: "Execution", head: str) -> None:
    """Refuse an update that was worked out for another checkpoint than the one it is for.

    Raises:
        InvalidTransitionError: The execution has moved on in the meantime.
    """
    if staged.parent != head:
        raise InvalidTransitionError(
            f"execution {execution.id} has moved on in the meantime: look at it again"
        )


def store_update(checkpoints: "CheckpointsRef", staged: "Staged", thread: str) -> None:
    """Store an update that was worked out in a thread that nobody runs."""
    from wtb.langgraph.lineage import BenchSaver

    staged.store(BenchSaver(checkpoints), thread)


def logged_metrics(execution: "Execution") -> Mapping[str, "Metric"]:
    """Return what the workflow has logged so far: an attempt that goes on keeps it."""
    from wtb.context import Metric as Logged

    return {
        one["name"]: Logged(one["value"], one["direction"])
        for one in execution.score_records
        if one["source"] == "workflow" and one["value"] is not None
    }


def state_at(checkpoints: "CheckpointsRef", job: "Job", config: Mapping[str, Any]) -> Any:
    """Return the state of a checkpoint as its graph reads it."""
    from wtb.langgraph import updates
    from wtb.langgraph.lineage import BenchSaver

    return updates.state_at(job.prepared(), BenchSaver(checkpoints), config)
