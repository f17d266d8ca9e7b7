"""Savers on stores of their own, or on the one that WTB_TEST_STORE_URL names."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from wtb.langgraph.saver import WtbSaver

pytest.register_assert_rewrite("histories")


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Where the test's store is. Tests may share one: they name threads and runs of their own."""
    return os.environ.get("WTB_TEST_STORE_URL") or f"sqlite:///{tmp_path}/wtb.db"


@pytest.fixture(scope="module")
def shared_saver(tmp_path_factory):
    """A saver for all examples of a module; each takes a thread of its own."""
    url = os.environ.get("WTB_TEST_STORE_URL")
    with WtbSaver(url or tmp_path_factory.mktemp("examples")) as saver:
        yield saver


@pytest.fixture
def database(store_url: str) -> Path:
    """The file of the test's store, for tests that look into it."""
    if not store_url.startswith("sqlite:///"):
        pytest.skip("only an embedded store is a file")
    return Path(store_url.removeprefix("sqlite:///"))


@pytest.fixture
def saver(store_url: str):
    with WtbSaver(store_url) as saver:
        yield saver


@pytest.fixture
def thread() -> str:
    """A thread id that no other test has."""
    return f"thread-{uuid4()}"


@pytest.fixture
def same(saver, thread):
    """Compares a scenario on LangGraph's in-memory saver and on ours; returns what ours has."""
    from histories import assert_same

    return lambda scenario: assert_same(scenario, (InMemorySaver(), saver), thread)
