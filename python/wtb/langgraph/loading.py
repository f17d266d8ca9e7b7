"""Turns what a workflow or a variant calls its graph into a compiled graph of our own.

The user's objects are only read: a builder is copied before it is compiled, because compiling
changes it (a second compile of a builder with node defaults even fails), and a compiled graph is
copied by whoever changes it.
"""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.pregel import Pregel

from wtb.errors import ConfigurationError, did_you_mean
from wtb.variants import Variant
from wtb.workflow import Workflow, import_reference, user_traceback

AnyGraph = Pregel[Any, Any, Any, Any]
AnyBuilder = StateGraph[Any, Any, Any, Any]


def load_graph(workflow: Workflow, variant: Variant) -> AnyGraph:
    """Return the compiled graph that the variant runs in, before its nodes are substituted.

    Raises:
        WorkflowImportError: A reference cannot be imported.
        ConfigurationError: It is no graph, its factory fails or does not take the parameters, or
            LangGraph refuses to compile it.
    """
    own = variant.graph is not None
    source = variant.graph if own else workflow.graph
    where = f"the graph of {variant.title}" if own else f"the graph of workflow {workflow.name!r}"
    if isinstance(source, str):
        where = f"{where} ({source})"
        source = import_reference(source)
    if _is_factory(source):
        source = _call_factory(source, variant.params, where)
    elif variant.params:
        raise ConfigurationError(
            f"{variant.title} has params {sorted(variant.params)}, but {where} is no factory that "
            "could take them; pass a function that builds the graph"
        )
    return compiled(source, where)


def compiled(source: object, where: str) -> AnyGraph:
    """Return `source` if it is a compiled graph, and a compiled copy of it if it is a builder.

    Raises:
        ConfigurationError: It is neither, or LangGraph refuses to compile it.
    """
    if isinstance(source, Pregel):
        return source
    if not isinstance(source, StateGraph):
        hint = ""
        if inspect.iscoroutine(source):
            source.close()
            hint = "; await it and pass its result"
        raise ConfigurationError(
            f"{where} is a {type(source).__name__}; it has to be a StateGraph, a compiled graph, "
            f"a function that returns one, or a 'module:attribute' reference to one of these{hint}"
        )
    try:
        return _copied(source).compile()
    except Exception as error:
        raise ConfigurationError(f"LangGraph cannot compile {where}: {error}") from error


def node_paths(graph: AnyGraph) -> list[str]:
    """Return the nodes in the order they were added.

    The nodes of a subgraph follow it as `"agent/tools"`.
    """
    return [path for path, _, _ in walk(graph)]


def walk(graph: AnyGraph, prefix: str = "") -> Iterator[tuple[str, AnyGraph, str]]:
    """Yield path, holding graph and own name of every node that a variant can substitute."""
    for name, node in graph.nodes.items():
        # LangGraph's own: the start, and the error handlers, whose names begin with underscores.
        if name == START or node.is_error_handler:
            continue
        yield f"{prefix}{name}", graph, name
        if (inner := subgraph_of(graph, name)) is not None:
            yield from walk(inner, f"{prefix}{name}/")


def subgraph_of(graph: AnyGraph, name: str) -> AnyGraph | None:
    """Return the graph that *is* the node, or None; one that a function calls is not reachable."""
    bound = graph.nodes[name].bound
    return bound if isinstance(bound, Pregel) else None


def map_subgraphs(graph: AnyGraph, change: Callable[[AnyGraph], AnyGraph]) -> AnyGraph:
    """Return the graph with every reachable subgraph replaced by what `change` makes of it."""
    nodes: dict[str, Any] = {}
    for name, node in graph.nodes.items():
        inner = subgraph_of(graph, name)
        if inner is None:
            continue
        changed = change(map_subgraphs(inner, change))
        if changed is not inner:
            nodes[name] = node.copy({"bound": changed, "subgraphs": [changed]})
    return graph.copy({"nodes": {**graph.nodes, **nodes}}) if nodes else graph


def _copied(builder: AnyBuilder) -> AnyBuilder:
    private = copy.copy(builder)
    private.nodes = {name: dataclasses.replace(spec) for name, spec in builder.nodes.items()}
    return private


def _is_factory(source: object) -> bool:
    return callable(source) and not isinstance(source, Pregel | StateGraph)


def _call_factory(factory: Any, params: Mapping[str, Any], where: str) -> object:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        signature = None
    if signature is not None:
        _check_params(signature, params, where)
    try:
        return factory(**params)
    # A factory that calls sys.exit() must not end the bench.
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{where}: its factory raised {type(error).__name__}: {error}\n\n"
            f"{user_traceback(error, __file__)}"
        ) from error


def _check_params(signature: inspect.Signature, params: Mapping[str, Any], where: str) -> None:
    try:
        signature.bind(**params)
    except TypeError as error:
        taken = [
            name
            for name, parameter in signature.parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        ]
        unknown = next((name for name in params if name not in taken), None)
        hint = (
            did_you_mean(unknown, taken, listed_as="its parameters")
            if unknown is not None
            else f"Its signature is {signature}; give the rest as Variant(params={{...}})"
        )
        raise ConfigurationError(
            f"{where}: its factory cannot be called with params {sorted(params)}: {error}. {hint}"
        ) from None
