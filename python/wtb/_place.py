"""From what a person names (a checkpoint, a node) to the one place in an execution's history."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from wtb.checkpoint import Checkpoint, read_checkpoints
from wtb.errors import CheckpointNotFoundError, ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from wtb._native import CheckpointsRef
    from wtb.execution import Execution

__all__ = ["Named", "Place", "find_place", "head_of", "lineages_of"]

LISTED_MAX = 8
"""So many checkpoints are named when one is not found."""

_STEP = re.compile(r"(?:(\d{1,7})/)?(-1|\d{1,7})")
"""`2` and `1/2`; ids are longer."""


class Named(NamedTuple):
    """How a place is named.

    Attributes:
        at: A checkpoint, its id, or a unique prefix of it; or its step as a text, `"2"`, in the
            lineage where the execution stands, or `"1/2"` in lineage 1. (The ends of ids would be
            no shorter names: LangGraph draws them from a generator that each attempt seeds alike.)
        before: A node: the checkpoint from which it ran.
        after: A node: the checkpoint that it led to.
        occurrence: Which of several such checkpoints: 0 for the first, -1 for the latest.
    """

    at: Checkpoint | str | None = None
    before: str | None = None
    after: str | None = None
    occurrence: int = -1

    @property
    def is_nothing(self) -> bool:
        """Whether no place is named, also not which of several."""
        named = (self.at, self.before, self.after)
        return all(one is None for one in named) and self.occurrence == -1


class Place(NamedTuple):
    """A place in a history.

    Attributes:
        lineage: Which of the execution's lineages, from 1.
        checkpoint: A checkpoint of the graph itself.
    """

    lineage: int
    checkpoint: Checkpoint


def lineages_of(execution: "Execution") -> Iterator[tuple[int, str]]:
    """Yield numbers and names of an execution's lineages, the one that it stands in first."""
    for number in range(execution.lineages, 0, -1):
        yield number, f"{execution.id}/{number}"


def head_of(source: "CheckpointsRef", execution: "Execution") -> Place | None:
    """Return where an execution stands; None without checkpoints."""
    for number, thread in lineages_of(execution):
        roots = [one for one in read_checkpoints(source, thread) if not one.namespace]
        return Place(number, roots[-1]) if roots else None
    return None


def find_place(source: "CheckpointsRef", execution: "Execution", named: Named) -> Place:
    """Return the place that is named.

    Raises:
        ConfigurationError: More or less than one place is named.
        CheckpointNotFoundError: There is none; the text names what there is.
    """
    given = [name for name in ("at", "before", "after") if getattr(named, name) is not None]
    if execution.lineages > 0 and len(given) != 1:
        raise ConfigurationError(
            "name one place: at= a checkpoint, before= a node or after= a node"
            + (f", not {' and '.join(f'{name}=' for name in given)}" if given else "")
        )
    if execution.lineages == 0:
        raise CheckpointNotFoundError(
            f"execution {execution.id} has no checkpoints: it ran with checkpoints='off', or has "
            "not been started"
        )
    if named.at is not None:
        return _at(source, execution, named.at)
    number, thread = next(lineages_of(execution))
    found = read_checkpoints(source, thread)
    return Place(number, _beside(execution, found, named))


def _at(source: "CheckpointsRef", execution: "Execution", at: Checkpoint | str) -> Place:
    wanted = at.id if isinstance(at, Checkpoint) else at
    if not isinstance(wanted, str) or not wanted:
        raise ConfigurationError(f"at is a checkpoint or the id of one, not {at!r}")
    if step := _STEP.fullmatch(wanted):
        return _at_step(source, execution, int(step[1] or execution.lineages), int(step[2]))
    known: list[Checkpoint] = []
    for number, thread in lineages_of(execution):
        found = read_checkpoints(source, thread)
        fitting = [one for one in found if one.id.startswith(wanted)]
        exact = [one for one in fitting if one.id == wanted] or fitting
        if len(exact) > 1:
            raise CheckpointNotFoundError(
                f"{wanted!r} fits more than one checkpoint of execution {execution.id}: "
                f"{_listed(exact)}"
            )
        if exact:
            return Place(number, _root(found, exact[0]))
        known.extend(found)
    raise CheckpointNotFoundError(
        f"execution {execution.id} has no checkpoint {wanted!r}. It has: {_listed(known)}"
    )


def _at_step(source: "CheckpointsRef", execution: "Execution", number: int, step: int) -> Place:
    if not 1 <= number <= execution.lineages:
        raise CheckpointNotFoundError(
            f"execution {execution.id} has no lineage {number}: it has 1 to {execution.lineages}"
        )
    found = [
        one for one in read_checkpoints(source, f"{execution.id}/{number}") if not one.namespace
    ]
    fitting = [one for one in found if one.step == step]
    if len(fitting) != 1:
        steps = ", ".join(
            f"{one.step} (after {one.node})" if one.node else str(one.step)
            for one in found[-LISTED_MAX:]
        )
        raise CheckpointNotFoundError(
            f"execution {execution.id} has {len(fitting) or 'no'} checkpoints of step {step} in "
            f"its lineage {number}. Its steps: {steps}"
        )
    return Place(number, fitting[0])


def _beside(execution: "Execution", found: Sequence[Checkpoint], named: Named) -> Checkpoint:
    node, where = (named.before, "before") if named.before is not None else (named.after, "after")
    if not isinstance(node, str):
        raise ConfigurationError(f"{where} is the name of a node, not {node!r}")
    if isinstance(named.occurrence, bool) or not isinstance(named.occurrence, int):
        raise ConfigurationError(f"occurrence is a whole number, not {named.occurrence!r}")
    fitting = [one for one in found if node in _names(one, where)]
    if not fitting:
        names = dict.fromkeys(name for one in found for name in _names(one, where))
        raise CheckpointNotFoundError(
            f"execution {execution.id} has no checkpoint {where} node {node!r}. "
            f"{did_you_mean(node, [*names], listed_as=f'there are checkpoints {where}')}"
        )
    try:
        return _root(found, fitting[named.occurrence])
    except IndexError:
        raise CheckpointNotFoundError(
            f"execution {execution.id} has {len(fitting)} checkpoints {where} node {node!r}, and "
            f"no occurrence {named.occurrence} (0 is the first, -1 the latest)"
        ) from None


def _names(one: Checkpoint, where: str) -> Sequence[str]:
    """Return the nodes that a checkpoint is before or after, as paths through subgraphs."""
    names = one.next if where == "before" else one.nodes
    return [f"{one.path}/{name}" if one.path else name for name in names]


def _root(found: Sequence[Checkpoint], one: Checkpoint) -> Checkpoint:
    """Return the checkpoint of the graph itself from which one in a subgraph is reached again."""
    if not one.namespace:
        return one
    roots = [other for other in found if not other.namespace and other.id == one.root_id]
    if not roots:
        raise CheckpointNotFoundError(
            f"checkpoint {one.id} of {one.path!r} cannot be gone back to: the graph's own one "
            "of that step was not stored (checkpoints='exit')"
        )
    return roots[0]


def _listed(known: Sequence[Checkpoint]) -> str:
    shown = ", ".join(
        f"{one.id} ({'after ' + one.node if one.node else one.source})"
        for one in known[-LISTED_MAX:]
    )
    more = f"{len(known) - LISTED_MAX} older ones, " if len(known) > LISTED_MAX else ""
    return f"{more}{shown}" if known else "none"
