"""Later programs on the same store: after an orderly end, after a kill, and two at once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from lineage_graphs import abc, add, ask, chain, has_many
from stores import store_at

import wtb
from wtb import TestBench, Variant, Workflow
from wtb.errors import WorkflowNotBoundError, WtbError

PATHS = os.pathsep.join([str(Path(wtb.__file__).parents[1]), str(Path(__file__).parent)])
MODULE = """
import pathlib, time
from langgraph.types import interrupt
from lineage_graphs import chain
here = pathlib.Path(__file__).parent

def ran(name):
    with open(here / "ran", "a") as file:
        print(name, file=file)

def a(state):
    ran("a")
    return {"x": 1, "log": ["a"]}

def waits(state):
    ran("waits")
    end = time.monotonic() + 30
    while not (here / "go").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return {"log": ["waits"]}

def asks(state):
    ran("asks")
    return {"log": [interrupt("who?")]}

def long(state):
    ran("long")
    time.sleep(1)
    return {"log": ["long"]}

def build():
    return chain(a=a, waits=waits)

def both():
    return chain(a=a, asks=asks, waits=waits)

def asking():
    return chain(a=a, asks=asks, long=long)

def replies(question):
    return "replied"
"""


@pytest.fixture
def module(tmp_path):
    """The name of a module with graphs; each test has its own, since programs keep modules."""
    name = f"graphs_{uuid4().hex}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


@pytest.fixture
def program(tmp_path):
    """Begins programs in the directory of the module."""
    begun = []

    def program(text, *arguments):
        begun.append(
            subprocess.Popen(
                [sys.executable, "-c", text, store_at(tmp_path / "store"), *arguments],
                env={**os.environ, "PYTHONPATH": PATHS},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return begun[-1]

    yield program
    for one in begun:
        one.kill()
        one.communicate()


def told(process):
    out, err = process.communicate(timeout=60)
    assert err == ""
    return json.loads(out)


def ran(folder):
    return (folder / "ran").read_text().split()


RUN = """
import sys, wtb
with wtb.TestBench(sys.argv[1]) as bench:
    print(bench.run(sys.argv[2], {"x": 0}).id, flush=True)
"""


def test_what_a_killed_program_ran_is_gone_on_with(bench, program, until, tmp_path, module):
    process = program(RUN, f"{module}:build")
    until(lambda: (tmp_path / "ran").exists() and ran(tmp_path) == ["a", "waits"])
    with pytest.raises(WtbError, match="under way"):
        bench.resume("latest")
    process.kill()
    process.wait()
    (tmp_path / "go").touch()
    (execution,) = bench.executions()
    assert execution.status == "running"
    assert [one.node for one in bench.checkpoints(execution)] == [None, None, "a"]
    end = bench.resume(execution)
    assert (end.status, end.output) == ("succeeded", {"x": 1, "log": ["a", "waits"]})
    assert ran(tmp_path) == ["a", "waits", "waits"]
    assert [one.status for one in end.attempts] == ["lost", "succeeded"]


def test_what_a_killed_program_ran_can_be_forked(bench, program, until, tmp_path, module):
    process = program(RUN, f"{module}:build")
    until(lambda: (tmp_path / "ran").exists() and ran(tmp_path) == ["a", "waits"])
    process.kill()
    process.wait()
    (tmp_path / "go").touch()
    fork = bench.fork("latest", after="a", update={"log": ["u"]})
    assert bench.resume(fork).output["log"] == ["a", "u", "waits"]


def test_a_cell_of_a_killed_program_goes_on_in_its_batch(bench, program, until, tmp_path, module):
    batches = """
import sys, wtb
with wtb.TestBench(sys.argv[1]) as bench:
    bench.run_batch(sys.argv[2], variants=[{}], test_cases=[{"x": 0}], max_workers=1)
"""
    process = program(batches, f"{module}:build")
    until(lambda: (tmp_path / "ran").exists() and ran(tmp_path) == ["a", "waits"])
    process.kill()
    process.wait()
    (tmp_path / "go").touch()
    (cell,) = bench.batch("latest").results
    with pytest.raises(WtbError, match="resume the batch"):
        bench.resume(cell)
    batch = bench.resume_batch("latest")
    assert batch.results[0].output["log"] == ["a", "waits"]


def test_a_later_program_answers(program, tmp_path, module):
    execution = program(RUN, f"{module}:asking").communicate(timeout=60)[0].strip()
    answers = """
import json, sys, wtb
with wtb.TestBench(sys.argv[1]) as bench:
    before = bench.execution(sys.argv[2])
    end = bench.resume(before.id, answer="later")
    print(json.dumps([before.interrupts[0].value, end.status, end.output["log"]]))
"""
    assert told(program(answers, execution)) == ["who?", "succeeded", ["a", "later", "long"]]
    assert ran(tmp_path) == ["a", "asks", "asks", "long"]


def test_of_two_programs_at_once_one_goes_on_and_the_other_is_told(
    program, tmp_path, until, module
):
    program(RUN, f"{module}:asking").communicate(timeout=60)
    answers = """
import json, pathlib, sys, time, wtb
with wtb.TestBench(sys.argv[1]) as bench:
    pathlib.Path(f"ready{sys.argv[2]}").touch()
    while not pathlib.Path("both").exists():
        time.sleep(0.001)
    try:
        print(json.dumps(["went on", bench.resume("latest", answer=sys.argv[2]).output["log"]]))
    except wtb.errors.WtbError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""
    both = [program(answers, number) for number in "12"]
    until(lambda: all((tmp_path / f"ready{number}").exists() for number in "12"))
    (tmp_path / "both").touch()
    outcomes = [told(one) for one in both]
    won = [number for number, (what, _) in zip("12", outcomes, strict=True) if what == "went on"]
    assert len(won) == 1, outcomes
    assert ran(tmp_path) == ["a", "asks", "asks", "long"]
    with TestBench(store_at(tmp_path / "store")) as bench:
        end = bench.execution("latest")
        assert (end.status, end.output["log"]) == ("succeeded", ["a", *won, "long"])


def test_an_execution_that_is_gone_on_with_elsewhere_is_left_alone(
    bench, program, until, tmp_path, refused, module
):
    program(RUN, f"{module}:both").communicate(timeout=60)
    answers = """
import sys, wtb
with wtb.TestBench(sys.argv[1]) as bench:
    bench.resume("latest", answer="me")
"""
    process = program(answers)
    until(lambda: ran(tmp_path)[-1] == "waits")
    with refused(WtbError):
        bench.rollback("latest", before="a")
    with refused(WtbError):
        bench.resume("latest")
    with refused(WtbError):
        bench.fork("latest")
    (tmp_path / "go").touch()
    assert told_nothing(process)
    assert bench.execution("latest").status == "succeeded"


def told_nothing(process):
    return process.communicate(timeout=60) == ("", "")


def test_a_retry_by_a_later_program(bench, program, tmp_path, until, module):
    process = program(RUN, f"{module}:build")
    until(lambda: (tmp_path / "ran").exists() and ran(tmp_path) == ["a", "waits"])
    process.kill()
    process.wait()
    (tmp_path / "go").touch()
    end = bench.resume("latest")
    again = bench.retry(end, errors_only=False)
    assert again.output == end.output
    assert ran(tmp_path) == ["a", "waits", "waits", "a", "waits"]


def test_by_reference(later, bench):
    execution = bench.run("lineage_graphs:workflow", {"x": 1}, variant={"b": "negated"})
    cut = bench.run("lineage_graphs:abc", {"x": 1}, breakpoints=["b"])
    taker = later()
    fork = taker.fork(execution.id, after="a")
    assert (fork.variant, fork.workflow) == (execution.variant, "letters")
    assert taker.resume(fork).output == execution.output
    assert taker.resume(cut.id).output["log"] == ["a", "b", "c"]
    back = taker.rollback(execution.id, before="b")
    assert taker.resume(back).output == execution.output


def test_by_value_the_workflow_is_passed_again_or_registered(later, bench):
    graph = chain(a=add("a"), ask=ask, b=add("b"))
    first, second = (bench.run(Workflow("mine", graph), {"x": 0}) for _ in range(2))
    taker = later()
    for call in (
        lambda: taker.resume(first.id, answer="me"),
        lambda: taker.fork(first.id),
        lambda: taker.retry(first.id, errors_only=False),
    ):
        with pytest.raises(WorkflowNotBoundError, match="pass workflow= again, or register"):
            call()
    assert taker.execution(first.id).status == "interrupted"
    fork = taker.fork(first.id, workflow=Workflow("mine", graph))
    assert taker.resume(fork, answer="fork").output["log"] == ["a", "fork", "b"]
    end = taker.resume(first.id, answer="me", workflow=Workflow("mine", graph))
    assert end.output["log"] == ["a", "me", "b"]
    taker.register(Workflow("mine", graph))
    assert taker.resume(second.id, answer="you").output["log"] == ["a", "you", "b"]


def test_a_variant_by_value_needs_the_program_that_had_it(later, bench):
    variant = Variant("v", nodes={"b": lambda state: {"log": ["value"]}})
    execution = bench.run("lineage_graphs:abc", {"x": 0}, variant=variant, breakpoints=["b"])
    with pytest.raises(WorkflowNotBoundError, match="variant 'v'"):
        later().resume(execution.id)


def test_a_workflow_with_other_nodes_is_not_gone_on_with(later, bench):
    """Also where what was asked for (a breakpoint, a substitution) names the missing node."""
    other = Workflow("mine", chain(a=add("a"), c=add("c")))
    executions = [
        bench.run(Workflow("mine", abc), {"x": 0}, breakpoints=["c"]),
        bench.run(Workflow("mine", abc), {"x": 0}, breakpoints=["b"]),
        bench.run(Workflow("mine", abc), {"x": 0}, variant={"b": "lineage_graphs:negate"}),
    ]
    taker = later()
    for execution in executions:
        with pytest.raises(WorkflowNotBoundError, match="'b'"):
            taker.retry(execution.id, errors_only=False, workflow=other)
        assert taker.execution(execution.id).status == execution.status


def test_cells_and_their_forks_are_scored_by_a_later_program(later, bench):
    batch = bench.run_batch(
        "lineage_graphs:abc",
        variants=[{}],
        test_cases=[{"x": 0}],
        evaluators=[has_many],
        breakpoints=["b"],
    )
    (cell,) = batch.results
    fork = bench.fork(cell, update={"log": ["u"]})
    taker = later()
    assert taker.resume(cell.id).scores == {"has_many": 3}
    assert taker.resume(fork.id).scores == {"has_many": 4}
    assert taker.execution(fork.id).case_id == cell.case_id
    assert taker.batch(batch.id).results[0].status == "paused"
