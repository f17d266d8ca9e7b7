"""Puts other implementations into the nodes of a compiled graph, also inside its subgraphs.

The implementation is compiled alone in a scratch graph, and what makes up its own part of a node
(what it runs, reads and contains) is taken over into a copy of the original node, which keeps its
edges, policies and defaults. Nothing is recompiled, so whatever was done to the compiled graph
stays, and the original graph is not touched.
"""

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from langchain_core.runnables import Runnable
from langgraph.graph import START, StateGraph

from wtb.errors import ConfigurationError, UnknownNodeError, did_you_mean
from wtb.langgraph.loading import (
    AnyBuilder,
    AnyGraph,
    compiled,
    node_paths,
    subgraph_of,
    walk,
)

# What LangGraph passes to a node beside the state, when the function asks for it by these names.
_INJECTED = ("config", "error", "previous", "runtime", "store", "writer")


def substitute(graph: AnyGraph, implementations: Mapping[str, Any], title: str) -> AnyGraph:
    """Return a copy of `graph` in which the named nodes run other implementations.

    Args:
        graph: A compiled graph.
        implementations: Node path to its implementation.
        title: The variant, for error texts.

    Raises:
        UnknownNodeError: The graph has no such node.
        ConfigurationError: The implementation does not fit the node.
    """
    if not implementations:
        return graph
    check_paths(graph, implementations, title)
    return _substitute(graph, implementations, title)


def check_paths(graph: AnyGraph, paths: Iterable[str], title: str) -> None:
    """Check that every path names a node that can be substituted.

    Raises:
        UnknownNodeError: The graph has no such node.
        ConfigurationError: The node is in a subgraph that a function calls.
    """
    known = node_paths(graph)
    for path in paths:
        if path in known:
            continue
        if (caller := _calling_node(graph, path)) is not None:
            raise ConfigurationError(
                f"{title} substitutes node {path!r}, but {caller!r} is a function that calls its "
                "subgraph itself, where nothing can be exchanged; substitute the whole node "
                f"{caller!r}, or add the subgraph as the node"
            )
        raise UnknownNodeError(
            f"{title} substitutes node {path!r}, which the graph does not have. "
            f"{did_you_mean(path, known, listed_as='the nodes of the graph')}"
        )


def _calling_node(graph: AnyGraph, path: str) -> str | None:
    """Return the node above `path` that is a function with a subgraph in it."""
    for above, holder, name in walk(graph):
        inside = path.startswith(f"{above}/") and subgraph_of(holder, name) is None
        if inside and holder.nodes[name].subgraphs:
            return above
    return None


def _substitute(graph: AnyGraph, implementations: Mapping[str, Any], title: str) -> AnyGraph:
    whole, nested = _by_node(graph, implementations, title)
    nodes = dict(graph.nodes)
    for name, implementation in whole.items():
        nodes[name] = _substituted(graph, name, implementation, f"{title}, node {name!r}")
    for name, inner in nested.items():
        child: Any = subgraph_of(graph, name)
        replaced = _substitute(child, inner, f"{title}, node {name!r}")
        nodes[name] = graph.nodes[name].copy({"bound": replaced, "subgraphs": [replaced]})
    return graph.copy({"nodes": nodes})


def _by_node(
    graph: AnyGraph, implementations: Mapping[str, Any], title: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split into whole nodes of this graph, and what goes into the subgraph of each."""
    whole: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for path, implementation in implementations.items():
        if path in graph.nodes and path != START:
            whole[path] = implementation
            continue
        name, rest = _split(graph, path)
        nested.setdefault(name, {})[rest] = implementation
    if both := whole.keys() & nested.keys():
        name = min(both)
        raise ConfigurationError(
            f"{title} substitutes node {name!r} and nodes inside it ({', '.join(nested[name])}); "
            "the former takes the latter away, so keep one of them"
        )
    return whole, nested


def _split(graph: AnyGraph, path: str) -> tuple[str, str]:
    """Split a path into the subgraph's node, whose name may contain slashes, and the rest."""
    return next(
        (name, path.removeprefix(f"{name}/"))
        for name in graph.nodes
        if path.startswith(f"{name}/")
        and (inner := subgraph_of(graph, name)) is not None
        and path.removeprefix(f"{name}/") in node_paths(inner)
    )


def _substituted(graph: AnyGraph, name: str, implementation: Any, where: str) -> Any:
    builder = getattr(graph, "builder", None)
    if not isinstance(builder, StateGraph) or name not in builder.nodes:
        raise ConfigurationError(
            f"{where}: only the nodes of a StateGraph can be substituted, and this graph "
            f"({type(graph).__name__}) was built otherwise"
        )
    original = graph.nodes[name]
    alone = _compiled_alone(builder, name, implementation, where)
    missing = [key for key in _keys(alone.channels) if key not in graph.channels]
    if missing:
        raise ConfigurationError(
            f"{where}: {implementation!r} reads {missing[0]!r}, which is no key of the graph's "
            f"state. {did_you_mean(missing[0], list(builder.channels), listed_as='its keys')}"
        )
    return original.copy(
        {
            "bound": alone.bound,
            "mapper": alone.mapper,
            "channels": alone.channels,
            "subgraphs": alone.subgraphs,
        }
    )


def _compiled_alone(builder: AnyBuilder, name: str, implementation: Any, where: str) -> Any:
    spec = builder.nodes[name]
    if isinstance(implementation, StateGraph):
        implementation = compiled(implementation, f"{where}: the graph that is its implementation")
    elif not isinstance(implementation, Runnable):
        _check_callable(implementation, where)
    scratch: AnyBuilder = StateGraph(
        builder.state_schema,
        builder.context_schema,
        input_schema=builder.input_schema,
        output_schema=builder.output_schema,
    )
    try:
        scratch.add_node(
            name,
            implementation,
            # What a function says of its own input counts; without that it gets the original's.
            input_schema=None if _declares_input(implementation) else spec.input_schema,
            timeout=spec.timeout,
        )
        scratch.add_edge(START, name)
        return scratch.compile().nodes[name]
    except Exception as error:
        raise ConfigurationError(
            f"{where}: LangGraph does not take {implementation!r} as a node: {error}"
        ) from error


def _check_callable(implementation: Any, where: str) -> None:
    if inspect.isclass(implementation) or not callable(implementation):
        what = "a class; pass an instance" if inspect.isclass(implementation) else "not callable"
        raise ConfigurationError(f"{where}: its implementation {implementation!r} is {what}")
    try:
        signature = inspect.signature(implementation)
    except (TypeError, ValueError):
        return
    injected = {name: None for name in _INJECTED if name in signature.parameters}
    first = next(iter(signature.parameters), None)
    if first is not None:
        injected.pop(first, None)
    try:
        signature.bind(None, **injected)
    except TypeError as error:
        raise ConfigurationError(
            f"{where}: {implementation!r} cannot be called with the state: {error}. Its signature "
            f"is {signature}; a node takes the state and may take any of {', '.join(_INJECTED)}"
        ) from None


def _declares_input(implementation: Any) -> bool:
    """Whether LangGraph will find an input schema in the annotations of the implementation."""
    if isinstance(implementation, Runnable):
        return False
    function = implementation
    if not inspect.isroutine(implementation):
        function = type(implementation).__call__
    try:
        hints = get_type_hints(function)
        first = next(iter(inspect.signature(implementation).parameters))
    except (NameError, TypeError, ValueError, StopIteration):
        return False
    hint = hints.get(first)
    return isinstance(hint, type) and (
        dataclasses.is_dataclass(hint) or bool(getattr(hint, "__annotations__", None))
    )


def _keys(channels: str | list[str]) -> list[str]:
    return [channels] if isinstance(channels, str) else list(channels)
