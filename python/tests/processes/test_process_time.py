"""Deadlines and cancelling end an attempt and all that it has started, whatever it does."""

import os
import signal
import time

import pytest
from process_graphs import WAITS, chain, sleeping, touching, waiting
from process_remains import below, gone, marked, parent

from wtb import Case, ProcessBatchTestRunner

GRACE = 0.5


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_an_attempt_that_takes_too_long_ends(bench, mark, isolation):
    cases = [Case({"how": way}, id=way) for way in WAITS]
    cases.append(Case({"how": "fine"}, id="fine too"))
    runner = ProcessBatchTestRunner(4, isolation=isolation, grace=GRACE)
    batch = bench.run_batch(waiting(), variants=[{}], test_cases=cases, runner=runner, timeout=6)
    assert gone(mark, 2) == {}
    found = {one.case_id: bench.execution(one.id) for one in batch.results}
    for way in WAITS:
        if way != "fine":
            assert found[way].status == "timed_out", way
            assert found[way].duration_s < 6 + GRACE + 3
    assert found["fine"].status == found["fine too"].status == "succeeded"
    # A regular expression of Python's looks for signals now and then.
    for way in ("sleep", "regex", "children"):
        records = [(node.node, node.status) for node in found[way].nodes]
        assert records == [("before", "succeeded"), ("wait", "cancelled")]
    for way in ("deaf", "blocked", "stubborn"):
        assert list(found[way].nodes) == []
        written = [one.values.get("y") for one in bench.checkpoints(found[way].id)]
        assert written[-1] == "before"


def tidies_up(state):
    try:
        time.sleep(60)
    finally:
        # Longer than the engine would wait by itself, and shorter than the grace.
        time.sleep(0.8)
    return {"y": "never"}


def test_a_single_execution_has_its_grace(bench, mark):
    graph = chain(before=lambda state: {"y": "before"}, wait=tidies_up)
    found = bench.run(graph, {"how": "tidy"}, runner="process", timeout=2)
    assert found.status == "timed_out"
    records = [(node.node, node.status) for node in found.nodes]
    assert records == [("before", "succeeded"), ("wait", "cancelled")]


def test_an_extended_batch_keeps_its_timeout(bench, mark):
    graph = chain(wait=lambda state: time.sleep(state["how"]))
    runner = ProcessBatchTestRunner(1, grace=GRACE)
    batch = bench.run_batch(graph, variants=[{}], test_cases=[{"how": 0}], runner=runner, timeout=2)
    extended = bench.extend(batch, test_cases=[{"how": 30}])
    assert [one.status for one in extended.results] == ["succeeded", "timed_out"]


def sleep_and_leave(state):
    sleeping("session")
    time.sleep(1000)


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_cancelling_a_batch_leaves_no_process(bench, mark, until, isolation):
    runner = ProcessBatchTestRunner(8, isolation=isolation, grace=GRACE)
    batch = bench.start_batch(
        chain(node=sleep_and_leave), variants=[{}], test_cases=[{}], repeats=8, runner=runner
    )
    until(lambda: list(marked(mark).values()).count("sleep") == 8, 60)
    began = time.monotonic()
    batch.cancel()
    batch.wait(30)
    assert gone(mark) == {}
    assert time.monotonic() - began < GRACE + 5
    assert {one.status for one in batch.results} == {"cancelled"}


def test_cancelling_one_leaves_the_others(bench, mark, tmp_path, until):
    batch = bench.start_batch(
        touching(),
        variants=[{}],
        test_cases=[Case({"how": str(tmp_path)}, id=name) for name in "ab"],
        runner="process",
        max_workers=2,
    )
    until(lambda: len(list(tmp_path.glob("?.*"))) == 2, 60)
    first, other = batch.results
    bench.cancel(first)
    until(lambda: bench.execution(first.id).status == "cancelled")
    (tmp_path / "go").touch()
    batch.wait(60)
    assert bench.execution(first.id).status == "cancelled"
    assert bench.execution(other.id).output["y"] == other.case_id


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_a_template_that_is_killed_costs_nobody_a_retry(bench, mark, tmp_path, until, isolation):
    batch = bench.start_batch(
        touching(),
        variants=[{}],
        test_cases=[Case({"how": str(tmp_path)}, id=name) for name in "abc"],
        runner="process",
        isolation=isolation,
        max_workers=2,
    )
    until(lambda: len(list(tmp_path.glob("?.*"))) == 2, 60)
    processes = marked(mark)
    (guard,) = (pid for pid in processes if parent(pid) not in processes)
    (template,) = below(guard)
    os.kill(template, signal.SIGKILL)
    until(lambda: len(list(tmp_path.glob("?.*"))) >= 4, 90)
    (tmp_path / "go").touch()
    batch.wait(60)
    assert [one.status for one in batch.results] == ["succeeded"] * 3
    assert batch.progress.retried == 0
    assert {one.output["y"] for one in batch.results} == set("abc")
