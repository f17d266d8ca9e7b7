"""A batch whose executions ended in every way, run once for all tests that only read it."""

import pytest
from export_graphs import run

import wtb


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with wtb.TestBench(tmp_path_factory.mktemp("store")) as bench:
        yield bench


@pytest.fixture(scope="module")
def batch(bench):
    return run(bench)
