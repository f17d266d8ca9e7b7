"""The exceptions of the package.

Every one derives from `WtbError` and carries a text that says what is wrong, where, what was
probably meant, and what to do. They survive pickling, because they cross process boundaries.
"""

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "AmbiguousIdError",
    "BatchBusyError",
    "CheckpointNotFoundError",
    "ConfigurationError",
    "EvaluatorError",
    "ExecutionFailedError",
    "ForkedProcessError",
    "GateError",
    "InvalidCaseError",
    "InvalidTransitionError",
    "NotFoundError",
    "StoreError",
    "StoreVersionError",
    "UnknownNodeError",
    "UnknownVariantError",
    "UnknownWorkflowError",
    "WorkerCrashedError",
    "WorkerError",
    "WorkflowImportError",
    "WorkflowNotBoundError",
    "WtbError",
    "did_you_mean",
    "near_misses",
]


class WtbError(Exception):
    """Base of everything that the package raises on purpose.

    Args:
        message: The whole text that a person reads.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(WtbError, ValueError):
    """What was asked for cannot be run as it stands; nothing has been run."""


class UnknownNodeError(ConfigurationError):
    """A substitution names a node that the graph does not have."""


class UnknownVariantError(ConfigurationError):
    """A substitution names an implementation that the workflow does not have registered."""


class UnknownWorkflowError(ConfigurationError):
    """A workflow is asked for by a name or id that nobody registered."""


class WorkflowImportError(ConfigurationError):
    """A `module:attribute` reference cannot be imported; the text shows the user's traceback."""


class InvalidCaseError(ConfigurationError):
    """A test case does not fit the graph's input."""


class WorkflowNotBoundError(WtbError):
    """The program has not passed a stored batch's workflow again, or passes one that is another."""


class InvalidTransitionError(WtbError):
    """A batch or an execution cannot go from its present status to the one asked for."""


class StoreError(WtbError):
    """The store cannot be opened, read or written."""


class StoreVersionError(StoreError):
    """The store was written by a newer version of the program."""


class BatchBusyError(WtbError):
    """Another live session is running this batch."""


class AmbiguousIdError(WtbError):
    """More than one id begins with the given prefix."""


class NotFoundError(WtbError, LookupError):
    """Nothing in the store has the given id."""


class CheckpointNotFoundError(NotFoundError):
    """An execution has no such checkpoint; the text names those that it has."""


class WorkspaceError(WtbError):
    """The files of an execution cannot be had, copied or stored; the text says which, and why."""


class WorkerError(WtbError):
    """The processes that attempts are made in cannot be started, or were all lost."""


class WorkerCrashedError(WtbError):
    """An attempt's process ended before it had delivered: by a signal, a limit, or `os._exit`.

    It is never raised: executions name it as the type of their error.
    """


class ExecutionFailedError(WtbError):
    """An execution did not succeed; raised by `Execution.raise_for_status`."""


class EvaluatorError(WtbError):
    """An evaluator is wrong or gave something that is not a score."""


class GateError(WtbError):
    """A gate found a regression, or is inconclusive and that is taken for a failure."""


class ForkedProcessError(WtbError):
    """A bench was used in a process forked from the one that opened it."""


def near_misses(name: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the known names that `name` probably meant, best first.

    Example:
        >>> near_misses("retreiver", ["generator", "retriever"])
        ['retriever']
    """
    candidates = list(dict.fromkeys(known))
    folded: dict[str, str] = {}
    for candidate in candidates:
        folded.setdefault(candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)
    return [folded[match] for match in close]


def did_you_mean(name: str, known: Sequence[str], *, listed_as: str) -> str:
    """Return the sentences that follow "unknown X": the near misses, then all known names.

    Args:
        name: What was asked for.
        known: What there is; at most 20 are listed.
        listed_as: What the known names are, for example "the graph's nodes".

    Example:
        >>> did_you_mean("b", ["a"], listed_as="the nodes")
        "The nodes: 'a'."
    """
    close = near_misses(name, known)
    meant = f"Did you mean {' or '.join(repr(one) for one in close)}? " if close else ""
    shown = ", ".join(repr(one) for one in known[:20]) or "none"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return f"{meant}{listed_as[:1].upper()}{listed_as[1:]}: {shown}{more}."
