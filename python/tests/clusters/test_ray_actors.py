"""How many actors there are: as many as have something to do, and no more than may be replaced."""

import os
import signal
from pathlib import Path
from time import monotonic

import pytest
from programs import told_by_member
from stores import store_at

from wtb.errors import WorkerError
from wtb.ray import ActorLifecycleManager, RayConfig
from wtb.ray.actor import Post
from wtb.ray.lifecycle import PostTo

GRAPH = "ray_graphs:build"


def started(bench, runner, waits, **options):
    return bench.start_batch(
        GRAPH,
        variants=[{}],
        test_cases=[{"number": number, "wait_s": wait} for number, wait in enumerate(waits)],
        runner=runner,
        **options,
    )


def of_status(runner, *statuses):
    return [one for one in runner.actors.states() if one.status in statuses]


def workers_of(bench, batch):
    return [event.kind for event in bench.journal(batch=batch.id, kinds=["worker.*"])]


def kill(actor):
    os.kill(actor.process, signal.SIGKILL)


def test_no_actor_is_made_that_would_have_nothing_to_do(bench, make_runner):
    runner = make_runner(num_cpus_per_task=0.25, max_actors=8)
    batch = started(bench, runner, [3.0, 3.0])
    batch.wait()
    assert len(runner.actors.states()) == 2


def test_all_actors_of_the_least_number_are_there(bench, make_runner):
    runner = make_runner(num_cpus_per_task=0.25, min_actors=3, max_actors=3)
    started(bench, runner, [0.1]).wait()
    assert len(runner.actors.states()) == 3


def test_an_actor_without_work_goes_before_the_end_of_the_batch(bench, make_runner, until):
    runner = make_runner(idle_timeout=0.5)
    batch = started(bench, runner, [6.0, 0.0])
    until(lambda: len(of_status(runner, "stopped")) == 1)
    assert batch.is_under_way
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    assert "worker.failed" not in workers_of(bench, batch)


def test_an_actor_that_is_slow_to_leave_keeps_nobody_from_work(bench, make_runner, until):
    runner = make_runner(idle_timeout=1.5, result_timeout=60)
    batch = started(bench, runner, [60.0, 0.0], timeout=3.5, retries=1, backoff=0.01)
    until(lambda: batch.results[1].status == "succeeded")
    name = batch.results[1].attempts[0].worker.partition("@")[0]
    (slow,) = [one for one in runner.actors.states() if one.name == name]
    os.kill(slow.process, signal.SIGSTOP)
    until(lambda: of_status(runner, "leaving"))
    # What was tried meanwhile for the second time can only have been given to the other one.
    until(lambda: batch.progress.ended == 2)
    assert name in [one.name for one in of_status(runner, "leaving")]
    os.kill(slow.process, signal.SIGCONT)
    batch.wait()
    assert [len(one.attempts) for one in batch.results] == [2, 1]
    assert [one.name for one in of_status(runner, "stopped")] == [name]
    assert workers_of(bench, batch) == ["worker.started"] * 2


def test_all_that_do_not_leave_have_one_time_for_it(cluster, until, monkeypatch):
    monkeypatch.setattr("wtb.ray.leaving.STOP_S", 3.0)
    nothing = Post(plan="", launch=None, tasks=1, path=[], file=None)
    posted = PostTo(nothing, cluster.put(b""), cluster.put([]), None)
    manager = ActorLifecycleManager(RayConfig.for_testing(num_cpus_per_task=0.1))
    made = [manager.create(posted) for _ in range(3)]
    processes = [cluster.get(one.handle.__ray_call__.remote(lambda _: os.getpid())) for one in made]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    began = monotonic()
    manager.stop_all()
    assert monotonic() - began < 2 * 3.0
    assert {one.status for one in manager.states()} == {"stopped"}
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))


def test_an_actor_is_made_once_there_is_room(cluster, bench, make_runner, until):
    @cluster.remote(num_cpus=1)
    class Taker:
        def there(self):
            return True

    taker = Taker.remote()
    assert cluster.get(taker.there.remote())
    runner = make_runner(num_cpus_per_task=1, max_actors=2)
    batch = started(bench, runner, [0.3] * 20)
    until(lambda: batch.progress.counts["succeeded"] >= 1)
    assert len(runner.actors.states()) == 1
    cluster.kill(taker)
    until(lambda: len(of_status(runner, "ready")) == 2)
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}


@pytest.mark.filterwarnings("ignore:2 actors were lost:RuntimeWarning")
def test_no_more_actors_are_replaced_than_may_be(bench, make_runner, until):
    runner = make_runner(actor_max_restarts=1, max_retries=5)
    batch = started(bench, runner, [0.4] * 30)
    until(lambda: len(of_status(runner, "ready")) == 2)
    kill(of_status(runner, "ready")[0])
    until(lambda: len(of_status(runner, "ready")) == 2 and of_status(runner, "lost"))
    kill(of_status(runner, "ready")[0])
    until(lambda: len(of_status(runner, "lost")) == 2)
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    assert len(runner.actors.states()) == 3
    assert workers_of(bench, batch).count("worker.replaced") == 1


@pytest.mark.filterwarnings("ignore:1 actors were lost:RuntimeWarning")
def test_a_batch_without_actors_ends_with_an_error_and_can_go_on(bench, make_runner, until):
    runner = make_runner(actor_max_restarts=0, max_actors=1)
    batch = started(bench, runner, [0.3] * 8)
    until(lambda: batch.progress.counts["succeeded"] >= 1)
    kill(of_status(runner, "ready")[0])
    with pytest.raises(WorkerError, match="there are no actors any more"):
        batch.wait()
    again = bench.resume_batch(batch.id, runner=runner)
    assert {one.status for one in again.results} == {"succeeded"}


def test_actors_that_died_between_two_batches_are_no_loss(bench, make_runner):
    runner = make_runner(actor_max_restarts=0)
    started(bench, runner, [0.0] * 4).wait()
    for actor in of_status(runner, "idle"):
        kill(actor)
    batch = started(bench, runner, [0.0] * 4)
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    assert set(workers_of(bench, batch)) == {"worker.started"}


def test_a_program_that_has_left_its_cluster_gets_no_other_one(cluster):
    told = told_by_member("left_cluster.py", cluster.get_runtime_context().gcs_address)
    assert told == {"refused": ["RaySystemError"] * 3, "joined": False}


def test_a_driver_that_was_stopped_for_a_while_gives_nobody_up(cluster, tmp_path):
    address = cluster.get_runtime_context().gcs_address
    told = told_by_member("paused_driver.py", store_at(tmp_path / "store"), address)
    assert told["statuses"] == {"succeeded": 30}
    assert told["attempts"] == 30
    assert set(told["workers"]) == {"worker.started"}


@pytest.mark.parametrize("there_first", [True, False], ids=["from Ray", "to Ray"])
def test_a_batch_goes_on_with_another_runner(bench, make_runner, until, there_first):
    on_cluster = make_runner({"isolation": "warm"}, task_timeout_seconds=40.0)
    runners = [on_cluster, "process"]
    first, second = runners if there_first else reversed(runners)
    batch = started(bench, first, [0.1] * 30, max_workers=2)
    until(lambda: batch.progress.counts["succeeded"] >= 4)
    batch.stop()
    again = bench.resume_batch(batch.id, runner=second, max_workers=2)
    assert {one.status for one in again.results} == {"succeeded"}
    spec = bench._core.stored(again)["spec"]
    assert spec["timeout_ms"] == 40_000, "what the cluster's runner says; the batch does not"
    by_ray = {one.attempts[-1].worker.startswith("ray-") for one in again.results}
    assert by_ray == {True, False}
