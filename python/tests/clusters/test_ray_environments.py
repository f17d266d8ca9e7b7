"""Variants that need an environment of their own: a group of actors each."""

import os
import signal
import zipfile

import pytest
from grouped import GRAPH, LONGER, cases, states, told, variant, with_variable

import wtb
from wtb.errors import ConfigurationError, WorkerError


def test_each_variant_runs_in_its_environment(bench, make_runner, journal_is_sound):
    runner = make_runner(runtime_env={"env_vars": {"RAY_TRIAL": "1", "OTHER": "x"}})
    variants = [wtb.Variant("base"), with_variable("two", 2), with_variable("again", 2)]
    batch = bench.run_batch(GRAPH, variants=variants, test_cases=cases(4), runner=runner)
    found = told(batch)
    assert {name: values for name, (values, _) in found.items()} == {
        "base": {1.0},
        "two": {2.0},
        "again": {2.0},
    }
    assert not found["base"][1] & found["two"][1]
    assert set(states(runner).values()) == {"1", "2"}
    journal_is_sound(batch)


def test_environments_take_turns_where_there_is_no_room_for_all(bench, make_runner):
    runner = make_runner(max_actors=1)
    variants = [with_variable(f"v{number}", number) for number in range(3)]
    batch = bench.run_batch(GRAPH, variants=variants, test_cases=cases(2), runner=runner)
    assert told(batch) == {
        f"v{number}": ({float(number)}, {f"ray-{number + 1}"}) for number in range(3)
    }
    again = bench.run_batch(GRAPH, variants=variants[2:], test_cases=cases(1), runner=runner)
    assert told(again) == {"v2": ({2.0}, {"ray-3"})}, "the one that is there already"


def test_a_lost_actor_is_replaced_in_its_environment(bench, make_runner, until, journal_is_sound):
    runner = make_runner(max_actors=2)
    variants = [with_variable("one", 1), with_variable("two", 2)]
    batch = bench.start_batch(
        GRAPH, variants=variants, test_cases=cases(3, wait_s=1.0), runner=runner
    )
    until(lambda: batch.progress.counts["running"] == 2)
    lost = next(
        one for one in runner.actors.states() if one.environment["env_vars"]["RAY_TRIAL"] == "2"
    )
    os.kill(lost.process, signal.SIGKILL)
    batch.wait()
    assert {name: values for name, (values, _) in told(batch).items()} == {
        "one": {1.0},
        "two": {2.0},
    }
    replacing = [one for one in runner.actors.states() if one.replaces is not None]
    assert [one.environment["env_vars"]["RAY_TRIAL"] for one in replacing] == ["2"]
    journal_is_sound(batch)


def wheel(directory, version):
    """Write a package of one module, as an index would have it."""
    path = directory / f"wtb_trial-{version}-py3-none-any.whl"
    about = f"wtb_trial-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wtb_trial.py", f"VERSION = {version}\n")
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: wtb-trial\nVersion: {version}\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return str(path)


def test_variants_can_have_other_versions_of_a_library(bench, make_runner, tmp_path):
    runner = make_runner(actor_creation_timeout=120)
    variants = [variant(f"v{number}", pip=[wheel(tmp_path, f"{number}.0")]) for number in (1, 2)]
    batch = bench.run_batch(
        GRAPH,
        variants=variants,
        test_cases=[{"number": 1, "how": "tell the version"}],
        runner=runner,
    )
    assert [one.metrics["version"] for one in batch.results] == [1.0, 2.0]


def test_an_environment_that_cannot_be_made_costs_its_variants_only(bench, make_runner):
    runner = make_runner()
    broken = variant("broken", conda="no-such-environment")
    variants = [with_variable("fine", 1), broken]
    with (
        pytest.warns(RuntimeWarning, match="cannot work for the batch"),
        pytest.raises(WorkerError, match=r"an environment \(conda\) cannot be made"),
    ):
        bench.run_batch(GRAPH, variants=variants, test_cases=cases(3, wait_s=1.0), runner=runner)
    (batch,) = bench.batches()
    stand = {(one.variant, one.status) for one in bench.executions(batch=batch)}
    assert stand == {("fine", "succeeded"), ("broken", "queued")}
    assert batch.is_resumable


def test_an_actor_that_never_gets_ready_is_told_of_and_the_others_go_on(bench, make_runner):
    runner = make_runner(actor_creation_timeout=4.0)
    hangs = variant("hangs", py_executable="sleep 1000 #")
    said = r"an environment \(py_executable\) was not ready within 4 s: there was room for it"
    with (
        pytest.warns(RuntimeWarning, match=said),
        pytest.raises(WorkerError, match=said),
    ):
        bench.run_batch(
            GRAPH,
            variants=[with_variable("fine", 1), hangs],
            test_cases=cases(6, wait_s=1.0),
            runner=runner,
        )
    stand = {(one.variant, one.status) for one in bench.executions()}
    assert stand == {("fine", "succeeded"), ("hangs", "queued")}


def test_actors_whose_work_is_done_make_room_for_others(bench, make_runner):
    runner = make_runner(min_actors=2, max_actors=2, num_cpus_per_task=1.0)
    variants = [with_variable("done", 1), wtb.Variant("slow", environment=LONGER)]
    batch = bench.run_batch(
        GRAPH, variants=variants, test_cases=cases(12, wait_s=0.2), runner=runner
    )
    assert {name: len(actors) for name, (_, actors) in told(batch).items()} == {
        "done": 1,
        "slow": 2,
    }


def test_what_goes_on_by_itself_has_the_variables(bench, make_runner):
    runner = make_runner(runtime_env={"env_vars": {"RAY_TRIAL": "1"}})
    variants = [wtb.Variant("base"), with_variable("two", 2)]
    batch = bench.run_batch(GRAPH, variants=variants, test_cases=cases(1), runner=runner)
    for execution, value in zip(batch.results, (1.0, 2.0), strict=True):
        again = bench.resume(bench.fork(execution, at=bench.checkpoints(execution)[0]))
        assert (again.status, again.metrics["RAY_TRIAL"]) == ("succeeded", value)


def test_what_ray_cannot_make_is_refused_before_anything_runs(bench, make_runner, tmp_path):
    runner = make_runner()
    for environment, why in (
        ({"pips": ["x"]}, r"'v': an environment has no key 'pips'. Did you mean 'pip'\?"),
        ({"working_dir": str(tmp_path)}, "'v': working_dir is .*no directory of this machine"),
        ({"pip": ["a"], "uv": ["b"]}, "'v': Ray does not take its environment: .*cannot be specif"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            bench.run_batch(
                GRAPH,
                variants=[variant("v", **environment)],
                test_cases=cases(1),
                runner=runner,
            )
    assert not bench.batches()


def test_what_only_the_cluster_gives_is_refused_elsewhere(bench):
    needy = [variant("needy", pip=["anything"])]
    for runner in ("inline", "thread", "process"):
        with pytest.raises(ConfigurationError, match=r"'needy' needs .*\(pip\).*runner='ray' can"):
            bench.run_batch(GRAPH, variants=needy, test_cases=cases(1), runner=runner)
    assert not bench.batches()
