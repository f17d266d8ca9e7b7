"""Ctrl-C, kill -9 and company: what is stored stays, what is left is run, nothing runs twice."""

import signal
from collections import Counter
from typing import Any

import pytest
from console import Console, until
from gate import Gate

EVERYTHING = 100
CELLS = {f"baseline {case}" for case in ("one", "two", "three", "four", "five", "six")}


def executions(wtb: Console, *filters: str) -> Any:
    options = [part for one in filters for part in ("--filter", one)]
    return wtb("list", "executions", "--json", *options).json()


def cells(wtb: Console, status: str) -> set[str]:
    return {f"{one['variant']} {one['case']}" for one in executions(wtb, f"status={status}")}


def batch(wtb: Console) -> Any:
    (only,) = wtb("list", "--json").json()
    return only


def wait_for_stored(wtb: Console, done: int) -> None:
    until(lambda: batch(wtb)["done"] >= done, f"{done} stored results")


def test_ctrl_c_finishes_what_runs_and_resume_runs_what_is_left(wtb: Console, gate: Gate) -> None:
    gate.let(2)
    run = wtb.start("run")
    gate.wait_for(begun=4, passed=2)
    run.interrupt()
    until(lambda: "Ctrl-C again" in run.stderr, "the answer to Ctrl-C")
    gate.let(EVERYTHING)
    stopped = run.done()

    assert stopped.code == 130
    assert "interrupted: 2 of 6 executions are left" in stopped.stderr
    assert f"`wtb resume {batch(wtb)['id'][:8]}`" in stopped.stderr
    assert "stopped" in wtb("list").stdout
    finished = cells(wtb, "succeeded")
    assert len(finished) == 4
    assert gate.begun() == gate.passed() == Counter(finished)

    resumed = wtb("resume")
    assert "Resuming: 2 of 6 executions" in resumed.stderr
    assert gate.begun() == Counter(CELLS)
    assert batch(wtb)["status"] == "completed"
    assert wtb("resume", code=4).stdout == ""


def test_a_second_ctrl_c_does_not_wait_for_what_runs(wtb: Console, gate: Gate) -> None:
    run = wtb.start("run", "--json")
    gate.wait_for(begun=2, passed=0)
    run.interrupt()
    until(lambda: "Ctrl-C again" in run.stderr, "the answer to Ctrl-C")
    run.interrupt()
    stopped = run.done()

    assert stopped.code == 130
    assert gate.passed().total() == 0
    document = stopped.json()
    assert (document["verdict"], document["exit_code"]) == ("interrupted", 130)
    assert document["batch"]["counts"]["queued"] == 6
    assert "bug" not in stopped.stderr

    gate.let(EVERYTHING)
    wtb("resume", "latest")
    assert gate.passed() == Counter(CELLS)
    assert gate.begun().total() == 8
    assert {one["attempts"] for one in executions(wtb)} == {1, 2}


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_ctrl_c_in_a_terminal_with_a_bar(wtb: Console, gate: Gate, runner: str) -> None:
    gate.let(2)
    screen = wtb.screen("run", "--runner", runner)
    gate.wait_for(begun=3, passed=2)
    until(lambda: "2/6" in screen.text, "the bar to move")
    screen.type("\x03")
    until(lambda: "Ctrl-C again" in screen.text, "the answer to Ctrl-C")
    under_way = gate.begun()
    gate.let(EVERYTHING)

    assert screen.done() == 130
    assert "[====" in screen.text
    assert "`wtb resume b_" in screen.text
    assert "Traceback" not in screen.text
    assert gate.passed() == under_way
    wtb("resume")
    assert gate.begun() == Counter(CELLS)


def test_ctrl_c_twice_in_a_terminal(wtb: Console, gate: Gate) -> None:
    screen = wtb.screen("run")
    gate.wait_for(begun=2, passed=0)
    screen.type("\x03")
    until(lambda: "Ctrl-C again" in screen.text, "the answer to Ctrl-C")
    screen.type("\x03")
    assert screen.done() == 130
    assert "interrupted: 6 of 6 executions are left" in screen.text
    assert "Traceback" not in screen.text


def test_ctrl_c_while_the_workflow_is_imported(wtb: Console, gate: Gate) -> None:
    slow = wtb.directory / "slow.py"
    slow.write_text("import time\nopen('importing', 'w').close()\ntime.sleep(60)\n")
    bench = wtb.directory / "bench.toml"
    bench.write_text(bench.read_text().replace("gated:workflow", "slow:workflow"))
    run = wtb.start("run")
    until((wtb.directory / "importing").exists, "the import to begin")
    run.interrupt()
    done = run.done()
    assert done.code == 130
    assert "Traceback" not in done.stderr
    assert not (wtb.directory / ".wtb").exists()


def test_kill_9_loses_nothing_that_was_stored(wtb: Console, gate: Gate) -> None:
    gate.let(2)
    run = wtb.start("run")
    gate.wait_for(begun=4, passed=2)
    wait_for_stored(wtb, 2)
    stored = cells(wtb, "succeeded")
    assert batch(wtb)["stopped"] is False
    run.kill()

    assert run.process.returncode == -signal.SIGKILL
    assert batch(wtb)["stopped"] is True
    listed = wtb("list")
    assert "stopped" in listed.stdout
    assert "wtb resume b_" in listed.stderr
    assert cells(wtb, "succeeded") == stored

    gate.let(EVERYTHING)
    wtb("resume", "latest")
    assert cells(wtb, "succeeded") == CELLS
    assert gate.passed() == Counter(CELLS)
    twice = {cell for cell, times in gate.begun().items() if times > 1}
    assert len(twice) == 2
    assert not twice & stored
    check_journal(wtb)


def check_journal(wtb: Console) -> None:
    """The journal tells what the rows tell: who ended how, and that nobody ended twice."""
    events = wtb("events", "--json").json_lines()
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))
    succeeded = Counter(e["execution_id"] for e in events if e["kind"] == "execution.succeeded")
    assert succeeded == Counter(one["id"] for one in executions(wtb))
    started = Counter(e["execution_id"] for e in events if e["kind"] == "execution.started")
    assert started == {one["id"]: one["attempts"] for one in executions(wtb)}
    begun = [e["data"]["resumed"] for e in events if e["kind"] == "batch.started"]
    assert begun == [False, True]
    assert events[-1]["kind"] == "batch.completed"


def test_two_runs_at_once_share_a_store(wtb: Console, gate: Gate) -> None:
    runs = [wtb.start("run", "--name", name, "--json") for name in ("first", "second")]
    gate.wait_for(begun=4, passed=0)
    gate.let(EVERYTHING)
    ended = [run.done() for run in runs]

    assert [done.code for done in ended] == [0, 0]
    # Each of them reports its own batch, whichever is the latest.
    assert [done.json()["batch"]["name"] for done in ended] == ["first", "second"]
    assert gate.passed() == Counter(dict.fromkeys(CELLS, 2))
    assert [one["status"] for one in wtb("list", "--json").json()] == ["completed"] * 2


def test_a_batch_that_is_being_run_is_not_taken_over(wtb: Console, gate: Gate) -> None:
    run = wtb.start("run")
    gate.wait_for(begun=2, passed=0)
    refused = wtb("resume", batch(wtb)["id"], code=2)
    assert f"process {run.process.pid}" in refused.stderr
    assert wtb("resume", "latest", code=2).stdout == ""
    gate.let(EVERYTHING)
    assert run.done().code == 0
    assert gate.begun() == Counter(CELLS)
