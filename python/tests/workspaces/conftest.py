"""Inputs, and benches with each runner."""

import pytest
from stores import store_at
from workspace_graphs import listing

from wtb import TestBench

RUNNERS = ["inline", "thread", "process"]


@pytest.fixture
def inputs(tmp_path):
    """A directory of inputs; nothing that an execution does may change it."""
    folder = tmp_path / "inputs"
    (folder / "sub").mkdir(parents=True)
    (folder / "data.csv").write_text("input\n")
    (folder / "gone.txt").write_text("gone")
    (folder / "sub" / "kept.txt").write_text("kept")
    before = listing(folder)
    yield folder
    assert listing(folder) == before


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path / "store")


@pytest.fixture
def base(tmp_path):
    """Where the workspaces of the tests' benches are made."""
    return tmp_path / "workspaces"


@pytest.fixture
def bench(store, base):
    with TestBench(store, workspaces=base) as bench:
        yield bench


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.fixture
def left(base):
    """The names of the workspaces that are there."""
    return lambda: sorted(one.name for one in base.glob("s_*/*.*") if one.is_dir())
