"""Keeps executions and variants out of each other's LangGraph store and node cache.

Checkpointers that graphs were compiled with are removed at the root; a subgraph that is run as a
node uses its parent's, so its own is never written. What nodes do outside LangGraph (globals,
files, databases) is not isolated here.
"""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langgraph.cache.base import BaseCache, FullKey, Namespace
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from wtb.errors import ConfigurationError
from wtb.langgraph.loading import AnyGraph, map_subgraphs
from wtb.variants import Variant
from wtb.workflow import Workflow

_PAGE = 100

StoreFactory = Callable[[], BaseStore]


def isolated(graph: AnyGraph, workflow: Workflow, variant: Variant) -> AnyGraph:
    """Return the graph without checkpointer, and with the variant's own part of its node caches."""
    prefix = _cache_prefix(workflow, variant)

    def with_own_cache(one: AnyGraph) -> AnyGraph:
        if one.cache is None:
            return one
        return one.copy({"cache": VariantCache(one.cache, prefix)})

    own = with_own_cache(map_subgraphs(graph, with_own_cache))
    return own if own.checkpointer is None else own.copy({"checkpointer": None})


def store_factory(workflow: Workflow, graph: AnyGraph) -> StoreFactory | None:
    """Return what makes an execution's store, or None when the graph's own (if any) is used.

    Raises:
        ConfigurationError: `memory="fresh"` with a store that cannot be made anew.
    """
    if callable(workflow.memory):
        return _checked_factory(workflow, workflow.memory)
    if workflow.memory == "shared" or graph.store is None:
        return None
    if type(graph.store) is not InMemoryStore:
        raise ConfigurationError(
            f"workflow {workflow.name!r}: its graph was compiled with a "
            f"{type(graph.store).__name__}, and every execution is to begin with its own store, "
            "but only an InMemoryStore can be made anew. Pass memory=<a function that returns an "
            "execution's store>, or memory=\"shared\" to let executions see each other's items"
        )
    return _anew(workflow, graph.store)


def with_store(graph: AnyGraph, make: StoreFactory | None) -> AnyGraph:
    """Return the graph with a store for one execution."""
    if make is None:
        return graph
    # A shallow copy is enough, as only this one attribute differs, and costs a fifth of
    # `graph.copy`, which validates the graph again.
    private = copy.copy(graph)
    private.store = make()
    return private


def _checked_factory(workflow: Workflow, factory: Callable[[], Any]) -> StoreFactory:
    def make() -> BaseStore:
        store = factory()
        if not isinstance(store, BaseStore):
            raise ConfigurationError(
                f"workflow {workflow.name!r}: memory returned a {type(store).__name__}; "
                "it has to return a LangGraph BaseStore"
            )
        return store

    return make


def _anew(workflow: Workflow, store: InMemoryStore) -> StoreFactory:
    index = store.index_config
    items = _items(store)
    if index is None:

        def make() -> BaseStore:
            fresh = InMemoryStore()
            for namespace, key, value in items:
                fresh.put(namespace, key, copy.deepcopy(value))
            return fresh

        return make
    if items:
        raise ConfigurationError(
            f"workflow {workflow.name!r}: the store of its graph already holds {len(items)} items "
            "and an index, and every execution is to begin with its own copy, which would embed "
            "them all again each time. Pass memory=<a function that returns an execution's "
            'store>, or memory="shared" to let executions see each other\'s items'
        )
    return lambda: InMemoryStore(index=index)


def _items(store: InMemoryStore) -> list[tuple[tuple[str, ...], str, dict[str, Any]]]:
    items: list[tuple[tuple[str, ...], str, dict[str, Any]]] = []
    while page := store.search((), limit=_PAGE, offset=len(items)):
        items.extend((item.namespace, item.key, item.value) for item in page)
    return items


def _cache_prefix(workflow: Workflow, variant: Variant) -> str:
    described = json.dumps([workflow.name, variant.describe()], sort_keys=True)
    return f"wtb-{hashlib.sha256(described.encode()).hexdigest()[:24]}"


class VariantCache(BaseCache[Any]):
    """A part of a user's cache that belongs to one variant.

    LangGraph keys entries by the function's qualified name, which two lambdas, or two functions
    made by one factory, share, so without this one variant would be served another's results.
    """

    def __init__(self, cache: BaseCache[Any], prefix: str) -> None:
        super().__init__(serde=cache.serde)
        self._cache = cache
        self._prefix = prefix
        self._namespaces: set[Namespace] = set()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return the variant's values of the given keys."""
        return self._inner(self._cache.get(self._outer(keys)))

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, Any]:
        """Return the variant's values of the given keys."""
        return self._inner(await self._cache.aget(self._outer(keys)))

    def set(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Store values with their time to live in seconds."""
        self._cache.set(dict(zip(self._outer(list(pairs)), pairs.values(), strict=True)))

    async def aset(self, pairs: Mapping[FullKey, tuple[Any, int | None]]) -> None:
        """Store values with their time to live in seconds."""
        await self._cache.aset(dict(zip(self._outer(list(pairs)), pairs.values(), strict=True)))

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Delete the variant's values of the given namespaces, or of all that it used."""
        self._cache.clear(self._cleared(namespaces))

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Delete the variant's values of the given namespaces, or of all that it used."""
        await self._cache.aclear(self._cleared(namespaces))

    def _outer(self, keys: Sequence[FullKey]) -> list[FullKey]:
        self._namespaces.update(namespace for namespace, _ in keys)
        return [((self._prefix, *namespace), key) for namespace, key in keys]

    def _inner(self, values: Mapping[FullKey, Any]) -> dict[FullKey, Any]:
        return {(tuple(ns[1:]), key): value for (ns, key), value in values.items()}

    def _cleared(self, namespaces: Sequence[Namespace] | None) -> list[Namespace]:
        chosen = self._namespaces if namespaces is None else namespaces
        return [(self._prefix, *namespace) for namespace in chosen]
