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
    job.prepared().check_update(update, as_node)
    check_storable(update, "the update")


def staged_update(
    checkpoints: "CheckpointsRef",
    job: "Job",
    thread: str,
    update: Any,
    as_node: str | None,
    place: str | None,
) -> "Staged":
    """Work out what an update makes of the state, without storing it.

    Args:
        checkpoints: The store's.
        job: What runs in the thread.
        thread: The thread.
        update: What a node could return.
        as_node: The node that is to have returned it; by default the one that ran last.
        place: The checkpoint that it is applied to; None for the thread's head.

    Raises:
        ConfigurationError: It cannot be applied; the text says what LangGraph or a reducer said.
    """
    from wtb.langgraph.lineage import Lineage, StagingSaver

    check_update(job, update, as_node)
    prepared = job.prepared()
    saver = StagingSaver(checkpoints)
    lineage = Lineage(saver=saver, thread=thread, durability="sync")
    try:
        return prepared.stage(lineage, saver, update, as_node, place, job.config)
    except WtbError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the update cannot be applied: {type(error).__name__}: {error}. Nothing has changed"
        ) from error


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
    from wtb.langgraph.lineage import BenchSaver

    return job.prepared().state_at(BenchSaver(checkpoints), config)
