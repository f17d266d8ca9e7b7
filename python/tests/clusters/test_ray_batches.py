"""Batches on a cluster: the same as elsewhere, and only there where they can be."""

import dataclasses
import os
import subprocess
import sys

import pytest
from programs import told_by
from seeds_example import check_comparison, pipeline_comparison
from stores import store_at

import wtb
from wtb.errors import ConfigurationError, WorkerError
from wtb.ray.actor import VariantExecutionActor, mark_of

GRAPH = "ray_graphs:build"


def test_inputs_reach_a_machine_that_does_not_have_them(tmp_path):
    inputs = tmp_path / "only here" / "inputs"
    (inputs / "__pycache__").mkdir(parents=True)
    (inputs / "given.txt").write_text("42")
    (inputs / "__pycache__" / "left.pyc").write_text("cache")
    told = told_by(
        "inputs_elsewhere.py",
        store_at(tmp_path / "store"),
        str(inputs),
        str(tmp_path / "workspaces"),
        str(tmp_path / "objects"),
    )
    assert told["statuses"] == ["succeeded"] * 4
    assert told["found"] == [42.0] * 4
    assert told["files"] == {"given.txt": 2, "made.bin": 300_000}
    large = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in large if path.stat().st_size > 1_000] == [300_001]
    (made,) = told["there"]
    assert made.startswith(str(tmp_path / "workspaces"))
    assert ".inputs-" in made
    (warning,) = told["warnings"]
    assert "`__pycache__`" in warning


def test_a_machine_without_the_directory_of_objects_is_refused(tmp_path):
    inputs = tmp_path / "only here" / "inputs"
    inputs.mkdir(parents=True)
    store, workspaces = store_at(tmp_path / "store"), tmp_path / "workspaces"
    objects = inputs.with_name("objects")
    told = told_by("inputs_elsewhere.py", store, str(inputs), str(workspaces), str(objects))
    assert "mount it on this machine" in told["error"]
    assert str(objects) in told["error"]


def numbers(count, **more):
    return [{"number": number, **more} for number in range(count)]


@pytest.mark.filterwarnings("ignore:max_workers=2 is more:RuntimeWarning")
def test_a_batch_is_the_same_wherever_it_runs(bench, make_runner, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "given.txt").write_text("given")
    cases = [*numbers(5, how="write"), {"number": 9, "how": "fail"}]
    seen = []
    on_cluster = [make_runner({"isolation": isolation}) for isolation in ("fresh", "warm")]
    for runner in ("inline", "thread", "process", *on_cluster):
        batch = bench.run_batch(
            GRAPH,
            variants=[{}, {"second": "ray_graphs:plus_ten"}],
            test_cases=cases,
            repeats=2,
            retries=1,
            backoff=0.01,
            metric="size",
            workspace=inputs,
            runner=runner,
            max_workers=2,
            seed=7,
        )
        comparison = batch.comparison.to_dict()
        # What depends on how long it took.
        del comparison["pareto"]
        for variant in comparison["variants"]:
            del variant["duration_s"]
            (variant["vs_baseline"] or {}).pop("ratios", None)
        outcomes = [
            (
                one.status,
                one.output and {**one.output, "process": 0, "call": 0, "drawn": 0},
                one.seed,
                one.metrics,
                len(one.attempts),
                [node.node for node in one.nodes],
                [(entry.path, entry.hash) for entry in bench.files(one)],
                len(bench.checkpoints(one)),
            )
            for one in batch.results
        ]
        seen.append((outcomes, comparison))
    inline, *others = seen
    assert sum(status == "succeeded" for status, *_ in inline[0]) == 20
    for other in others:
        assert other == inline


@pytest.mark.parametrize(("isolation", "most"), [("fresh", 1), ("warm", 3)])
def test_processes_are_fresh_or_warm(bench, make_runner, isolation, most):
    runner = make_runner({"isolation": isolation}, max_actors=1)
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(3), runner=runner)
    assert max(one.output["call"] for one in batch.results) == most


def test_the_actors_stay_for_the_next_batch(bench, make_runner):
    runner = make_runner()
    bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(6), runner=runner)
    (before, *_) = [one for one in runner.actors.states() if one.status == "idle"]
    second = bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(3), runner=runner)
    assert [one.output["number"] for one in second.results] == [1, 3, 5]
    assert [one.worker.partition("/")[0][:4] for one in second.results[0].attempts] == ["ray-"]
    after = {one.name: one for one in runner.actors.states()}[before.name]
    assert (after.process, after.batches) == (before.process, before.batches + 1)
    runner.shutdown()
    assert {one.status for one in runner.actors.states()} == {"stopped"}


def test_limits_of_processes_hold(bench, make_runner, journal_is_sound):
    batch = bench.run_batch(
        GRAPH,
        variants=[{}],
        test_cases=[
            {"number": 1, "wait_s": 60.0},
            {"number": 2, "how": "crash"},
            {"number": 3, "how": "leave a child"},
        ],
        runner=make_runner(),
        timeout=1.0,
    )
    slow, crashed, leaving = batch.results
    assert slow.status == "timed_out"
    assert slow.duration_s < 5
    assert "7" in crashed.error.message
    assert leaving.status == "succeeded"
    assert any("child" in warning or "process" in warning for warning in leaving.warnings)
    journal_is_sound(batch)


def test_the_attempt_time_of_the_config_counts_without_another(bench, make_runner):
    runner = make_runner(task_timeout_seconds=1.0)
    batch = bench.run_batch(
        GRAPH, variants=[{}], test_cases=[{"number": 1, "wait_s": 60.0}], runner=runner
    )
    assert batch.results[0].status == "timed_out"


def test_cancelled_work_ends_and_what_waits_never_begins(
    bench, make_runner, tmp_path, until, journal_is_sound
):
    marks = tmp_path / "marks"
    marks.mkdir()
    batch = bench.start_batch(
        GRAPH,
        variants=[{}],
        test_cases=numbers(8, wait_s=60.0, marks=str(marks)),
        runner=make_runner({"grace": 0.3}),
    )
    until(lambda: len(list(marks.iterdir())) == 2)
    batch.cancel()
    batch.wait()
    assert {one.status for one in batch.results} == {"cancelled"}
    assert len(list(marks.iterdir())) == 2
    journal_is_sound(batch)


def test_a_batch_goes_on_after_its_session(bench, make_runner, tmp_path, until):
    marks = tmp_path / "marks"
    marks.mkdir()
    runner = make_runner()
    batch = bench.start_batch(
        GRAPH,
        variants=[{}],
        test_cases=numbers(6, wait_s=0.4, marks=str(marks)),
        runner=runner,
    )
    until(lambda: len(list(marks.iterdir())) >= 3)
    batch.stop()
    again = bench.resume_batch(batch.id, runner=runner)
    assert [one.status for one in again.results] == ["succeeded"] * 6


def test_more_than_the_cluster_has_is_an_error_after_a_stated_time(bench, make_runner):
    runner = make_runner(num_cpus_per_task=64, actor_creation_timeout=2.0)
    with pytest.raises(WorkerError, match=r"within 2 s: an actor takes CPU: 64, and no machine"):
        bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(2), runner=runner)
    # What has not run is left.
    assert bench.batch("latest").progress.counts["queued"] == 2


def test_custom_resources_are_asked_for(bench, make_runner):
    runner = make_runner(resources_per_task={"special": 1}, max_actors=4)
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(4), runner=runner)
    assert {one.status for one in batch.results} == {"succeeded"}
    assert len(runner.actors.states()) == 1, "there is one of the resource"


def test_single_executions_are_refused(bench, make_runner):
    with pytest.raises(ConfigurationError, match="run_batch"):
        bench.run(GRAPH, {"number": 1}, runner=make_runner())


def test_what_ran_on_the_cluster_is_gone_on_with_in_a_process(bench, make_runner):
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=numbers(1), runner=make_runner())
    bench.rollback(batch.results[0], before="second")
    resumed = bench.resume(batch.results[0].id)
    assert resumed.output["number"] == 1
    assert resumed.output["process"] != os.getpid()


def test_a_file_of_another_machine_is_refused(tmp_path):
    file = tmp_path / "wtb.db"
    file.write_text("")
    boot, device, inode = mark_of(str(file))
    for mark in [("another", device, inode), (boot, device, inode + 1)]:
        post = _post((str(file), mark))
        with pytest.raises(ConfigurationError, match="PostgreSQL"):
            VariantExecutionActor().open("a", post, b"", [])


def _post(file):
    from wtb.ray.actor import Post

    launch = wtb.ProcessBatchTestRunner()
    return Post(plan="{}", launch=launch, tasks=1, path=[], file=file)


def test_ray_is_imported_when_it_is_used():
    program = "import sys, wtb.ray; wtb.ray.RayBatchTestRunner(); print('ray' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "False\n"


def test_presets_are_configs():
    presets = wtb.ray.RayConfig
    assert presets.for_local_development().ray_address is None
    large = presets.for_production("head:6379", num_workers=20, memory_gb=2)
    assert (large.max_actors, large.actor_options()["memory"]) == (20, 2 * 2**30)
    changed = presets.for_testing(max_retries=7)
    assert presets(**changed.describe()) == changed
    assert dataclasses.replace(changed, max_retries=1).max_retries == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_actors", 11),
        ("tasks_per_actor", 0),
        ("num_cpus_per_task", -1),
        ("memory_per_task_gb", float("nan")),
        ("resources_per_task", {"gpu": "1"}),
        ("result_timeout", 0),
    ],
)
def test_values_that_cannot_work_are_refused(field, value):
    with pytest.raises(
        ConfigurationError, match=field.split("_")[0] if field != "resources_per_task" else "gpu"
    ):
        wtb.ray.RayConfig(**{field: value})


def test_the_seeds_usage_example(cluster, tmp_path, monkeypatch):
    from ray_graphs import pipeline

    from wtb import RayBatchTestRunner, RayConfig

    monkeypatch.chdir(tmp_path)
    with pytest.warns(DeprecationWarning, match="agentgit_db_url is not used"):
        runner = RayBatchTestRunner(
            config=RayConfig.for_local_development(),
            agentgit_db_url="data/agentgit.db",
            wtb_db_url="sqlite:///data/wtb.db",
        )
    runner.register(pipeline)
    check_comparison(runner.run_batch_test(pipeline_comparison()))
    runner.shutdown()
    runner.shutdown()
    assert (tmp_path / "data" / "wtb.db").is_file()


def test_by_its_name_it_takes_the_cluster_that_is_there(cluster, bench):
    with pytest.raises(ConfigurationError, match="isolation= goes with"):
        bench.run_batch(GRAPH, variants=[{}], test_cases=[{"number": 1}], isolation="warm")
    batch = bench.run_batch(GRAPH, variants=[{}], test_cases=[{"number": 1}], runner="ray")
    assert batch.results[0].output["number"] == 3
