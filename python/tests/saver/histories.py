"""Histories of graphs in a form in which those of two savers can be compared."""

import re
from collections.abc import Callable
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.types import Interrupt, Send, StateSnapshot

IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
# LangGraph's second half is a random number, a small one among them 7e-05.
VERSION = re.compile(r"0*(\d+)\.[0-9a-f.-]+")


class Plain:
    """Turns values into plain ones; ids become numbers in the order in which they appear.

    Left out is what LangGraph itself does differently each time, on any saver: the order in which
    several tasks asked, and ids of messages, which reducers make while the messages are serialised.
    """

    def __init__(self, *names: str) -> None:
        self._numbers: dict[str, int] = dict.fromkeys(names, -1)

    def __call__(self, value: Any) -> Any:
        match value:
            case str():
                return IDS.sub(self._number, value)
            case dict():
                plain = {self(key): self(one) for key, one in value.items()}
                if isinstance(plain.get("__interrupt__"), list):
                    plain["__interrupt__"].sort(key=repr)
                return plain
            case Interrupt():
                return ("interrupt", self(value.value))
            case Send():
                return ("send", value.node, self(value.arg))
            case BaseMessage():
                return (type(value).__name__, self(value.model_dump(exclude={"id"})))
            case list() | tuple():
                return [self(one) for one in value]
            case None | bool() | int() | float() | bytes():
                return value
        return self(repr(value))

    def _number(self, found: re.Match[str]) -> str:
        return f"<{self._numbers.setdefault(found[0], len(self._numbers))}>"


def versions(of: dict[str, Any]) -> dict[str, int]:
    """The versions of channels as numbers."""
    return {name: int(VERSION.fullmatch(str(one))[1]) for name, one in of.items()}


def stored(saver: BaseCheckpointSaver, thread: str) -> list[Any]:
    """All that a saver has of a thread: namespace by namespace, each in the order of its ids.

    Subgraphs may run at the same time. What the graph above has stored of their tasks says in which
    order their namespaces are told.

    Two things are left out in which LangGraph's in-memory saver differs from its SQLite saver (and
    ours does not): where a snapshot of a delta channel is kept while the channel does not change,
    and which answer to an interrupt is kept with a task that has ended.
    """
    found = [*saver.list({"configurable": {"thread_id": thread}})]
    plain, told, levels = Plain(), [], {}
    for one in sorted(found, key=lambda one: one.config["configurable"]["checkpoint_id"]):
        namespace = one.config["configurable"]["checkpoint_ns"]
        depth = namespace.count("|") + 1 if namespace else 0
        levels.setdefault(depth, {}).setdefault(namespace, []).append(one)
    for _, level in sorted(levels.items()):
        for namespace in sorted(level, key=plain):
            told += [record(one, plain) for one in level[namespace]]
    return told


def record(one: CheckpointTuple, plain: Plain) -> Any:
    """A stored checkpoint with its writes."""
    body = dict(one.checkpoint)
    del body["ts"]
    body["channel_versions"] = versions(body["channel_versions"])
    body["versions_seen"] = {k: versions(v) for k, v in sorted(body["versions_seen"].items())}
    body["updated_channels"] = sorted(body.get("updated_channels") or [])
    body["channel_values"] = {
        name: value
        for name, value in body["channel_values"].items()
        if not isinstance(value, _DeltaSnapshot)
    }
    writes = [
        (task, channel, None if channel == "__resume__" else value)
        for task, channel, value in one.pending_writes
    ]
    metadata = {k: v for k, v in one.metadata.items() if k not in ("thread_id", "run_id")}
    return {
        "config": plain(one.config["configurable"]) | {"thread_id": None},
        "parent": plain((one.parent_config or {}).get("configurable", {})) | {"thread_id": None},
        "metadata": plain(dict(sorted(metadata.items()))),
        "checkpoint": plain(dict(sorted(body.items()))),
        "writes": sorted(map(repr, plain(writes))),
    }


def snapshots(graph: Any, given: dict[str, Any]) -> list[Any]:
    """What `get_state_history` tells, with the states of subgraphs, oldest first."""
    plain = Plain()

    def state(one: Any) -> Any:
        return {
            "config": plain(one.config["configurable"].get("checkpoint_id")),
            "parent": one.parent_config
            and plain(one.parent_config["configurable"].get("checkpoint_id")),
            "values": plain(one.values),
            "next": one.next,
            "step": (one.metadata or {}).get("step"),
            "source": (one.metadata or {}).get("source"),
            "interrupts": plain(one.interrupts),
            "tasks": [
                {
                    "name": task.name,
                    "path": plain(task.path),
                    "error": task.error and repr(task.error),
                    "interrupts": plain(task.interrupts),
                    "result": plain(task.result),
                    "state": state(task.state)
                    if isinstance(task.state, StateSnapshot)
                    else plain(task.state) and True,
                }
                for task in one.tasks
            ],
        }

    last = graph.get_state(given, subgraphs=True)
    return [*(state(one) for one in [*graph.get_state_history(given)][::-1]), state(last)]


def assert_same(
    scenario: Callable[[BaseCheckpointSaver, dict[str, Any]], Any],
    savers: tuple[BaseCheckpointSaver, BaseCheckpointSaver],
    thread: str,
) -> list[Any]:
    """Run a scenario on both savers: it returns a graph and what the program saw."""
    told = []
    given = {"configurable": {"thread_id": thread}}
    for saver in savers:
        graph, seen = scenario(saver, given)
        told.append((Plain()(seen), snapshots(graph, given), stored(saver, thread)))
    (seen, history, rows), (seen_2, history_2, rows_2) = told
    assert seen_2 == seen
    assert len(history_2) == len(history) > 0
    for one, other in zip(history, history_2, strict=True):
        assert other == one
    assert len(rows_2) == len(rows) > 0
    for one, other in zip(rows, rows_2, strict=True):
        assert other == one
    return rows_2
