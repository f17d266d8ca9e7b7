"""Control of batches whose variants have environments: it holds for all groups of actors."""

import os
import signal
import threading

import pytest
from grouped import GRAPH, cases, states, told, with_variable

from wtb.errors import WorkerError

ONE, TWO = with_variable("one", 1), with_variable("two", 2)


@pytest.fixture
def marks(tmp_path):
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def begun(marks):
    return len(list(marks.iterdir()))


def at_work(bench):
    """Return whether something of each group is under way."""
    running = {one.variant for one in bench.executions() if one.status == "running"}
    return running == {"one", "two"}


def of_both(batch):
    """Check that all have succeeded, each in its environment."""
    assert {one.status for one in batch.results} == {"succeeded"}
    assert {name: values for name, (values, _) in told(batch).items()} == {
        "one": {1.0},
        "two": {2.0},
    }


def test_what_is_paused_is_paused_in_all_groups(make_runner, bench, marks, until, journal_is_sound):
    batch = bench.start_batch(
        GRAPH,
        variants=[ONE, TWO],
        test_cases=cases(5, wait_s=0.6, marks=str(marks)),
        runner=make_runner(),
    )
    until(lambda: at_work(bench))
    batch.pause()
    # What an actor holds it begins or hands back within a second.
    threading.Event().wait(1.2)
    until(lambda: batch.progress.counts["running"] == 0)
    before = begun(marks)
    assert 2 <= before < 10
    threading.Event().wait(0.8)
    assert (batch.status, begun(marks)) == ("paused", before)
    batch.resume()
    batch.wait()
    of_both(batch)
    journal_is_sound(batch)
    assert [len(one.attempts) for one in batch.results] == [1] * 10


def test_a_runner_that_is_shut_down_lets_go_of_a_paused_batch(make_runner, bench, until):
    runner = make_runner()
    batch = bench.start_batch(
        GRAPH, variants=[ONE, TWO], test_cases=cases(5, wait_s=0.3), runner=runner
    )
    until(lambda: at_work(bench))
    batch.pause()
    runner.shutdown()
    with pytest.raises(WorkerError, match="shut down while it was paused"):
        batch.wait()
    assert {one.status for one in runner.actors.states()} == {"stopped"}
    of_both(bench.resume_batch(batch.id, runner=make_runner()))


def test_what_is_cancelled_ends_in_all_groups_and_their_actors_stay(
    bench, make_runner, marks, until, journal_is_sound
):
    runner = make_runner({"grace": 0.3})
    batch = bench.start_batch(
        GRAPH,
        variants=[ONE, TWO],
        test_cases=cases(3, wait_s=60.0, marks=str(marks)),
        runner=runner,
    )
    until(lambda: begun(marks) == 2)
    batch.cancel()
    batch.wait()
    assert {one.status for one in batch.results} == {"cancelled"}
    assert begun(marks) == 2
    journal_is_sound(batch)
    of_both(bench.run_batch(GRAPH, variants=[ONE, TWO], test_cases=cases(1), runner=runner))
    assert states(runner) == {"ray-1": "1", "ray-2": "2"}, "no other ones were made"


def test_ctrl_c_lets_what_is_under_way_end_in_all_groups(
    bench, make_runner, marks, until, journal_is_sound
):
    runner = make_runner()

    def press():
        until(lambda: at_work(bench))
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt, match="takes the batch up again"):
        bench.run_batch(
            GRAPH,
            variants=[ONE, TWO],
            test_cases=cases(4, wait_s=0.8, marks=str(marks)),
            runner=runner,
        )
    presser.join()
    (batch,) = bench.batches()
    stand = {(one.variant, one.status) for one in bench.executions(batch=batch)}
    assert stand >= {("one", "succeeded"), ("two", "succeeded")}
    assert batch.progress.counts["queued"] == 8 - begun(marks) > 0
    again = bench.resume_batch(batch.id, runner=runner)
    of_both(again)
    journal_is_sound(again)
    assert [len(one.attempts) for one in again.results] == [1] * 8, "nothing was cut off"


def test_what_is_added_runs_in_its_environments(bench, make_runner, journal_is_sound):
    runner = make_runner()
    batch = bench.run_batch(GRAPH, variants=[ONE], test_cases=cases(2), runner=runner)
    before = runner.actors.states()
    batch = bench.extend(batch, variants=[TWO], test_cases=cases(3)[2:])
    assert runner.actors.states() == before, "there was room beside them"
    assert len(batch.results) == 6
    of_both(batch)
    journal_is_sound(batch)


def test_what_is_retried_runs_in_its_environment_where_idle_actors_make_room(bench, make_runner):
    runner = make_runner(num_cpus_per_task=1.0)
    batch = bench.run_batch(
        GRAPH,
        variants=[ONE, TWO],
        test_cases=[*cases(1), {"number": 1, "how": "fail at first, then tell"}],
        runner=runner,
    )
    assert [one.status for one in batch.results] == ["succeeded", "failed"] * 2
    assert {one.status for one in runner.actors.states()} == {"idle"}
    assert bench.retry(batch.results[1]).status == "succeeded"
    assert {one.status for one in runner.actors.states()} == {"stopped"}
    batch = bench.retry(batch)
    of_both(batch)
    assert [len(one.attempts) for one in batch.results] == [1, 2] * 2
