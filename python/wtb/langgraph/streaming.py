"""Reads LangGraph's stream: the latest state, what waits for an answer, and cached nodes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from wtb._paths import path_of
from wtb.langgraph.loading import AnyGraph, walk
from wtb.langgraph.trace import NodeTrace

_INTERRUPT = "__interrupt__"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What has to be streamed of a graph to see all there is to see.

    "values" alone is cheaper than `graph.invoke`. "updates" also tells that a breakpoint of the
    compiled graph ended the execution, and, with "debug", which nodes were served from the cache.
    Streaming subgraphs costs LangGraph extra threads, so it is done only for caches inside them.

    Attributes:
        modes: LangGraph's stream modes.
        subgraphs: Whether subgraphs are streamed.
        output_keys: What LangGraph is asked for; None for the whole state.
        selected: The keys of the output, when they are not the whole state.
    """

    modes: list[Any]
    subgraphs: bool
    output_keys: Any
    selected: list[str] | None

    def output_of(self, state: Any) -> Any:
        """Return what `graph.invoke` gives for a state."""
        if self.selected is None or not isinstance(state, Mapping):
            return state
        return {key: state[key] for key in self.selected if key in state}


def plan_stream(graph: AnyGraph, *, breaks: bool = False) -> StreamPlan:
    """Return how to stream a graph; with `breaks`, one that is given breakpoints."""
    cached = [holder for _, holder, name in walk(graph) if _is_cached(holder, name)]
    modes = ["values"]
    if cached or breaks or graph.interrupt_before_nodes or graph.interrupt_after_nodes:
        modes.append("updates")
    if cached:
        modes.append("debug")
    subgraphs = any(holder is not graph for holder in cached)
    # Channels of graphs that are no StateGraph are wiring more than state.
    if not isinstance(graph, CompiledStateGraph):
        return StreamPlan(modes, subgraphs, graph.output_channels, None)
    wanted, whole = graph.output_channels, graph.stream_channels_asis
    same = isinstance(wanted, str) or isinstance(whole, str) or set(wanted) == set(whole)
    return StreamPlan(modes, subgraphs, None, None if same else list(wanted))


def _is_cached(holder: AnyGraph, name: str) -> bool:
    policy = holder.nodes[name].cache_policy or holder.cache_policy
    return holder.cache is not None and policy is not None


class StreamReader:
    """Takes the chunks of one execution's stream."""

    __slots__ = ("_announced", "_answers", "_plan", "interrupted", "interrupts", "state")

    def __init__(self, plan: StreamPlan) -> None:
        self._plan = plan
        self._announced: list[tuple[str, Any, int, float]] = []
        self._answers: dict[str, list[Any]] = {}
        self.state: Any = None
        self.interrupts: dict[str, Any] = {}
        self.interrupted = False

    def take(self, chunk: Any) -> None:
        """Take the next chunk."""
        if self._plan.subgraphs:
            namespace, mode, payload = chunk
        else:
            namespace = ()
            mode, payload = chunk
        if mode == "values":
            if not namespace:
                self._take_state(payload)
        elif mode == "updates":
            self._take_update(namespace, payload)
        elif payload["type"] == "task":
            self._take_task(namespace, payload)

    def answered(self) -> None:
        """Forget the questions: they are answered."""
        self.interrupts = {}
        self.interrupted = False

    def cached_nodes(self, started: set[str]) -> Iterable[NodeTrace]:
        """Yield the nodes that the cache answered for, given the namespaces of those that ran."""
        for namespace, given, step, at in self._announced:
            path = path_of(namespace)
            answers = self._answers.get(path)
            if namespace in started or not answers:
                continue
            yield NodeTrace(
                path=path,
                step=step,
                order=0,
                status="cached",
                attempts=0,
                started_at=at,
                duration_s=0.0,
                input=given,
                output=answers.pop(0),
                error=None,
                usage={},
            )

    def _take_state(self, payload: Any) -> None:
        if not isinstance(payload, Mapping) or _INTERRUPT not in payload:
            self.state = payload
            return
        self._take_interrupts(payload[_INTERRUPT])
        if rest := {key: value for key, value in payload.items() if key != _INTERRUPT}:
            self.state = rest

    def _take_interrupts(self, interrupts: Iterable[Any]) -> None:
        self.interrupted = True
        self.interrupts.update((one.id, one.value) for one in interrupts)

    def _take_update(self, namespace: tuple[str, ...], payload: Mapping[str, Any]) -> None:
        if _INTERRUPT in payload:
            if not namespace:
                self._take_interrupts(payload[_INTERRUPT])
        elif (payload.get("__metadata__") or {}).get("cached"):
            for name, answer in payload.items():
                if name != "__metadata__":
                    path = path_of("|".join((*namespace, name)))
                    self._answers.setdefault(path, []).append(answer)

    def _take_task(self, namespace: tuple[str, ...], payload: Mapping[str, Any]) -> None:
        task = payload["payload"]
        self._announced.append(
            (
                "|".join((*namespace, f"{task['name']}:{task['id']}")),
                task["input"],
                payload["step"],
                datetime.fromisoformat(payload["timestamp"]).timestamp(),
            )
        )
