"""Benches on stores of their own, and what tests of batches wait for."""

import pytest
from stores import store_at

from wtb import TestBench


def pytest_collection_modifyitems(items):
    # A worker whose thread dies of an exception has lost an outcome that nobody hears of.
    for item in items:
        if "bench" in item.path.parts:
            item.add_marker(
                pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
            )


@pytest.fixture
def bench(tmp_path):
    with TestBench(store_at(tmp_path / "store")) as bench:
        yield bench


@pytest.fixture
def kinds():
    """Gives the kinds of a batch's journal, in order."""
    return lambda bench, batch: [event.kind for event in bench.journal(batch=batch)]
