"""Variants: what is put into a workflow instead of its own parts, and the grids of them.

Describes and checks variants; `wtb.langgraph` puts them into graphs.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wtb._environments import plain_environment
from wtb.errors import ConfigurationError, UnknownNodeError, UnknownVariantError, did_you_mean
from wtb.workflow import BASELINE, Workflow, as_workflow, import_reference, is_adopted

__all__ = [
    "Variant",
    "VariantLike",
    "grid",
    "implementation_label",
    "is_baseline",
    "normalise_variants",
    "resolve_implementation",
]


@dataclass(frozen=True)
class Variant:
    """A named set of substitutions.

    Args:
        name: How results call it. By default its substitutions, for example
            `"retriever=dense,generator=short"`, or `"baseline"` when there are none.
        nodes: Node to implementation: a callable, a Runnable, a graph, a `"module:function"`
            reference, the name of a registered implementation, or `"baseline"`.
        config: LangGraph's config. Keys that it does not define go into `configurable`.
        context: LangGraph's runtime context: a mapping, or an object of the graph's context type.
        params: Arguments of the graph's factory.
        graph: A whole other graph, in any form that `Workflow` accepts.
        environment: What it needs of where it runs: Ray's `runtime_env` as plain JSON data, for
            example `{"pip": ["scikit-learn==1.5.2"], "env_vars": {"DEVICE": "cpu"}}`. The Ray
            runner gives it all of that, the process runner `env_vars`; others refuse it.

    Attributes:
        factors: What was chosen on each axis, as text, for example `{"retriever": "dense",
            "config.temperature": "0.2"}`.

    Example:
        >>> Variant(nodes={"retriever": "dense"}, config={"temperature": 0.2}).factors
        {'retriever': 'dense', 'config.temperature': '0.2'}
    """

    name: str | None = None
    nodes: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    config: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    context: Any = field(default=None, kw_only=True)
    params: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    graph: Any = field(default=None, kw_only=True)
    environment: Mapping[str, Any] | None = field(default=None, kw_only=True)
    factors: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise ConfigurationError(f"a variant's name is a non-empty text, not {self.name!r}")
        for part in ("nodes", "config", "params"):
            given = getattr(self, part)
            if given is not None and not isinstance(given, Mapping):
                raise ConfigurationError(
                    f"{self.title}: {part} is a mapping, not {type(given).__name__}"
                )
            # A private copy: what the caller does to its own mapping later is no part of it.
            object.__setattr__(self, part, dict(given or {}))
        environment = plain_environment(self.environment, self.title)
        object.__setattr__(self, "environment", environment)
        object.__setattr__(self, "factors", self._factors())

    def describe(self) -> dict[str, Any]:
        """Return the variant as plain JSON data; what is no JSON value is given by its `repr`."""
        return {
            "name": self.name,
            "nodes": {node: _implementation_ref(chosen) for node, chosen in self.nodes.items()},
            "config": _jsonable(self.config),
            "context": _jsonable(self.context),
            "params": _jsonable(self.params),
            "graph": None if self.graph is None else _implementation_ref(self.graph),
            "environment": self.environment,
            "factors": dict(self.factors),
        }

    def _factors(self) -> dict[str, str]:
        factors = {node: implementation_label(chosen) for node, chosen in self.nodes.items()}
        for part in ("config", "context", "params", "environment"):
            chosen = getattr(self, part)
            if isinstance(chosen, Mapping):
                factors.update((f"{part}.{key}", _text(value)) for key, value in _flat(chosen))
            elif chosen is not None:
                factors[part] = _text(chosen)
        if self.graph is not None:
            factors["graph"] = implementation_label(self.graph)
        return factors

    @property
    def title(self) -> str:
        """How error texts speak of the variant."""
        return f"variant {self.name!r}" if self.name else "a variant"


VariantLike = Variant | Mapping[str, Any]
"""A `Variant`, or a mapping of nodes to implementations."""


def grid(
    nodes: Mapping[str, Sequence[Any]] | None = None,
    /,
    *,
    config: Mapping[str, Sequence[Any]] | None = None,
    context: Mapping[str, Sequence[Any]] | None = None,
    params: Mapping[str, Sequence[Any]] | None = None,
    **node_axes: Sequence[Any],
) -> list[Variant]:
    """Return every combination of the given choices, the last axis changing fastest.

    Args:
        nodes: Node to its implementations, for names that are no Python identifiers.
        config: Key of LangGraph's config to its values.
        context: Key of the runtime context to its values.
        params: Argument of the graph's factory to its values.
        **node_axes: Node to its implementations.

    Raises:
        ConfigurationError: An axis is empty, no sequence, or given twice, or gives a choice twice.

    Example:
        >>> [v.factors for v in grid(retriever=["baseline", "dense"], config={"k": [5]})]
        [{'retriever': 'baseline', 'config.k': '5'}, {'retriever': 'dense', 'config.k': '5'}]
    """
    if twice := sorted(set(nodes or {}) & set(node_axes)):
        raise ConfigurationError(f"grid: node {twice[0]!r} is given twice, by mapping and keyword")
    axes: list[tuple[str, str, Sequence[Any]]] = []
    for part, choices in (
        ("nodes", {**(nodes or {}), **node_axes}),
        ("config", config or {}),
        ("context", context or {}),
        ("params", params or {}),
    ):
        axes.extend((part, key, _axis(part, key, values)) for key, values in choices.items())
    return [
        _combination(axes, chosen) for chosen in itertools.product(*(values for *_, values in axes))
    ]


def normalise_variants(workflow: object, variants: Iterable[VariantLike]) -> list[Variant]:
    """Check variants against a workflow's graph and give each its name.

    The graph is loaded, and a factory called, but nothing runs.

    Args:
        workflow: A `Workflow`, or a bare graph.
        variants: Variants, or mappings of nodes to implementations.

    Raises:
        UnknownNodeError: A variant, or a registration of the workflow, names a node that the graph
            does not have.
        UnknownVariantError: An implementation's name is not registered.
        ConfigurationError: There are no variants, two have one name, or one cannot be applied.
    """
    from wtb.langgraph.loading import load_graph, node_paths
    from wtb.langgraph.substitution import check_paths

    owner = as_workflow(workflow)
    given = _listed(variants)
    loaded: list[tuple[Variant, Any]] = []
    named: list[Variant] = []
    for variant in given:
        graph = next((known for same, known in loaded if _same_graph(same, variant)), None)
        if graph is None:
            graph = load_graph(owner, variant)
            loaded.append((variant, graph))
            if variant.graph is None:
                _check_registrations(owner, node_paths(graph))
        check_paths(graph, variant.nodes, variant.title)
        for node, chosen in variant.nodes.items():
            resolve_implementation(owner, node, chosen)
        named.append(variant if variant.name else _named(variant, node_paths(graph)))
    _check_distinct(named)
    return named


def resolve_implementation(workflow: Workflow, node: str, chosen: object) -> object | None:
    """Return the implementation that `chosen` stands for, or None for the graph's own.

    Raises:
        UnknownVariantError: A name that is not registered for the node.
        WorkflowImportError: A reference that cannot be imported.
        ConfigurationError: It stands for something that cannot be called.
    """
    if is_baseline(chosen):
        return None
    found = chosen
    if isinstance(found, str):
        registered = workflow.variants.get(node, {})
        if found not in registered and ":" not in found:
            raise _unknown_implementation(workflow, node, found, list(registered))
        found = registered.get(found, found)
    if isinstance(found, str):
        found = import_reference(found)
    # Runnables and compiled graphs are invoked, a StateGraph is compiled, all else is called.
    if not (callable(found) or hasattr(found, "invoke") or hasattr(found, "compile")):
        raise ConfigurationError(
            f"node {node!r}: the implementation {chosen!r} is a {type(found).__name__}, which "
            "cannot be called; give a function, a callable object, a Runnable or a graph"
        )
    return found


def is_baseline(chosen: object) -> bool:
    """Whether a choice means the graph's own implementation."""
    return isinstance(chosen, str) and chosen == BASELINE


def implementation_label(implementation: object) -> str:
    """Return what people call an implementation: its registered name or the function's name."""
    if isinstance(implementation, str):
        return implementation.rpartition(":")[2]
    name = getattr(implementation, "__name__", None) or getattr(implementation, "name", None)
    return name if isinstance(name, str) else type(implementation).__name__


def _axis(part: str, key: str, values: Sequence[Any]) -> Sequence[Any]:
    where = f"node {key!r}" if part == "nodes" else f"{part} key {key!r}"
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise ConfigurationError(
            f"grid: the choices of {where} are a list, not {values!r}; "
            "write a single choice as a list of one"
        )
    if not values:
        raise ConfigurationError(f"grid: {where} has no choices; give at least one")
    for position, value in enumerate(values):
        if any(_is_same(value, before) for before in itertools.islice(values, position)):
            raise ConfigurationError(f"grid: {where} gives {value!r} twice; give each choice once")
    return values


def _is_same(one: object, other: object) -> bool:
    """Whether two choices are one: `1`, `1.0` and `True` are three, equal lists are one."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    try:
        return bool(one == other) and repr(one) == repr(other)
    # Arrays have no single answer.
    except Exception:
        return False


def _combination(axes: list[tuple[str, str, Sequence[Any]]], chosen: tuple[Any, ...]) -> Variant:
    parts: dict[str, dict[str, Any]] = {"nodes": {}, "config": {}, "context": {}, "params": {}}
    for (part, key, _), value in zip(axes, chosen, strict=True):
        parts[part][key] = value
    return Variant(
        nodes=parts["nodes"],
        config=parts["config"],
        context=parts["context"] or None,
        params=parts["params"],
    )


def _listed(variants: Iterable[VariantLike]) -> list[Variant]:
    if isinstance(variants, Variant | Mapping | str) or not isinstance(variants, Iterable):
        raise ConfigurationError(
            f"variants are a list of Variant or of {{node: implementation}}, not {variants!r}"
        )
    listed: list[Variant] = []
    for position, one in enumerate(variants):
        if isinstance(one, Variant):
            listed.append(one)
        elif isinstance(one, Mapping):
            listed.append(Variant(nodes=one))
        else:
            raise ConfigurationError(
                f"variants[{position}] is a {type(one).__name__}; "
                "give a Variant or a {node: implementation} mapping"
            )
    if not listed:
        raise ConfigurationError(
            "the list of variants is empty; [{}] or [Variant()] runs the workflow as it is"
        )
    return listed


def _same_graph(one: Variant, other: Variant) -> bool:
    return one.graph is other.graph and _jsonable(one.params) == _jsonable(other.params)


def _check_registrations(workflow: Workflow, order: list[str]) -> None:
    for node in workflow.variants:
        if node not in order:
            raise UnknownNodeError(
                f"workflow {workflow.name!r} has implementations registered for node {node!r}, "
                f"which its graph does not have. "
                f"{did_you_mean(node, order, listed_as='the nodes of the graph')}"
            )


def _unknown_implementation(
    workflow: Workflow, node: str, name: str, registered: list[str]
) -> UnknownVariantError:
    if is_adopted(workflow):
        return UnknownVariantError(
            f"node {node!r}: {name!r} is a name, and a bare graph has no named implementations. "
            "Pass a callable or a 'module:function' reference, or wrap the graph in a "
            "wtb.Workflow and register the name with @workflow.variant(node, name)"
        )
    known = [BASELINE, *registered]
    return UnknownVariantError(
        f"workflow {workflow.name!r} has no implementation {name!r} of node {node!r}. "
        f"{did_you_mean(name, known, listed_as='what it has')} "
        f"Register it with @workflow.variant({node!r}, {name!r}), or pass a callable or a "
        "'module:function' reference"
    )


def _named(variant: Variant, order: list[str]) -> Variant:
    places = {node: place for place, node in enumerate(order)}
    last = len(places)
    chosen = sorted(variant.factors.items(), key=lambda factor: places.get(factor[0], last))
    kept = [f"{axis}={label}" for axis, label in chosen if not is_baseline(variant.nodes.get(axis))]
    return replace(variant, name=",".join(kept) or BASELINE)


def _check_distinct(variants: list[Variant]) -> None:
    first: dict[str | None, int] = {}
    for position, variant in enumerate(variants):
        other = first.setdefault(variant.name, position)
        if other != position:
            raise ConfigurationError(
                f"variants[{other}] and variants[{position}] are both called {variant.name!r}: "
                f"{_differences(variants[other])} and {_differences(variant)}. "
                "Give them names: Variant('...', nodes={...})"
            )


def _differences(variant: Variant) -> str:
    described = {key: value for key, value in variant.describe().items() if value}
    return str({key: value for key, value in described.items() if key not in ("name", "factors")})


def _implementation_ref(implementation: object) -> str:
    if isinstance(implementation, str):
        return implementation
    module = getattr(implementation, "__module__", None)
    qualified = getattr(implementation, "__qualname__", None)
    if module and qualified and module != "__main__" and "<" not in qualified:
        return f"{module}:{qualified}"
    return implementation_label(implementation)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    named: Callable[[], object] | None = value if callable(value) else None
    return implementation_label(named) if named else repr(value)


def _flat(chosen: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, value in chosen.items():
        if key == "configurable" and isinstance(value, Mapping):
            yield from value.items()
        else:
            yield key, value


def _jsonable(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value
