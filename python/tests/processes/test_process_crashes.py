"""What a node does to its process costs one attempt, and the error says what it was."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from process_graphs import WAYS, crashing
from process_remains import gone
from stores import store_at

from wtb import Case, ProcessBatchTestRunner, TestBench

SIBLINGS = 4
HARMLESS = ("fine", "flood", "bomb", "child", "session", "fork", "daemon", "copy")
CRASHED = "wtb.errors.WorkerCrashedError"


@pytest.fixture(scope="module", params=["fresh", "warm"])
def outcomes(request, tmp_path_factory):
    """One batch in which each way is gone once, and what it left behind."""
    mark = f"mark-{uuid.uuid4()}"
    store = store_at(tmp_path_factory.mktemp(request.param) / "store")
    ways = [way for way in WAYS if way != "fine"]
    cases = [Case({"how": way}, id=way) for way in ways]
    cases += [Case({"how": "fine"}, id=f"fine {n}") for n in range(SIBLINGS)]
    with pytest.MonkeyPatch.context() as patch, TestBench(store) as bench:
        patch.setenv("WTB_TEST_MARK", mark)
        runner = ProcessBatchTestRunner(
            2, isolation=request.param, memory="400 MiB", cpu_time=4, grace=0.5
        )
        batch = bench.run_batch(
            crashing(), variants=[{}], test_cases=cases, runner=runner, timeout=40
        )
        yield {one.case_id: bench.execution(one.id) for one in batch.results}, gone(mark), store


def test_everything_is_gone(outcomes):
    assert outcomes[1] == {}


def test_siblings_and_what_is_harmless_succeed(outcomes):
    found, _, _ = outcomes
    for name in [*HARMLESS[1:], *(f"fine {n}" for n in range(SIBLINGS))]:
        assert found[name].status == "succeeded", (name, found[name].error)
        assert found[name].attempts_made == 1
        assert found[name].output["y"] == [name.partition(" ")[0], 1]
        assert [node.node for node in found[name].nodes] == ["act", "after"]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("exit", "the process ended with exit status 7, and delivered nothing,"),
        ("quiet exit", "the process ended with exit status 0, and delivered nothing,"),
        ("segfault", "signal 11 (SIGSEGV)"),
        ("killed", "signal 9 (SIGKILL), which the system sends when it runs out of memory,"),
        ("aborted", "signal 6 (SIGABRT)"),
        ("time", "used more CPU time than its limit of 4 s"),
        ("closed", "the process ended with exit status 1, and delivered nothing,"),
    ],
)
def test_a_crash_says_what_it_was_and_where(outcomes, way, said):
    execution = outcomes[0][way]
    assert execution.status == "failed"
    assert execution.attempts_made == 1
    assert (execution.error.type, execution.error.node) == (CRASHED, "act")
    assert execution.error.message == f'{said} in node "act"'


def test_memory_over_the_limit(outcomes):
    error = outcomes[0]["memory"].error
    assert (error.type, error.node) == (CRASHED, "act")
    assert error.message.startswith("used ")
    assert error.message.endswith(' of memory, over its limit of 400 MiB in node "act"')


def test_a_connection_that_is_closed_ends_the_attempt(outcomes):
    error = outcomes[0]["closed, stays"].error
    assert (error.type, error.node) == (CRASHED, "act")
    assert "it closed its connection, and went on" in error.message
    assert outcomes[0]["closed, stays"].duration_s < 10


def test_rubbish_on_the_connection(outcomes):
    error = outcomes[0]["rubbish"].error
    assert (error.type, error.node) == (CRASHED, "act")
    assert error.message.startswith("the worker does not keep to the protocol (")


def test_an_exit_by_exception_is_the_nodes_own_error(outcomes):
    error = outcomes[0]["sys.exit"].error
    assert (error.type, error.node) == ("SystemExit", "act")


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("child", "processes were left behind, and ended: sleep"),
        ("session", "processes were left behind, and ended: sleep"),
        ("fork", f"processes were left behind, and ended: {Path(sys.executable).name}"),
        ("daemon", f"processes were left behind, and ended: {Path(sys.executable).name}"),
    ],
)
# A worker that goes on may have children that it means to use again.
@pytest.mark.parametrize("outcomes", ["fresh"], indirect=True)
def test_what_was_left_behind_is_said(outcomes, way, said):
    assert outcomes[0][way].warnings == [said]


def printed(store, execution):
    command = [sys.executable, "-m", "wtb", "--store", store, "show", execution.id, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)["stdout"]


def test_what_was_printed_is_kept_also_of_a_crash(outcomes):
    found, _, store = outcomes
    assert printed(store, found["segfault"]) == "about to be segfault\n"
    assert printed(store, found["fine 0"]) == "about to be fine\n"


def test_a_flood_is_kept_in_part(outcomes):
    found, _, store = outcomes
    text = printed(store, found["flood"])
    assert text.startswith("about to be flood\n0123456789abcde\n")
    assert text.endswith("0123456789abcde\nthe last line\n")
    assert 120_000 < len(text) < 140_000
    assert found["flood"].duration_s < 30
