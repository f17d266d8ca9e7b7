"""Parts of an execution as they stand in the store: its attempts, nodes, errors, questions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb.workspace import WorkspaceRecord, read_record

if TYPE_CHECKING:
    from wtb._native import AttemptRow, EngineRef, NodeRow, ValueRef

__all__ = [
    "Attempt",
    "ExecutionError",
    "Interrupt",
    "NodeRecord",
    "read_attempt",
    "read_error",
    "surely_when",
    "when",
]


@dataclass(frozen=True)
class ExecutionError:
    """Why an execution or a node failed.

    Attributes:
        type: The exception's type, for example `"ValueError"`.
        message: What it says.
        traceback: Where it was raised.
        node: The node that failed, `"agent/tools"` inside a subgraph.
    """

    type: str
    message: str
    traceback: str | None = None
    node: str | None = None

    def __str__(self) -> str:
        where = f"node {self.node!r}: " if self.node else ""
        return f"{where}{self.type}: {self.message}"


@dataclass(frozen=True)
class Attempt:
    """One try of an execution.

    Attributes:
        number: From 1.
        worker: Who made it.
        status: How it ended.
        started_at: When its lease was given.
        finished_at: When its end was accepted.
        error: Why it failed.
        workspace: Its private files; None if it had none.
        files_found: The id of the snapshot of what it found in its workspace.
        files_left: The id of the snapshot of what it left there.
    """

    number: int
    worker: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    error: ExecutionError | None
    workspace: WorkspaceRecord | None
    files_found: str | None
    files_left: str | None
    _engine: "EngineRef" = field(repr=False, compare=False)
    _stdout: "ValueRef | None" = field(repr=False, compare=False)
    _stderr: "ValueRef | None" = field(repr=False, compare=False)

    @cached_property
    def stdout(self) -> str:
        """What it wrote to its standard output; "" when its runner does not capture that.

        Where the middle was left out, a line says how many bytes are missing.
        """
        return _values.load_text(self._engine, self._stdout)

    @cached_property
    def stderr(self) -> str:
        """The same of its standard error."""
        return _values.load_text(self._engine, self._stderr)


@dataclass(frozen=True)
class Interrupt:
    """A question that a node asked by `interrupt(value)`.

    Attributes:
        value: What the node passed.
        id: LangGraph's id of the question.
    """

    value: Any
    id: str


class NodeRecord:
    """One node's work in one attempt.

    Attributes:
        node: The node, `"agent/tools"` inside a subgraph.
        attempt: The attempt that it belongs to, from 1.
        order: Its place in the order of starts, from 0.
        step: LangGraph's step.
        status: "succeeded", "failed", "cached", "cancelled" or "interrupted".
        calls: How often it was called; more than once when its retry policy retried it.
        started_at: When it was first called.
        duration_s: All calls together, in seconds.
        error: Why it failed.
        usage: Tokens by model.
    """

    def __init__(self, engine: "EngineRef", row: "NodeRow") -> None:
        text, self._input, self._output = row
        self._engine = engine
        data = json.loads(text)
        self.node: str = data["node"]
        self.attempt: int = data["attempt"]
        self.order: int = data["order"]
        self.step: int = data["step"]
        self.status: str = data["status"]
        self.calls: int = data["calls"]
        self.started_at: datetime = surely_when(data["started_at"])
        self.duration_s: float = data["duration_s"]
        self.error: ExecutionError | None = read_error(data["error"])
        self.usage: Mapping[str, Any] = data["usage"] or {}

    @cached_property
    def input(self) -> Any:
        """What the node was given."""
        return _values.load(self._engine, self._input)

    @cached_property
    def output(self) -> Any:
        """What the node returned; None when it did not."""
        return _values.load(self._engine, self._output)

    def __repr__(self) -> str:
        return f"NodeRecord({self.node!r}, {self.status}, {self.duration_s:.3f} s)"


def read_attempt(engine: "EngineRef", row: "AttemptRow") -> Attempt:
    """Return a stored attempt."""
    text, stdout, stderr = row
    data = json.loads(text)
    return Attempt(
        number=data["number"],
        worker=data["worker"],
        status=data["status"],
        started_at=surely_when(data["started_at"]),
        finished_at=when(data["finished_at"]),
        error=read_error(data["error"]),
        workspace=read_record(data["workspace"]),
        files_found=data["found"],
        files_left=data["files"],
        _engine=engine,
        _stdout=stdout,
        _stderr=stderr,
    )


def when(seconds: float | None) -> datetime | None:
    """Return a stored time, if there is one."""
    return None if seconds is None else surely_when(seconds)


def surely_when(seconds: float) -> datetime:
    """Return a stored time."""
    return datetime.fromtimestamp(seconds, UTC)


def read_error(data: Mapping[str, Any] | None) -> ExecutionError | None:
    """Return a stored error, if there is one."""
    if data is None:
        return None
    return ExecutionError(data["type"], data["message"], data["traceback"], data["node"])
