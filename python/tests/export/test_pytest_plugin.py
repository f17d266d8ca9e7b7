"""The pytest plugin, in runs of pytest of its own."""

import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import wtb

pytest_plugins = ["pytester"]

_PACKAGE = str(Path(wtb.__file__).parents[1])
# Where the package is installed, its entry point brings the plugin.
_INSTALLED = any(one.value == "wtb.pytest_plugin" for one in entry_points(group="pytest11"))
_ASKED = () if _INSTALLED else ("-p", "wtb.pytest_plugin")

GRAPHS = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
import wtb

class State(TypedDict):
    x: int

def node(state):
    if state["x"] == 2:
        raise ValueError("two is too much")
    return {"x": state["x"] * 10}

def build():
    return StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END)

def positive(output):
    return output["x"] > 0

def run(bench, *numbers):
    cases = [wtb.Case({"x": number}, id=f"case{number}") for number in numbers]
    return bench.run_batch(build(), variants=[{}], test_cases=cases, evaluators=[positive])
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest in a process of its own on the text of a test module."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([_PACKAGE, os.environ.get("PYTHONPATH", "")]))
    pytester.makepyfile(graphs=GRAPHS)

    def run(text, *arguments):
        pytester.makepyfile(test_it=text)
        return pytester.runpytest_subprocess(*_ASKED, *arguments)

    return run


def test_a_failed_test_shows_the_comparison_and_the_failures(run):
    done = run(
        """
        import graphs

        def test_batch(wtb_bench):
            batch = graphs.run(wtb_bench, 1, 2, 3)
            assert batch.status == "completed"
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            '*assert batch.status == "completed"*',
            "*wtb: batch b_*",
            "<Batch b_* of 'graph' completed_with_errors: 2 succeeded, 1 failed>",
            "*variant*positive*",
            "*baseline*0.66*",
            "<Execution e_* failed ('baseline', 'case2')*node 'node': ValueError: two is too much",
        ]
    )
    assert done.stdout.str().count("wtb: batch") == 1


def test_a_batch_that_no_variable_holds_is_shown_too(run):
    done = run(
        """
        import graphs

        def test_batch(wtb_bench):
            assert graphs.run(wtb_bench, 2).status == "completed"
        """
    )
    done.stdout.fnmatch_lines(["*wtb: batch b_*", "*ValueError: two is too much"])


def test_batches_comparisons_and_verdicts_of_any_bench_are_shown(run):
    done = run(
        """
        import graphs, wtb

        class Verdict:
            __module__ = "wtb.gate"
            outcome, reason = "regression", "x is worse than y"

        def test_batch(tmp_path):
            with wtb.TestBench(tmp_path) as bench:
                batch = graphs.run(bench, 1)
                comparison = bench.compare(batch)
                verdict = Verdict()
                assert verdict.outcome == "pass"
        """
    )
    done.stdout.fnmatch_lines(
        ["*wtb: comparison*", "*wtb: verdict*", "regression: x is worse than y"]
    )


def test_a_store_that_cannot_be_read_does_not_break_the_report(run):
    done = run(
        """
        import contextlib, graphs, sqlite3, wtb

        def test_batch(tmp_path):
            with wtb.TestBench(tmp_path) as bench:
                batch = graphs.run(bench, 1)
            with contextlib.closing(sqlite3.connect(tmp_path / "wtb.db")) as store, store:
                store.execute("UPDATE executions SET status = 'lost'")
            assert False
        """
    )
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*assert False*", "*wtb: batch b_*", "cannot be read: *"])


def test_a_passed_test_tells_of_failures_to_those_who_ask(run):
    text = """
        import graphs

        def test_good(wtb_bench):
            graphs.run(wtb_bench, 1)

        def test_bad(wtb_bench):
            graphs.run(wtb_bench, 2)
        """
    asked = run(text, "-rP")
    asked.assert_outcomes(passed=2)
    assert asked.stdout.str().count("wtb: batch") == 1
    asked.stdout.fnmatch_lines(["*ValueError: two is too much"])
    assert "wtb: batch" not in run(text).stdout.str()


def test_the_store_stays_in_the_cache_or_is_where_it_is_said(run, pytester):
    text = """
        import graphs

        def test_batch(wtb_bench):
            graphs.run(wtb_bench, 1)
            print("there are", len(wtb_bench.batches()), wtb_bench.url)
        """
    for number in (1, 2):
        run(text, "-s").stdout.fnmatch_lines([f"*there are {number} */.pytest_cache/d/wtb/wtb.db"])
    own = run(text, "-s", "--wtb-store", "own")
    own.stdout.fnmatch_lines(["*there are 1 */own/wtb.db"])
    assert (pytester.path / "own" / "wtb.db").exists()
    run(text, "-s", "-p", "no:cacheprovider").stdout.fnmatch_lines(["*there are 1 */wtb0/wtb.db"])


IN_SEVERAL_PROCESSES = """
    import os, pathlib, time
    import graphs, pytest

    def everybody_is_there(tmp_path_factory, number):
        # Both workers have run their batch before either goes on.
        shared = tmp_path_factory.getbasetemp().parent
        (shared / f"ran-{number}").touch()
        for _ in range(600):
            if len(list(shared.glob("ran-*"))) >= 2:
                return
            time.sleep(0.05)
        raise AssertionError("the other one never came")

    @pytest.mark.parametrize("number", range(2))
    def test_batch(wtb_bench, number, tmp_path_factory):
        batch = graphs.run(wtb_bench, number + 3)
        everybody_is_there(tmp_path_factory, number)
        pathlib.Path(f"store-{number}").write_text(wtb_bench.url)
        assert wtb_bench.batch("latest").id == batch.id
        assert number
    """


def test_each_process_has_a_store_of_its_own(run, pytester):
    done = run(IN_SEVERAL_PROCESSES, "-n", "2")
    done.assert_outcomes(passed=1, failed=1)
    assert done.stdout.str().count("wtb: batch") == 1
    stores = sorted(Path(f"store-{number}").read_text() for number in range(2))
    assert [one.partition("/.pytest_cache/")[2] for one in stores] == [
        "d/wtb-gw0/wtb.db", "d/wtb-gw1/wtb.db"
    ]  # fmt: skip


def test_a_store_that_is_named_is_that_of_all_processes(run):
    done = run(IN_SEVERAL_PROCESSES, "-n", "2", "--wtb-store", "own")
    # Of the two batches one only is the latest.
    assert done.parseoutcomes()["failed"] >= 1
    with wtb.TestBench("own") as bench:
        assert len(bench.batches()) == 2
    assert len({Path(f"store-{number}").read_text() for number in range(2)}) == 1


def test_nothing_is_imported_where_nobody_asks_for_a_bench(run):
    done = run(
        """
        import sys

        def test_nothing():
            loaded = sorted(name for name in sys.modules if name.partition(".")[0] == "wtb")
            assert loaded == ["wtb", "wtb.pytest_plugin"]
            assert "langgraph" not in sys.modules
        """
    )
    done.assert_outcomes(passed=1)


def test_the_option_is_in_the_help(run):
    assert "--wtb-store" in run("", "--help").stdout.str()
