"""Records the nodes of one execution, through LangChain's callbacks.

Callbacks see what LangGraph's streams do not: exact times, every try of a retried node, the nodes
of subgraphs that a function calls, and model calls whose answer never reaches the state. They cost
about as much as streaming, and far less than streaming subgraphs.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.graph import START

from wtb._paths import path_of
from wtb.langgraph import usage
from wtb.langgraph.asynchrony import NodeExitError
from wtb.langgraph.trace import NodeStatus, NodeTrace, Usage, error_info

# LangGraph marks a node's own run by this tag; what runs inside the node does not inherit it.
_NODE_TAG = "graph:step:"
_NOTE = re.compile(r"^(?:During|Before) task with name '([^']+)'")


class ExecutionCancelledError(BaseException):
    """Ends an execution that was asked to stop; no `Exception`, so that nothing retries a node."""


class _Record:
    """One node while it runs."""

    __slots__ = (
        "attempts",
        "ended",
        "exception",
        "input",
        "namespace",
        "output",
        "started",
        "started_at",
        "status",
        "step",
        "usage",
    )

    def __init__(self, namespace: str, step: int, given: Any) -> None:
        self.namespace = namespace
        self.step = step
        self.input = given
        self.output: Any = None
        self.attempts = 1
        self.started_at = time.time()
        self.started = self.ended = time.perf_counter()
        # What a record says when no end of the node is ever seen.
        self.status: NodeStatus = "cancelled"
        self.exception: BaseException | None = None
        self.usage: Usage = {}


class Recorder(BaseCallbackHandler):
    """The callback handler of one execution.

    Args:
        given: The execution's input, whose messages are none of its own calls.
        cancelled: Polled before each node.
        watch: Called with a node's path and whether it has ended, at its start and at its end.
    """

    # In the thread of the node and not in a pool: for exact times, and to stop the node.
    run_inline = True

    def __init__(
        self,
        given: Any,
        cancelled: Callable[[], bool],
        watch: Callable[[str, bool], object] | None = None,
    ) -> None:
        self._cancelled = cancelled
        self._watch = watch
        self._lock = threading.Lock()
        self._records: dict[str, _Record] = {}
        self._running: dict[UUID, _Record] = {}
        self._calls: dict[UUID, Mapping[str, Any]] = {}
        self._raised: list[tuple[BaseException, _Record]] = []
        self._elsewhere: set[int] = set()
        self._counted: dict[int, AIMessage] = {}
        self._counted_ids: set[str] = set()
        self.usage: Usage = {}
        self.interrupted = False
        self.stopped = False
        self.know(given)

    def know(self, state: Any) -> None:
        """Note the messages of a state, which are no calls of this execution."""
        for message in usage.messages_in(state):
            self._is_new(message)

    def answered(self) -> None:
        """Go on after questions were answered."""
        self.interrupted = False

    def on_chain_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        inputs: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Begin a node, or its next try."""
        if not tags or not metadata or not any(tag.startswith(_NODE_TAG) for tag in tags):
            return
        if self._cancelled():
            raise ExecutionCancelledError
        namespace = metadata["langgraph_checkpoint_ns"]
        record = self._records.get(namespace)
        if record is None:
            record = _Record(namespace, metadata["langgraph_step"], inputs)
            self._records[namespace] = record
        else:
            record.attempts += 1
        self._running[run_id] = record
        if self._watch is not None:
            self._watch(path_of(namespace), False)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """End a node that succeeded."""
        if (record := self._running.pop(run_id, None)) is None:
            return
        self._end(record, "succeeded", outputs, None)
        for message in usage.messages_in(outputs):
            if message.usage_metadata is not None:
                self._count(message, record, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """End a node that raised, or left the graph by an exception."""
        if (record := self._running.pop(run_id, None)) is None:
            return
        if isinstance(error, NodeExitError):
            error = error.__cause__ or error
        if isinstance(error, GraphInterrupt):
            self._end(record, "interrupted", None, None)
            # The graph as a whole has stopped only when a node of its own did. Who asks nothing
            # stopped at a breakpoint.
            if "|" not in record.namespace:
                asks = bool(error.args and error.args[0])
                self.interrupted = self.interrupted or asks
                self.stopped = self.stopped or not asks
        elif isinstance(error, GraphBubbleUp):
            self._end(record, "succeeded", error.args[0] if error.args else None, None)
        elif isinstance(error, asyncio.CancelledError | ExecutionCancelledError):
            self._end(record, "cancelled", None, None)
            self._raised.append((error, record))
        else:
            self._end(record, "failed", None, error)
            self._raised.append((error, record))
            if threading.current_thread() is not threading.main_thread():
                self._elsewhere.add(id(error))

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        messages: list[list[Any]],  # noqa: ARG002
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Remember which node calls a chat model."""
        self._calls[run_id] = metadata or {}

    def on_llm_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        prompts: list[str],  # noqa: ARG002
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Remember which node calls a text model."""
        self._calls[run_id] = metadata or {}

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Count a finished call."""
        metadata = self._calls.pop(run_id, {})
        record = self._records.get(metadata.get("langgraph_checkpoint_ns", ""))
        answer = usage.answer_of(response)
        if answer is not None:
            self._count(answer, record, metadata)
        else:
            self._add(record, usage.model_of(None, metadata), None)

    def on_llm_error(
        self,
        error: BaseException,  # noqa: ARG002
        *,
        run_id: UUID,
        **_: Any,
    ) -> None:
        """Forget a call that failed."""
        self._calls.pop(run_id, None)

    @property
    def namespaces(self) -> set[str]:
        """The namespaces of all nodes that started."""
        return set(self._records)

    def traces(self) -> Iterator[NodeTrace]:
        """Yield what was recorded, by order of start, as it stands now."""
        shown = [record for record in list(self._records.values()) if not _is_route(record)]
        for order, record in enumerate(shown):
            path = path_of(record.namespace)
            failed = record.exception
            yield NodeTrace(
                path=path,
                step=record.step,
                order=order,
                status=record.status,
                attempts=record.attempts,
                started_at=record.started_at,
                duration_s=record.ended - record.started,
                input=record.input,
                output=record.output,
                error=None if failed is None else error_info(failed, self.blame(failed)),
                usage=record.usage,
            )

    def blame(self, error: BaseException) -> str | None:
        """Return the path of the innermost node that raised `error` or what led to it.

        A cancellation that turns out to have been raised by the node itself is its failure.
        """
        chain = {id(one) for one in _chain(error)}
        for raised, record in self._raised:
            if id(raised) in chain:
                if record.status == "cancelled":
                    record.status, record.exception = "failed", error
                return path_of(record.namespace)
        # LangGraph could not even make the node's input; then it only leaves notes, inner first.
        notes = [_NOTE.match(str(note)) for note in getattr(error, "__notes__", ())]
        return "/".join(match[1] for match in reversed(notes) if match) or None

    def is_from_main_thread(self, error: BaseException) -> bool:
        """Whether `error` was raised on the main thread, as far as that was seen."""
        here = threading.current_thread() is threading.main_thread()
        return here and id(error) not in self._elsewhere

    def _end(
        self, record: _Record, status: NodeStatus, output: Any, error: BaseException | None
    ) -> None:
        record.ended = time.perf_counter()
        if self._watch is not None:
            self._watch(path_of(record.namespace), True)
        record.status = status
        record.output = output
        record.exception = error

    def _count(
        self, message: AIMessage, record: _Record | None, metadata: Mapping[str, Any] | None
    ) -> None:
        if self._is_new(message):
            counts: Any = message.usage_metadata
            self._add(record, usage.model_of(message, metadata), counts)

    def _add(self, record: _Record | None, model: str, counts: Mapping[str, Any] | None) -> None:
        with self._lock:
            usage.add_call(self.usage, model, counts)
            if record is not None:
                usage.add_call(record.usage, model, counts)

    def _is_new(self, message: AIMessage) -> bool:
        """Note a message, which may be seen by the callback and again in updates of the state."""
        with self._lock:
            if id(message) in self._counted or message.id in self._counted_ids:
                return False
            # Keeps the object alive, so that no other message can get the same id.
            self._counted[id(message)] = message
            if message.id is not None:
                self._counted_ids.add(message.id)
            return True


def _is_route(record: _Record) -> bool:
    """Whether it is a route from the start that led on: LangGraph's own, and no node of the user's.

    One that raises or asks stays, since it is where the execution ended.
    """
    last = path_of(record.namespace).rpartition("/")[2]
    return last == START and record.status == "succeeded"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        pending.extend((one.__context__, one.__cause__))
