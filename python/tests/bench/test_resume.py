"""Taking up what was left: in the same bench, a new one, another process; extending."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import bench_graphs
import pytest
from bench_graphs import CASES, build, chain, is_positive, negate, prepare, workflow
from stores import store_at

import wtb
from wtb import Case, TestBench, Variant, Workflow
from wtb.errors import (
    ConfigurationError,
    InvalidCaseError,
    UnknownVariantError,
    WorkflowNotBoundError,
)

HERE = Path(__file__).parent
PATHS = os.pathsep.join([str(Path(wtb.__file__).parents[1]), str(HERE)])


@pytest.fixture
def left(bench, until, monkeypatch):
    """Leaves batches half done: two executions have ended, a third one is under way."""

    def left(graph, *, leave="stop", variants=({},), **arguments):
        gate = threading.Semaphore(2)
        with monkeypatch.context() as patch:
            patch.setattr(bench_graphs, "gates", [gate])
            batch = bench.start_batch(
                graph,
                variants=list(variants),
                test_cases=[Case(case, id=str(case["x"])) for case in CASES],
                max_workers=1,
                repeats=2,
                **arguments,
            )
            until(lambda: batch.progress.ended == 2 and batch.progress.counts["running"] == 1)
            bench.close() if leave == "close" else getattr(batch, leave)()
            gate.release(100)
        if leave != "close":
            batch.wait(30)
        assert batch.is_resumable
        return batch

    return left


@pytest.fixture
def later(tmp_path):
    """Opens the store again, as a later session would."""
    opened = []

    def later():
        opened.append(TestBench(store_at(tmp_path / "store")))
        return opened[-1]

    yield later
    for bench in opened:
        bench.close()


def ended(batch):
    return {one.id: one.finished_at for one in batch.results if one.status == "succeeded"}


@pytest.mark.parametrize("leave", ["drain", "stop", "close"])
@pytest.mark.parametrize("how", ["same", "reference", "workflow", "registered", "program"])
def test_what_has_ended_is_not_run_again(bench, left, later, leave, how, monkeypatch):
    if how == "same" and leave == "close":
        leave = "drain"  # A closed bench takes nothing up.
    batch = left("bench_graphs:build" if how in ("same", "reference") else build(), leave=leave)
    before = ended(batch)
    assert len(before) == (3 if leave == "drain" else 2)
    taker = bench if how == "same" else later()
    if how == "registered":
        taker.register(Workflow(batch.workflow, build))
    if how == "program":
        monkeypatch.setattr(wtb.registry.registered, "_workflows", {})
        wtb.register(Workflow(batch.workflow, build))
    again = taker.resume_batch(batch.id, workflow=build if how == "workflow" else None)
    assert again.status == "completed"
    assert before.items() <= ended(again).items()
    assert all(one.attempts_made == 1 for one in again.results if one.id in before)
    assert [one.output["y"] for one in again.results[::2]] == [10, 20, 30, 40]
    assert len(batch.results) == 8
    assert not batch.is_resumable


def test_another_process_takes_it_up(bench, left, tmp_path):
    batch = left(workflow, variants=[{}, {"answer": "negated"}], evaluators=[is_positive])
    before = ended(batch)
    program = """
import json, sys, wtb
import bench_graphs
with wtb.TestBench(sys.argv[1]) as bench:
    bench.register(bench_graphs.workflow)
    batch = bench.resume_batch("latest")
    print(json.dumps([batch.status, batch.comparison.leader, len(batch.results)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, store_at(tmp_path / "store")],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["completed", "baseline", 16]
    assert before.items() <= ended(batch).items()
    assert all(one.scores for one in batch.results)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_whose_process_died_is_taken_up(tmp_path, number):
    program = """
import sys, wtb
bench = wtb.TestBench(sys.argv[1])
print("ready", flush=True)
bench.run_batch("bench_graphs:build_slowly", variants=[{}],
    test_cases=[{"x": n} for n in range(50)], max_workers=2,
    progress=lambda progress: print(progress.ended, flush=True))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, store_at(tmp_path)],
        env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        while process.stdout.readline().strip() in ("ready", "0"):
            pass
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert "KeyboardInterrupt: stopped; bench.resume_batch takes the batch up" in told
    with TestBench(store_at(tmp_path)) as bench:
        batch = bench.batch("latest")
        before = ended(batch)
        assert 0 < len(before) < 50
        assert (batch.status, batch.is_resumable) == ("running", True)
        assert f"<Batch {batch.id} of 'bench_graphs:build_slowly' stopped: " in repr(batch)
        again = bench.resume_batch(batch, max_workers=40)
        assert again.status == "completed"
        assert " completed: " in repr(again)
        assert before.items() <= ended(again).items()
        lost = [one for one in again.results if one.attempts_made > 1]
        assert len(lost) == (2 if number == signal.SIGKILL else 0)
        assert all(one.attempts[0].status == "lost" for one in lost)


def test_what_a_later_session_cannot_find_has_to_be_passed_again(bench, left, later):
    nodes = {"answer": lambda state: {"y": "by value"}}
    callbacks = {"callbacks": []}
    batch = left(build(), variants=[{}, Variant("v", nodes=nodes)], config={"tags": ("tuple",)})
    before = len(list(bench.journal()))
    taker = later()
    with pytest.raises(WorkflowNotBoundError, match="pass workflow= again, or register"):
        taker.resume_batch(batch.id)
    with pytest.raises(WorkflowNotBoundError, match=r"variant 'v'.*node 'answer'.*variants="):
        taker.resume_batch(batch.id, workflow=build)
    given = {"workflow": build, "variants": [Variant("v", nodes=nodes)]}
    with pytest.raises(UnknownVariantError, match=r"no variant 'w'\. Its variants: "):
        taker.resume_batch(batch.id, workflow=build, variants=[Variant("w", nodes=nodes)])
    with pytest.raises(WorkflowNotBoundError, match="pass config= again"):
        taker.resume_batch(batch.id, **given)
    assert len(list(taker.journal())) == before, "nothing was written"
    again = taker.resume_batch(batch.id, **given, config=callbacks)
    assert {one.output["y"] for one in again.results if one.variant == "v"} == {"by value"}


def test_settings_that_are_json_are_kept(left, later):
    def read(state, config, runtime):
        return {"y": [config["configurable"]["k"], runtime.context["who"]]}

    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    read.__annotations__ = {"config": RunnableConfig, "runtime": Runtime}
    graph = chain(prepare=prepare, read=read)
    batch = left(graph, config={"configurable": {"k": 5}}, context={"who": "me"})
    again = later().resume_batch(batch.id, workflow=graph)
    assert {tuple(one.output["y"]) for one in again.results} == {(5, "me")}


def test_a_workflow_that_lacks_what_the_batch_needs_is_refused(left, later):
    batch = left(workflow, variants=[{"answer": "negated"}])
    with pytest.raises(WorkflowNotBoundError, match="cannot be taken up with workflow 'other'"):
        later().resume_batch(batch.id, workflow=Workflow("other", build))


def test_evaluators_of_a_stored_batch(left, later):
    def positive(output):
        return 1

    batch = left(build(), evaluators=[positive, is_positive])
    taker = later()
    with pytest.raises(ConfigurationError, match="'positive'"):
        taker.resume_batch(batch.id, workflow=build)
    with pytest.raises(ConfigurationError, match="was not made with evaluator 'exact_match'"):
        taker.resume_batch(batch.id, workflow=build, evaluators=["exact_match"])
    again = taker.resume_batch(batch.id, workflow=build, evaluators=[positive])
    assert all(one.scores == {"positive": 1, "is_positive": 1} for one in again.results)


def test_a_finished_batch_has_nothing_to_resume(bench, later):
    batch = bench.run_batch("bench_graphs:build", variants=[{}], test_cases=CASES)
    before = ended(batch)
    assert later().resume_batch(batch.id).status == "completed"
    assert ended(batch) == before


def test_only_what_is_new_is_run(bench, later):
    batch = bench.run_batch(
        workflow, variants=[{}], test_cases=[Case({"x": 1}, id="one")], evaluators=[is_positive]
    )
    bench.extend(batch, variants=[{"answer": "negated"}])
    bench.extend(batch, test_cases=[Case({"x": 2}, id="two")])
    found = later().extend(batch.id, repeats=1, workflow=workflow)
    assert found.status == "completed"
    assert [(one.variant, one.case_id, one.repeat, one.output["y"]) for one in found.results] == [
        ("baseline", "one", 0, 20),
        ("baseline", "one", 1, 20),
        ("baseline", "two", 0, 30),
        ("baseline", "two", 1, 30),
        ("answer=negated", "one", 0, -2),
        ("answer=negated", "one", 1, -2),
        ("answer=negated", "two", 0, -3),
        ("answer=negated", "two", 1, -3),
    ]
    assert all(one.attempts_made == 1 and one.scores for one in found.results)
    pairs = {(one.case_id, one.repeat, one.seed) for one in found.results}
    assert len(pairs) == 4, "what was added later has the seeds of its case and repeat"


def test_what_cannot_be_added(bench):
    batch = bench.run_batch(workflow, variants=[{}], test_cases=[Case({"x": 1}, id="one")])
    before = [event.sequence for event in bench.journal()]
    for error, added in (
        (ConfigurationError, {}),
        (ConfigurationError, {"variants": [{}]}),
        (ConfigurationError, {"variants": []}),
        (ConfigurationError, {"test_cases": [Case({"x": 5}, id="one")]}),
        (InvalidCaseError, {"test_cases": []}),
        (InvalidCaseError, {"test_cases": [{"z": 5}]}),
        (UnknownVariantError, {"variants": [{"answer": "negatd"}]}),
        *((ConfigurationError, {"repeats": wrong}) for wrong in (-1, "2", 1.5, True, 2**40)),
    ):
        with pytest.raises(error):
            bench.extend(batch, **added)
    assert [event.sequence for event in bench.journal()] == before
    assert bench.extend(batch, variants=[{"answer": negate}]).status == "completed"
