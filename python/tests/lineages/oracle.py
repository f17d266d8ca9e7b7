"""What LangGraph itself tells of the same graph with its in-memory saver."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver


def plain(value: Any) -> Any:
    """Return a value in which ids are left out that are made anew in each run."""
    if isinstance(value, BaseMessage):
        return (type(value).__name__, value.content)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def told(graph: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    """What LangGraph tells of a thread, oldest first."""
    history = [*graph.get_state_history(given)][::-1]
    places = {one.config["configurable"]["checkpoint_id"]: n for n, one in enumerate(history)}
    written = [_written(graph, one) for one in history]
    steps = []
    for one in history:
        parent = (one.parent_config or {}).get("configurable", {}).get("checkpoint_id")
        above = None if parent is None else history[places[parent]]
        before = {} if above is None else written[places[parent]]
        values = written[len(steps)]
        keyed = isinstance(values, Mapping) and "__root__" not in graph.channels
        ran = () if above is None or one.metadata["source"] != "loop" else above.tasks
        steps.append(
            {
                "step": one.metadata["step"],
                "source": one.metadata["source"],
                "values": plain(values),
                "next": {task.name for task in one.tasks},
                "nodes": {task.name for task in ran} - {"__start__"},
                "parent": None if parent is None else places[parent],
                "interrupts": sorted(repr(asked.value) for asked in one.interrupts),
                "changes": {
                    key
                    for key, value in values.items()
                    if key not in before or plain(before[key]) != plain(value)
                }
                if keyed
                else None,
            }
        )
    return steps


def _written(graph: Any, one: Any) -> Any:
    """The values of keys that something was written to.

    Of others only the graph knows what their reducers begin with.
    """
    stored = graph.checkpointer.get_tuple(one.config).checkpoint["channel_versions"]
    if not isinstance(one.values, Mapping) or "__root__" in graph.channels:
        return one.values if "__root__" in stored else {}
    return {key: value for key, value in one.values.items() if key in stored}


def found(checkpoints: Sequence[Any]) -> list[dict[str, Any]]:
    """What a bench tells of the same, in the same form."""
    roots = [one for one in checkpoints if not one.config["configurable"]["checkpoint_ns"]]
    places = {one.id: n for n, one in enumerate(roots)}
    is_single = any(one.changes == ("__root__",) for one in roots)
    return [
        {
            "step": one.step,
            "source": one.source,
            "values": plain(one.values),
            "next": set(one.next),
            "nodes": set(one.nodes),
            "parent": None if one.parent_id is None else places[one.parent_id],
            "interrupts": sorted(repr(asked.value) for asked in one.interrupts),
            "changes": None if is_single else set(one.changes),
        }
        for one in roots
    ]


def subgraphs(saver: InMemorySaver, thread: str) -> list[str]:
    """The subgraph that each checkpoint inside of one belongs to, as a path."""
    paths = []
    for namespace, stored in saver.storage[thread].items():
        names = [part.split(":")[0] for part in namespace.split("|") if not part.isdigit()]
        paths += ["/".join(names)] * len(stored)
    return sorted(path for path in paths if path)


def assert_same(steps: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Compare step by step, so that a failure names the first that differs."""
    for one, other in zip(steps, others, strict=False):
        assert other == one
    assert len(others) == len(steps)


def assert_same_history(
    bench: Any, make: Any, given: Any, *, durability: str = "sync", **options: Any
) -> Any:
    """Run on both, compare all, and return what the bench ran and what LangGraph made.

    Interrupts and failures are ends as any other.
    """
    saver = InMemorySaver()
    graph = make().compile(checkpointer=saver)
    thread = {"configurable": {"thread_id": "memory"}}
    failure = None
    try:
        graph.invoke(given, thread, durability=durability)
    except Exception as error:
        failure = type(error)
    execution = bench.run(make(), given, **options)
    if failure is not None:
        assert execution.error.type.rpartition(".")[2] == failure.__name__
    checkpoints = bench.checkpoints(execution)
    assert_same(told(graph, thread), found(checkpoints))
    assert sorted(one.path for one in checkpoints if one.path) == subgraphs(saver, "memory")
    state = graph.get_state(thread)
    if failure is None:
        assert_ends_alike(execution.state, state.values)
    return execution, graph, thread


def assert_ends_alike(state: Any, values: Any) -> None:
    """Compare a state with LangGraph's, which also has what nothing was written to."""
    state, values = plain(state), plain(values)
    if isinstance(state, Mapping) and isinstance(values, Mapping):
        values = {key: value for key, value in values.items() if key in state or value}
    assert state == values
