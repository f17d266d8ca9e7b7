"""Fields of `RayConfig` that no other test needs: each changes what happens."""

import pytest
from programs import told_by
from stores import store_at

from wtb.errors import WorkerError

GRAPH = "ray_graphs:build"


def test_a_cluster_of_ones_own_is_as_large_as_asked_for_and_ends(tmp_path):
    told = told_by("own_cluster.py", store_at(tmp_path / "store"))
    assert told == {
        "output": 3,
        "cpus": 3,
        "objects": 2**28,
        "namespace": "apart",
        "is left": False,
    }


def test_an_actor_makes_as_many_attempts_at_once_as_asked_for(bench, make_runner, until):
    runner = make_runner(max_actors=1, tasks_per_actor=3, num_cpus_per_task=0.25)
    cases = [{"number": number, "wait_s": 1.5} for number in range(3)]
    batch = bench.start_batch(GRAPH, variants=[{}], test_cases=cases, runner=runner)
    until(lambda: batch.progress.counts["running"] == 3)
    batch.wait()
    workers = {one.attempts[0].worker for one in batch.results}
    assert {worker.partition("/")[2] for worker in workers} == {"1", "2", "3"}


def test_memory_is_asked_for(bench, make_runner):
    runner = make_runner(memory_per_task_gb=4096, actor_creation_timeout=2.0)
    with pytest.raises(WorkerError, match=r"memory: .* and no machine"):
        bench.run_batch(GRAPH, variants=[{}], test_cases=[{"number": 1}], runner=runner)


def test_the_environment_that_ray_makes_is_that_of_the_attempts(bench, make_runner):
    runner = make_runner(max_actors=1, runtime_env={"env_vars": {"RAY_TRIAL": "7"}})
    cases = [{"number": 1, "how": "tell the environment"}]
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=cases, runner=runner)
    assert batch.results[0].metrics["RAY_TRIAL"] == 7


def test_what_is_lost_is_not_tried_again_where_that_is_not_wanted(bench, make_runner):
    runner = make_runner(max_actors=1, max_retries=0)
    cases = [{"number": 1, "how": "crash"}]
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=cases, runner=runner)
    assert (batch.results[0].status, len(batch.results[0].attempts)) == ("failed", 1)


def test_an_actor_has_room_where_one_machine_has_all_that_it_takes(tmp_path):
    told = told_by("two_machines.py", store_at(tmp_path / "store"))
    assert told["room by CPUs"] == 2, "each machine has some left, but nowhere enough"
    assert told["room by memory"] == 2
    assert told["room for what is nowhere together"] == 0
    assert "no machine of the cluster has all of that" in told["lacking"]
    assert told["statuses"] == ["succeeded"]
    assert told["actors"] == ["idle", "idle"], "no third one was asked for"
