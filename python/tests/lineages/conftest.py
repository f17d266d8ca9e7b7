"""Benches on stores of their own, what is in those stores, and what LangGraph itself makes."""

from contextlib import contextmanager

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from stores import rows_of, store_at

from wtb import TestBench
from wtb.errors import WtbError

pytest.register_assert_rewrite("oracle")


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path / "store")


@pytest.fixture
def bench(store):
    with TestBench(store) as bench:
        yield bench


@pytest.fixture
def later(bench, store):
    """Closes the bench and opens its store again, as a later session would."""
    opened = []

    def later():
        bench.close()
        opened.append(TestBench(store))
        return opened[-1]

    yield later
    for one in opened:
        one.close()


@pytest.fixture
def rows(store):
    """Reads all that the store holds, but for what only says which programs are alive."""
    return lambda: rows_of(store)


@pytest.fixture
def refused(bench, rows):
    """A block that has to be refused by a typed error, with nothing changed in the store."""

    @contextmanager
    def refused(kind, match=None):
        bench._core.engine.flush()
        before, last = rows(), bench._core.engine.last_sequence()
        with pytest.raises(kind, match=match) as raised:
            yield raised
        assert isinstance(raised.value, WtbError)
        bench._core.engine.flush()
        assert rows() == before
        assert bench._core.engine.last_sequence() == last

    return refused


@pytest.fixture
def memory():
    """A graph on LangGraph's own in-memory saver, and the config of a thread of it."""

    def memory(graph, thread="memory"):
        return graph.compile(checkpointer=InMemorySaver()), {"configurable": {"thread_id": thread}}

    return memory


@pytest.fixture
def same_history(bench):
    """Runs a graph on LangGraph's in-memory saver and on the bench, and compares what stands."""
    from oracle import assert_same_history

    def same_history(make, given, **options):
        return assert_same_history(bench, make, given, **options)

    return same_history
