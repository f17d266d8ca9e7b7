"""The pytest plugin: a bench for tests, and what their batches found in the reports of tests.

pytest loads it by its entry point wherever the package is installed, so it imports nothing of WTB
until a test asks for `wtb_bench`.
"""

import sys
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wtb.batch import Batch
    from wtb.bench import TestBench

__all__ = ["pytest_addoption", "pytest_runtest_makereport", "wtb_bench"]

BATCHES_MAX = 8
"""Of so many batches the report of a test tells, the last ones."""

FAILURES_MAX = 10
"""Of each batch, so many executions that failed are told with their errors."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's option."""
    parser.getgroup("wtb", "Workflow Test Bench").addoption(
        "--wtb-store",
        metavar="STORE",
        help="directory or URL of the store of wtb_bench; by default in pytest's cache",
    )


@pytest.fixture
def wtb_bench(request: pytest.FixtureRequest) -> "Iterator[TestBench]":
    """A `wtb.TestBench`.

    Its store is the one of `--wtb-store`, by default one in pytest's cache that stays from run to
    run: `bench.batches()` has those of former runs. Each worker of pytest-xdist has a store of its
    own there; a store that is named is everybody's.
    """
    from wtb.bench import TestBench

    with TestBench(_store(request)) as bench:
        yield bench


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what batches found to the report of a test.

    A test that failed tells of the batches that it ran by `wtb_bench`, and of each batch,
    comparison and verdict in a variable of a frame that the error came through. One that passed
    tells of its batches with failures only; `pytest -rP` shows it.
    """
    report = yield
    # Nobody who has not imported this has a batch.
    if call.when == "call" and "wtb.batch" in sys.modules:
        report.sections.extend(_sections(item, call, failed=report.failed))
    return report


def _store(request: pytest.FixtureRequest) -> str:
    named: str | None = request.config.getoption("--wtb-store")
    if named is not None:
        return named
    cache = getattr(request.config, "cache", None)
    if cache is not None:
        # In one store "latest" would be whatever another worker has just begun.
        worker: str | None = getattr(request.config, "workerinput", {}).get("workerid")
        return str(cache.mkdir("wtb" if worker is None else f"wtb-{worker}"))
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return str(factory.mktemp("wtb"))


def _sections(
    item: pytest.Item, call: "pytest.CallInfo[None]", *, failed: bool
) -> Iterator[tuple[str, str]]:
    found = _found_in_frames(call) if failed else []
    batches = {
        one.id: one for one in [*_run_by(item), *(one for one in found if _is(one, "Batch"))]
    }
    for batch in list(batches.values())[-BATCHES_MAX:]:
        # Whatever goes wrong here, the report of the test is what counts.
        try:
            yield from _batch_section(batch, failed=failed)
        except Exception as error:
            yield f"wtb: batch {batch.id}", f"cannot be read: {error}"
    for one in found:
        if _is(one, "Comparison"):
            yield "wtb: comparison", str(one)
        if _is(one, "Verdict"):
            yield "wtb: verdict", f"{one.outcome}: {one.reason}"


def _batch_section(batch: "Batch", *, failed: bool) -> Iterator[tuple[str, str]]:
    wrong = [one for one in batch.results if one.status in ("failed", "timed_out")]
    if not failed and not wrong:
        return
    lines = [repr(batch)]
    if failed:
        lines += ["", str(batch.comparison).rstrip()]
    if wrong:
        lines += ["", *(f"{one!r}: {one.error}" for one in wrong[:FAILURES_MAX])]
    if len(wrong) > FAILURES_MAX:
        lines.append(f"and {len(wrong) - FAILURES_MAX} more that failed")
    yield f"wtb: batch {batch.id}", "\n".join(lines)


def _run_by(item: pytest.Item) -> "list[Batch]":
    """Return the batches that a test has run by its `wtb_bench`."""
    bench = getattr(item, "funcargs", {}).get("wtb_bench")
    return [] if bench is None else bench._core.driven_batches()


def _found_in_frames(call: "pytest.CallInfo[None]") -> list[Any]:
    """Return what variables of the frames hold that a test's error came through, once each."""
    found: dict[int, Any] = {}
    for entry in call.excinfo.traceback if call.excinfo is not None else ():
        values: Mapping[str, Any] = entry.locals
        for value in values.values():
            if _is(value, "Batch") or _is(value, "Comparison") or _is(value, "Verdict"):
                found[id(value)] = value
    return list(found.values())


def _is(value: object, name: str) -> bool:
    """Whether a value is of a class of WTB; none is imported to find out."""
    kind = type(value)
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "wtb"
