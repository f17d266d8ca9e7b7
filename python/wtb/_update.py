"""Updates and answers that a person gives, checked before anything changes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wtb.errors import ConfigurationError, InvalidTransitionError, WtbError

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import CheckpointsRef
    from wtb.execution import Execution
    from wtb.langgraph.lineage import Staged

__all__ = ["check_answer", "check_update", "staged_update", "store_update"]


def check_answer(execution: "Execution", answer: Any) -> None:
    """Refuse an answer that nobody waits for, or that could be meant for several questions.

    Raises:
        InvalidTransitionError: The execution asks nothing.
        ConfigurationError: It asks several questions, and the answer does not say which it is for.
    """
    if answer is None:
        return
    if execution.status != "interrupted":
        raise InvalidTransitionError(
            f"execution {execution.id} asks nothing (status {execution.status!r}): there is "
            "nothing to answer"
        )
    ids = [one.id for one in execution.interrupts]
    if len(ids) < 2:
        return
    if not isinstance(answer, Mapping) or not answer or not set(answer) <= set(ids):
        asked = ", ".join(f"{one.id} ({one.value!r})" for one in execution.interrupts)
        raise ConfigurationError(
            f"execution {execution.id} asks {len(ids)} questions: answer with a mapping from their "
            f"ids. They are: {asked}"
        )


def check_update(job: "Job", update: Any, as_node: str | None = None) -> None:
    """Refuse an update of keys that the state does not have, or as a node that there is not.

    Raises:
        ConfigurationError: See above.
    """
    job.prepared().check_update(update, as_node)


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
