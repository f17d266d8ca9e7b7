"""What is asked of a prepared graph without executing it: checks of names, updates, states."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.graph import END, START
from langgraph.graph.state import CompiledStateGraph

from wtb.errors import ConfigurationError, UnknownNodeError, did_you_mean
from wtb.langgraph.lineage import BenchSaver, Staged, StagingSaver, with_saver

if TYPE_CHECKING:
    from wtb.langgraph.execution import PreparedGraph

__all__ = ["check_breakpoints", "check_next", "check_update", "stage", "state_at"]


def check_breakpoints(prepared: "PreparedGraph", breakpoints: Sequence[str]) -> None:
    """Refuse breakpoints that a graph cannot stop at.

    Raises:
        UnknownNodeError: It has no such node, or has it inside a subgraph.
    """
    known = _nodes(prepared)
    for node in breakpoints:
        if node not in known:
            inside = "Inside subgraphs there is no stopping: name the node that is the subgraph. "
            raise UnknownNodeError(
                f"{prepared.variant.title} has no node {node!r} to stop before. "
                f"{inside if '/' in node else ''}"
                f"{did_you_mean(node.partition('/')[0], known, listed_as='its nodes')}"
            )


def check_next(prepared: "PreparedGraph", nodes: Sequence[str]) -> None:
    """Refuse to go on in a graph without the nodes that come next.

    Raises:
        UnknownNodeError: One is missing.
    """
    known = _nodes(prepared)
    # Of a function that is a graph (`@entrypoint`), also what it calls comes next.
    checked = nodes if isinstance(prepared.graph, CompiledStateGraph) else ()
    for node in checked:
        if node not in prepared.graph.nodes:
            raise UnknownNodeError(
                f"{prepared.variant.title} has no node {node!r}, which comes next there. "
                f"{did_you_mean(node, known, listed_as='its nodes')}"
            )


def check_update(prepared: "PreparedGraph", update: Any, as_node: str | None) -> None:
    """Refuse an update of keys that the state does not have, or as a node that there is not.

    Raises:
        ConfigurationError: An unknown key.
        UnknownNodeError: An unknown node.
    """
    nodes = _nodes(prepared)
    if as_node is not None and not isinstance(as_node, str):
        raise ConfigurationError(f"as_node is the name of a node, not {as_node!r}")
    if as_node is not None and as_node not in (*nodes, START, END):
        raise UnknownNodeError(
            f"{prepared.variant.title} has no node {as_node!r} that could have returned an update. "
            f"{did_you_mean(as_node, nodes, listed_as='its nodes')}"
        )
    if not isinstance(update, Mapping):
        return
    whole = prepared.graph.stream_channels_asis
    known = [] if isinstance(whole, str) else [str(key) for key in whole]
    for key in update:
        if known and key not in known:
            raise ConfigurationError(
                f"the state has no key {key!r}. "
                f"{did_you_mean(str(key), known, listed_as='its keys')}"
            )


def stage(
    prepared: "PreparedGraph",
    saver: StagingSaver,
    config: Mapping[str, Any],
    update: Any,
    as_node: str | None,
) -> Staged:
    """Work out what an update makes of the state, without storing it.

    Args:
        prepared: The graph.
        saver: Reads the lineage, and keeps what would be written.
        config: Names the lineage, and perhaps a checkpoint. At the head, what had finished of the
            step there counts; at a checkpoint that is named it does not.
        update: What a node could return.
        as_node: The node that is to have returned it; by default the one that ran last.

    Raises:
        Exception: What LangGraph or a reducer raises.
    """
    graph = with_saver(prepared.graph, saver)
    named: Any = dict(config)
    if prepared.is_async:
        prepared.loops.run(lambda: graph.aupdate_state(named, update, as_node=as_node))
    else:
        graph.update_state(named, update, as_node=as_node)
    return Staged(saver.staged, saver.parent)


def state_at(prepared: "PreparedGraph", saver: BenchSaver, config: Mapping[str, Any]) -> Any:
    """Return the state of the checkpoint that a config names, as the graph reads it."""
    graph = with_saver(prepared.graph, saver)
    named: Any = dict(config)
    if prepared.is_async:
        return prepared.loops.run(lambda: graph.aget_state(named)).values
    return graph.get_state(named).values


def _nodes(prepared: "PreparedGraph") -> list[str]:
    return [name for name in prepared.graph.nodes if name != START]
