"""What an execution of a graph leaves behind: its outcome, and a record of every node that ran."""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import langchain_core
import langgraph.graph
from langgraph.errors import EmptyInputError

from wtb._retry_after import retry_after_s
from wtb.errors import WtbError

Status = Literal["succeeded", "failed", "interrupted", "paused", "cancelled"]
NodeStatus = Literal["succeeded", "failed", "cached", "cancelled", "interrupted"]
Usage = dict[str, dict[str, Any]]

MAX_TRACEBACK = 16_000
"""Most characters that a recorded traceback has; of a longer one the middle is left out."""

# Another try cannot change these; all other errors may have come from outside or from chance.
_HOPELESS = (WtbError, EmptyInputError, ImportError, NameError, SyntaxError, NotImplementedError)

_FRAMEWORK = tuple(
    str(folder)
    for folder in (
        Path(langgraph.graph.__file__).parents[1],
        Path(langchain_core.__file__).parent,
        Path(__file__).parent,
    )
)
_STANDARD_POOLS = ("concurrent/futures/thread.py", "asyncio/runners.py", "asyncio/base_events.py")


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as plain data.

    Attributes:
        type: Qualified name of the class; built-in ones without a module.
        message: `str()` of the exception.
        traceback: As Python prints it, at most `MAX_TRACEBACK` characters, without LangGraph's own
            frames where frames of the user are left.
        node: Path of the node that raised, `"agent/tools"` inside a subgraph; None when no single
            node did, for example when two wrote one key in the same step.
        retryable: Whether another attempt could end otherwise.
        retry_after_s: The wait before another attempt that a server asked for; None for no wait.
    """

    type: str
    message: str
    traceback: str
    node: str | None
    retryable: bool
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class NodeTrace:
    """One node that ran, with all tries that its retry policy made.

    Attributes:
        path: `"agent/tools"` for a node inside a subgraph.
        step: LangGraph's step within the graph that holds the node, from 1.
        order: Place by time of start among all nodes of the execution, from 0.
        status: `"cached"` when LangGraph's node cache answered instead of the node.
        attempts: Tries made, 0 for a cached node.
        started_at: Start of the first try, Unix seconds.
        duration_s: From the first start to the last end, waits between tries included.
        input: What the node got; the object itself and no copy.
        output: What the node returned.
        error: The last try's error.
        usage: Tokens by model of the calls made in the node itself, not in nodes inside it.
    """

    path: str
    step: int
    order: int
    status: NodeStatus
    attempts: int
    started_at: float
    duration_s: float
    input: Any
    output: Any
    error: ErrorInfo | None
    usage: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Trace:
    """An execution's outcome.

    Attributes:
        status: How it ended.
        output: What `graph.invoke` returns, without the `__interrupt__` that it adds; what was
            reached so far when the execution did not succeed, and None when nothing was.
        state: All keys of the state; the same object as `output` when the graph has no output
            schema of its own.
        nodes: The nodes that ran, by order of their start.
        error: Why it failed.
        interrupts: Payload and id of each `interrupt()` that waits for an answer.
        usage: By model: `calls`, and what the provider told: `input_tokens`, `output_tokens`,
            `total_tokens`, and details (`input_token_details`, `output_token_details`).
    """

    status: Status
    output: Any
    state: Any
    nodes: list[NodeTrace]
    error: ErrorInfo | None = None
    interrupts: list[tuple[Any, str]] = field(default_factory=list)
    usage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def error_info(error: BaseException, node: str | None) -> ErrorInfo:
    """Return an exception as plain data."""
    kind = type(error)
    named = kind.__qualname__
    return ErrorInfo(
        type=named if kind.__module__ == "builtins" else f"{kind.__module__}.{named}",
        message=_message(error),
        traceback=_formatted(error),
        node=node,
        retryable=not isinstance(error, _HOPELESS),
        retry_after_s=retry_after_s(error),
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"<its text cannot be made: {type(second).__name__}>"


def _formatted(error: BaseException) -> str:
    try:
        report = traceback.TracebackException.from_exception(error)
        _drop_framework(report, set())
        text = "".join(report.format())
    except Exception as second:
        return f"<no traceback: {type(second).__name__} while it was formatted>"
    if len(text) <= MAX_TRACEBACK:
        return text
    head = MAX_TRACEBACK // 4
    tail = MAX_TRACEBACK - head
    return f"{text[:head]}\n  [... {len(text) - MAX_TRACEBACK} characters ...]\n{text[-tail:]}"


def _drop_framework(report: traceback.TracebackException, seen: set[int]) -> None:
    if id(report) in seen:
        return
    seen.add(id(report))
    own = [frame for frame in report.stack if not _is_framework(frame.filename)]
    if own:
        report.stack = traceback.StackSummary.from_list(own)
    for other in (report.__cause__, report.__context__):
        if other is not None:
            _drop_framework(other, seen)


def _is_framework(filename: str) -> bool:
    return filename.startswith(_FRAMEWORK) or filename.endswith(_STANDARD_POOLS)
