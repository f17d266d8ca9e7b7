"""A worker needs no Python: here is one in Perl, which speaks the worker protocol by hand."""

import shutil
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import StateGraph

import wtb
from wtb.errors import ConfigurationError

PERL = shutil.which("perl") or "perl"
WORKER = Path(__file__).with_name("worker.pl")


class State(TypedDict, total=False):
    action: str
    number: int
    name: str
    anything: Any


def never(state):
    raise AssertionError("the graph is not what runs")


def graph():
    built = StateGraph(State)
    built.add_node("work", never)
    built.set_entry_point("work")
    return built


def attempts(tmp_path, *inputs, timeout=60.0, isolation="fresh", **more):
    """Run cases in Perl; return their results in the cases' order."""
    cases = [wtb.Case(one, id=f"case-{place}") for place, one in enumerate(inputs)]
    runner = wtb.ProcessBatchTestRunner(2, command=[PERL, str(WORKER)], isolation=isolation)
    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.run_batch(
            graph(), test_cases=cases, runner=runner, timeout=timeout, **{"variants": [{}], **more}
        )
        return sorted(batch.results, key=lambda one: one.case_id)


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_outcomes_metrics_and_output_arrive(tmp_path, isolation):
    inputs = [{"action": "double", "number": number} for number in (4, -1, 2**40)]
    results = attempts(tmp_path, *inputs, isolation=isolation)
    assert [one.status for one in results] == ["succeeded"] * 3
    assert [one.output["number"] for one in results] == [8, -2, 2**41]
    assert [one.metrics["doubled"] for one in results] == [8, -2, 2**41]
    assert results[0].stdout == "doubling 4\n"
    assert results[0].duration_s == 0.25


def test_it_is_told_its_seed_and_its_job(tmp_path):
    (first, second) = attempts(
        tmp_path, {"action": "double", "number": 1}, variants=[wtb.Variant("a"), wtb.Variant("b")]
    )
    assert first.output["seed"] == second.output["seed"] == first.seed
    job = first.output["job"]
    assert [variant["name"] for variant in job["variants"]] == ["a", "b"]
    assert job["checkpoints"] == "step"


def test_a_failure_has_its_error(tmp_path):
    (failed,) = attempts(tmp_path, {"action": "fail"})
    assert failed.status == "failed"
    error = failed.error
    assert (error.type, error.message, error.node) == ("BadNumber", "größer als erlaubt", "work")


def test_checkpoints_are_put_and_read_back(tmp_path):
    (remembered,) = attempts(tmp_path, {"action": "remember"})
    assert remembered.status == "succeeded", remembered.error
    assert remembered.output == {"answer": 42, "id": "0001", "next": "später"}


def test_what_it_does_to_itself_costs_its_own_attempt(tmp_path):
    crashed, spoiled, good = attempts(
        tmp_path, {"action": "crash"}, {"action": "rubbish"}, {"action": "double", "number": 3}
    )
    assert crashed.error.type == "wtb.errors.WorkerCrashedError"
    assert crashed.error.message == 'signal 11 (SIGSEGV) in node "work"'
    assert "does not keep to the protocol (a frame of" in spoiled.error.message
    assert good.output["number"] == 6


def test_one_that_hangs_times_out(tmp_path):
    (hung,) = attempts(tmp_path, {"action": "hang"}, timeout=0.5)
    assert hung.status == "timed_out"


def test_cases_that_are_no_json_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(ConfigurationError, match=r"the input of case 'case-0' .* takes JSON"):
        attempts(tmp_path, {"action": "double", "anything": object()})


def test_a_program_that_is_not_there_costs_attempts_and_says_so(tmp_path):
    runner = wtb.ProcessBatchTestRunner(1, command=[str(tmp_path / "missing")])
    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.run_batch(
            graph(), variants=[{}], test_cases=[{"action": "double"}], runner=runner
        )
        (failed,) = batch.results
    assert failed.status == "failed"
    assert "exit status 1" in failed.error.message
    assert "No such file" in failed.stderr
