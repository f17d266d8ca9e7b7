"""Executions and variants do not see each other."""

import pytest
from graphs import State, abc, add, chain
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy

from wtb.context import RunContext
from wtb.errors import ConfigurationError
from wtb.variants import Variant

RUN = RunContext(execution_id="e_1")


def remembers(state: State, *, store: BaseStore) -> State:
    seen = len(store.search(("memories",), limit=100))
    store.put(("memories",), f"k{seen}", {"text": "t", "list": []})
    return {"x": seen}


def executed(prepared, given=None):
    trace = prepared.execute(given or {"x": 0, "log": []}, run=RUN, cancelled=lambda: False)
    assert trace.error is None
    return trace.output


def thrice(prepared):
    return [executed(prepared)["x"] for _ in range(3)]


def with_store(store):
    return chain(("n", remembers)).compile(store=store)


def test_every_execution_begins_with_its_own_store(execute):
    store = InMemoryStore()
    assert thrice(execute.prepare(with_store(store))) == [0, 0, 0]
    assert store.search(("memories",)) == []


def test_what_the_store_held_before_is_there_each_time_as_a_copy(execute):
    store = InMemoryStore()
    for number in range(150):
        store.put(("docs",), f"d{number}", {"list": []})

    def changes(state: State, *, store: BaseStore) -> State:
        item = store.get(("docs",), "d149")
        item.value["list"].append(1)
        return {"x": len(item.value["list"])}

    assert thrice(execute.prepare(with_store(store), {"n": changes})) == [1, 1, 1]
    assert store.get(("docs",), "d149").value == {"list": []}


def test_memory_can_be_shared_or_made(execute):
    assert thrice(execute.prepare(with_store(InMemoryStore()), memory="shared")) == [0, 1, 2]

    def seeded():
        store = InMemoryStore()
        store.put(("memories",), "k", {})
        return store

    for graph in (with_store(InMemoryStore()), chain(("n", remembers))):
        assert thrice(execute.prepare(graph, memory=seeded)) == [1, 1, 1]


def embed(texts):
    return [[float(len(text)), 1.0] for text in texts]


def test_an_index_is_kept(execute):
    def searches(state: State, *, store: BaseStore) -> State:
        store.put(("docs",), "a", {"text": "abc"})
        return {"x": len(store.search(("docs",), query="abc"))}

    store = InMemoryStore(index={"dims": 2, "embed": embed, "fields": ["text"]})
    prepared = execute.prepare(with_store(store), {"n": searches})
    assert thrice(prepared) == [1, 1, 1]
    assert prepared.graph.store is store
    store.put(("docs",), "kept", {"text": "x"})
    with pytest.raises(ConfigurationError, match="already holds 1 items and an index"):
        execute.prepare(with_store(store))


class OtherStore(InMemoryStore):
    pass


def test_a_store_that_cannot_be_made_anew_is_an_error(execute):
    with pytest.raises(ConfigurationError, match=r"OtherStore.*memory=\"shared\""):
        execute.prepare(with_store(OtherStore()))
    prepared = execute.prepare(with_store(None), memory=dict)
    trace = prepared.execute({"x": 0, "log": []}, run=RUN, cancelled=lambda: False)
    assert "memory returned a dict" in trace.error.message


def cached_graph(cache):
    graph = StateGraph(State)
    graph.add_node("a", lambda s: {"x": 1}, cache_policy=CachePolicy())
    graph.add_edge(START, "a")
    return graph.compile(cache=cache)


def test_variants_do_not_share_cache_entries(execute):
    adapter = execute.adapter(cached_graph(InMemoryCache()))
    # Two lambdas of one place, and two functions of one factory, have the same qualified name.
    lambdas = [lambda s, n=n: {"x": n} for n in (10, 20)]
    variants = [Variant(f"v{n}", nodes={"a": one}) for n, one in enumerate(lambdas)]
    variants.append(Variant("made", nodes={"a": add(7, "made")}))
    variants.append(Variant("made again", nodes={"a": add(8, "made")}))
    for _ in range(2):
        found = [executed(adapter.prepare(one))["x"] for one in variants]
        assert found == [10, 20, 7, 8]


def test_caches_inside_subgraphs_are_kept_apart_too(execute):
    adapter = execute.adapter(chain(("outer", cached_graph(InMemoryCache()))))
    for number in (10, 20):
        variant = Variant(f"v{number}", nodes={"outer/a": lambda s, n=number: {"x": n}})
        assert executed(adapter.prepare(variant))["x"] == number


def test_clearing_the_cache_clears_the_variants_part(execute):
    cache = InMemoryCache()
    calls = []

    def counted(state):
        calls.append(1)
        return {"x": 1}

    outside = cached_graph(cache)
    outside.invoke({"x": 0, "log": []})
    prepared = execute.prepare(outside, {"a": counted})
    for expected in (1, 1):
        executed(prepared)
        assert len(calls) == expected
    prepared.graph.cache.clear()
    executed(prepared)
    assert len(calls) == 2
    # The user's own entries are still there.
    assert any("__metadata__" in one for one in outside.stream({"x": 0, "log": []}))


@pytest.mark.parametrize("nested", [False, True])
def test_a_compiled_in_checkpointer_is_not_used(execute, nested):
    saver = InMemorySaver()
    graph = abc().compile(checkpointer=saver)
    if nested:
        graph = chain(("outer", graph))
    prepared = execute.prepare(graph)
    assert executed(prepared)["x"] == 111
    assert list(saver.list(None)) == []


def test_nodes_that_change_their_input_in_place_hurt_nobody(execute):
    def appends(state: State) -> State:
        state["log"].append("changed")
        return {"x": len(state["log"])}

    given = {"x": 0, "log": []}
    prepared = execute.prepare(chain(("n", appends)))
    assert [executed(prepared, given)["x"] for _ in range(2)] == [1, 1]
    assert given == {"x": 0, "log": []}


def test_an_input_that_cannot_be_copied_is_passed_as_it_is(execute):
    generator = (n for n in range(3))
    prepared = execute.prepare(chain(("n", lambda s: {"x": sum(s["log"][0])})))
    assert executed(prepared, {"x": 0, "log": [generator]})["x"] == 3
