"""One batch and its report for all tests, and a browser to look at it."""

import pytest
from chromium import Browser
from report_graphs import REPEATS, VARIANTS, cases, correct, graph, length
from stores import store_at

from wtb import TestBench


@pytest.fixture(scope="session")
def bench(tmp_path_factory):
    with TestBench(store_at(tmp_path_factory.mktemp("reported") / "store")) as bench:
        yield bench


@pytest.fixture(scope="session")
def batch(bench):
    return bench.run_batch(
        graph(),
        variants=VARIANTS,
        test_cases=cases(),
        evaluators=[correct, length],
        repeats=REPEATS,
        name="A batch to look at",
        checkpoints="off",
    )


@pytest.fixture(scope="session")
def report(bench, batch, tmp_path_factory):
    return bench.report(batch, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="session")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(browser, report):
    """The report, opened."""
    page = browser.page()
    page.open(report)
    yield page
    assert page.problems() == []
    page.close()
