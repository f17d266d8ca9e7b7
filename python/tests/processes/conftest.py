"""Benches, and a mark that nothing may carry in the end."""

import sys
import uuid
from pathlib import Path

import pytest
from process_remains import gone
from stores import store_at

from wtb import TestBench

# The random graphs of another folder's tests.
sys.path.append(str(Path(__file__).parents[1] / "langgraph_adapter"))


@pytest.fixture
def bench(tmp_path):
    with TestBench(store_at(tmp_path / "store")) as bench:
        yield bench


@pytest.fixture
def mark(monkeypatch):
    """A mark that everything has which is started from here on; nothing of it may stay."""
    mark = f"mark-{uuid.uuid4()}"
    monkeypatch.setenv("WTB_TEST_MARK", mark)
    yield mark
    assert gone(mark) == {}
