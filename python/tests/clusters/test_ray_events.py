"""Events of batches on a cluster: each kind that is promised for one is made to happen."""

import os
import signal

import pytest

from wtb import Workspace
from wtb.events import Event

GRAPH = "ray_graphs:build"


@pytest.fixture
def start(bench, make_runner, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "given.txt").write_text("given")

    def start(cases, runner=None, **options):
        return bench.start_batch(
            GRAPH,
            variants=[{}],
            test_cases=[{"number": number, **case} for number, case in enumerate(cases)],
            runner=runner or make_runner(),
            workspace=Workspace(inputs, rung="copy"),
            **options,
        )

    return start


@pytest.fixture
def told(bench):
    def told(batch, kind) -> list[Event]:
        return list(bench.journal(batch=batch.id, kinds=[kind]))

    return told


def test_of_a_batch_its_pool_its_attempts_and_their_files(start, told):
    batch = start([{}, {"how": "fail"}, {"how": "remove the workspace"}, {"wait_s": 2.5}])
    batch.wait()
    good, bad, removed, slow = batch.results
    (begun,) = told(batch, "batch.started")
    assert begun.data["runner"] == "ray"
    (pool,) = told(batch, "pool.created")
    assert (pool.data["runner"], pool.data["workers"]) == ("ray", 2)
    ready = {event.data["worker"] for event in told(batch, "worker.started")}
    assert len(ready) == 2
    started = told(batch, "execution.started")
    assert {event.execution_id for event in started} == {one.id for one in batch.results}
    assert {event.data["worker"].partition("/")[0] for event in started} <= ready
    succeeded = [event.execution_id for event in told(batch, "execution.succeeded")]
    assert set(succeeded) == {good.id, slow.id}
    # A checkpoint without its files would be a lie, so the one whose files are gone fails.
    failed = {event.execution_id: event.data for event in told(batch, "execution.failed")}
    assert set(failed) == {bad.id, removed.id}
    assert failed[bad.id]["error"] == "ValueError"
    tracked = {event.execution_id: event.data for event in told(batch, "files.tracked")}
    assert set(tracked) == {good.id, bad.id, slow.id}
    assert tracked[good.id]["attempt"] == 1
    (lacking,) = told(batch, "files.tracking_failed")
    assert lacking.execution_id == removed.id
    assert "No such file" in lacking.data["message"]
    moving = told(batch, "batch.progress")
    assert moving[-1].data["counts"]["succeeded"] == 2
    (completed,) = told(batch, "batch.completed")
    assert completed.sequence == max(event.sequence for event in told(batch, "batch.*"))


def test_of_a_batch_that_fails(start, told):
    batch = start([{"how": "fail"}, {"how": "fail"}])
    batch.wait()
    (failed,) = told(batch, "batch.failed")
    assert failed.data["counts"]["failed"] == 2


def test_of_a_batch_that_is_cancelled(start, told, until):
    batch = start([{"wait_s": 60.0}] * 3)
    until(lambda: batch.progress.counts["running"] == 2)
    batch.cancel()
    batch.wait()
    ended = {event.execution_id for event in told(batch, "execution.cancelled")}
    assert ended == {one.id for one in batch.results}
    assert len(told(batch, "batch.cancelled")) == 1


def test_of_an_actor_that_dies_and_its_successor(start, told, make_runner, until):
    runner = make_runner()
    batch = start([{"wait_s": 0.3}] * 12, runner)
    until(lambda: batch.progress.counts["succeeded"] >= 2)
    victim = next(one for one in runner.actors.states() if one.status == "ready")
    os.kill(victim.process, signal.SIGKILL)
    batch.wait()
    (failed,) = told(batch, "worker.failed")
    assert failed.data["worker"] == f"{victim.name}@{victim.host}"
    (replaced,) = told(batch, "worker.replaced")
    assert replaced.data["replaces"] == failed.data["worker"]
    assert replaced.data["worker"] in {
        event.data["worker"] for event in told(batch, "worker.started")
    }


def test_of_backpressure(start, told, make_runner):
    batch = start([{"wait_s": 0.1}] * 6, make_runner(max_pending_tasks=1))
    batch.wait()
    applied = told(batch, "backpressure.applied")
    assert {event.data["limit"] for event in applied} == {1}
    assert len(told(batch, "backpressure.released")) == len(applied) > 0
