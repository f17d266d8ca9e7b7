"""What attempts print: kept by the process runner, and by no runner of this process."""

import os
import sqlite3

import pytest
from bench_graphs import workflow
from stores import file_only, store_at

from wtb import TestBench

LINES = "epoch 1: Zoë ☃\0\r\n"


def talking(state):
    print("from a node")  # noqa: T201
    return {"y": state["x"]}


def talking_long(state):
    os.write(1, LINES.encode() + b"\xff")
    os.write(2, b"first\n" + b"x" * 1_000_000 + b"\nlast\n")
    return {"y": state["x"]}


def captured(text):
    """Return text as it rests in a row: what the codec of the store makes of a small value."""
    return b"\x01\x04text" + text.encode()


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_the_runners_of_this_process_capture_nothing(bench, capsys, runner):
    execution = bench.run(workflow, {"x": 1}, variant={"answer": talking}, runner=runner)
    assert capsys.readouterr().out == "from a node\n"
    assert (execution.stdout, execution.stderr) == ("", "")
    assert [(one.stdout, one.stderr) for one in execution.attempts] == [("", "")]


def test_what_a_process_printed_is_kept_but_for_its_middle(bench):
    variant = {"answer": "test_printed:talking_long"}
    execution = bench.run(workflow, {"x": 1}, variant=variant, runner="process")
    assert execution.raise_for_status().stdout == LINES + "\ufffd"
    assert execution.stderr.startswith("first\nxxx")
    assert execution.stderr.endswith("xxx\nlast\n")
    assert " bytes left out ...]\n" in execution.stderr
    assert len(execution.stderr) < 200_000
    again = bench.execution(execution.id)
    assert (again.stdout, again.stderr) == (execution.stdout, execution.stderr)


def test_each_attempt_has_what_it_printed(tmp_path):
    file_only()
    with TestBench(store_at(tmp_path / "store")) as bench:
        batch = bench.run_batch(
            workflow,
            variants=[{"answer": "failing"}],
            test_cases=[{"x": 2}],
            retries=1,
            backoff=0,
        )
        key = batch.results[0].id
    # Written behind the store's back, so that it is known exactly.
    with sqlite3.connect(tmp_path / "store" / "wtb.db") as store:
        store.execute("UPDATE attempts SET stdout = ? WHERE number = 1", [captured("first")])
        store.execute("UPDATE attempts SET stdout = ? WHERE number = 2", [captured(LINES)])
        store.execute("UPDATE attempts SET stderr = ? WHERE number = 1", [captured("oh")])
    store.close()
    with TestBench(store_at(tmp_path / "store")) as bench:
        execution = bench.execution(key)
        first, second = execution.attempts
        assert (first.stdout, first.stderr) == ("first", "oh")
        assert (second.stdout, second.stderr) == (LINES, "")
        assert (execution.stdout, execution.stderr) == (LINES, ""), "the last attempt's"
        assert first == bench.execution(key).attempts[0]
        assert "stdout" not in repr(first)


def test_nothing_was_printed_before_an_attempt_has_ended(bench):
    forked = bench.fork(bench.run(workflow, {"x": 1}))
    assert forked.attempts == []
    assert (forked.stdout, forked.stderr) == ("", "")
