"""Actors that die or fall silent: nothing is lost or doubled, and the innocent pay nothing."""

import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import suppress

import pytest
from out_of_memory import by_its_allocations, by_the_kernel
from programs import told_by
from stores import file_only, store_at

GRAPH = "ray_graphs:build"


def started(bench, runner, marks, cases, **options):
    marks.mkdir()
    return bench.start_batch(
        GRAPH,
        variants=[{}],
        test_cases=[{**case, "marks": str(marks)} for case in cases],
        runner=runner,
        retries=0,
        **options,
    )


def ready(runner):
    return [one for one in runner.actors.states() if one.status == "ready"]


def lost_attempts(batch):
    return [
        attempt for one in batch.results for attempt in one.attempts if attempt.status == "lost"
    ]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_what_an_actor_had_not_begun_costs_nothing(
    bench, make_runner, tmp_path, until, journal_is_sound, how
):
    runner = make_runner({"isolation": "warm"}, result_timeout=2.0)
    cases = [{"number": number, "wait_s": 0.1} for number in range(24)]
    batch = started(bench, runner, tmp_path / "marks", cases)
    until(lambda: batch.progress.counts["succeeded"] >= 6)
    (victim, *_) = ready(runner)
    os.kill(victim.process, how)
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    # One was under way there; those that waited behind it ran elsewhere as their first attempt.
    assert len(lost_attempts(batch)) <= 1
    journal_is_sound(batch)
    (failed,) = bench.journal(batch=batch.id, kinds=["worker.failed"])
    assert failed.data["worker"].startswith(f"{victim.name}@")
    if how == signal.SIGSTOP:
        assert "silent" in failed.data["reason"]
    states = {one.name: one for one in runner.actors.states()}
    assert states[victim.name].status == "lost"


@pytest.mark.parametrize("by", [by_the_kernel, by_its_allocations])
def test_an_actor_that_dies_of_memory_is_lost_like_any_other(
    bench, make_runner, tmp_path, until, journal_is_sound, by
):
    runner = make_runner({"isolation": "warm"})
    cases = [{"number": number, "wait_s": 0.1} for number in range(24)]
    batch = started(bench, runner, tmp_path / "marks", cases)
    until(lambda: batch.progress.counts["succeeded"] >= 6)
    (victim, *_) = ready(runner)
    (handle,) = [one.handle for one in runner.actors._actors if one.name == victim.name]
    with by(victim.process) as dies:
        handle.__ray_call__.remote(dies)
        batch.wait()
        until(lambda: not os.path.exists(f"/proc/{victim.process}"))
    assert {one.status for one in batch.results} == {"succeeded"}
    journal_is_sound(batch)
    lost = {
        f"{one.id}.{attempt.number}"
        for one in batch.results
        for attempt in one.attempts
        if attempt.status == "lost"
    }
    begun = {one.name for one in (tmp_path / "marks").iterdir()}
    assert len(lost - begun) <= 1, "at most one had its start written down, and came no further"
    (failed,) = bench.journal(batch=batch.id, kinds=["worker.failed"])
    assert failed.data["worker"].startswith(f"{victim.name}@")
    replaced = [one.replaces for one in runner.actors.states() if one.replaces is not None]
    assert replaced == [failed.data["worker"]]


def test_a_case_that_takes_its_actor_with_it_ends_and_the_others_succeed(
    bench, make_runner, tmp_path, journal_is_sound
):
    runner = make_runner(max_retries=1, actor_max_restarts=5)
    cases = [{"number": number, "wait_s": 0.05} for number in range(6)]
    cases.insert(1, {"number": 99, "wait_s": 30.0})
    batch = started(bench, runner, tmp_path / "marks", cases)
    (poison,) = [one.id for one in batch.results if one.case_id == _id_of(batch, 99)]
    over = threading.Event()

    def kill_whoever_has_it():
        while not over.wait(0.05):
            attempts = bench.execution(poison).attempts
            if attempts and attempts[-1].status == "running":
                name = attempts[-1].worker.partition("@")[0]
                for actor in ready(runner):
                    if actor.name == name:
                        # Where it is dead already, the driver has still to hear of it.
                        with suppress(ProcessLookupError):
                            os.kill(actor.process, signal.SIGKILL)

    killer = threading.Thread(target=kill_whoever_has_it)
    killer.start()
    try:
        batch.wait()
    finally:
        over.set()
        killer.join()
    ended = {one.id: one for one in batch.results}
    guilty = ended.pop(poison)
    assert (guilty.status, [one.status for one in guilty.attempts]) == ("failed", ["lost"] * 2)
    assert guilty.id in [one.id for one in bench.dead_letters(batch.id)]
    assert {one.status for one in ended.values()} == {"succeeded"}
    journal_is_sound(batch)
    assert list(bench.journal(batch=batch.id, kinds=["worker.replaced"]))


def _id_of(batch, number):
    for one in batch.results:
        if one.input["number"] == number:
            return one.case_id
    raise AssertionError(number)


def test_kills_at_random_times_lose_nothing(bench, make_runner, tmp_path, until, journal_is_sound):
    runner = make_runner({"isolation": "warm"}, max_retries=9, actor_max_restarts=9)
    cases = [{"number": number, "wait_s": 0.05} for number in range(60)]
    batch = started(bench, runner, tmp_path / "marks", cases)
    draws = random.Random(5)
    for _ in range(3):
        until(lambda: ready(runner) or not batch.is_under_way)
        threading.Event().wait(draws.uniform(0.1, 1.5))
        if (there := ready(runner)) and batch.is_under_way:
            os.kill(draws.choice(there).process, signal.SIGKILL)
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    journal_is_sound(batch)
    marks = {one.name.partition(".")[0] for one in (tmp_path / "marks").iterdir()}
    assert marks == {one.id for one in batch.results}


def test_a_store_that_does_not_answer_for_a_while_costs_no_actor(
    bench, make_runner, until, tmp_path
):
    file_only()
    runner = make_runner({"isolation": "warm"})
    batch = bench.start_batch(
        GRAPH,
        variants=[{}],
        test_cases=[{"number": number, "how": "x" * 200_000} for number in range(200)],
        checkpoints="off",
        runner=runner,
    )
    until(lambda: batch.progress.counts["succeeded"] >= 5)
    other = sqlite3.connect(tmp_path / "store" / "wtb.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(7)
    other.close()
    batch.wait()
    assert {one.status for one in batch.results} == {"succeeded"}
    assert not [one for one in runner.actors.states() if one.status == "lost"]


def test_a_machine_that_goes_and_one_that_is_cut_off_lose_and_double_nothing(tmp_path):
    (tmp_path / "marks").mkdir()
    told = told_by("node_loss.py", store_at(tmp_path / "store"), str(tmp_path / "marks"))
    assert told["statuses"] == {"succeeded": 60}
    assert told["most ends of one"] == 1
    assert told["lost"] == 2
    assert told["a zombie lives"]
    assert told["begun and not recorded"] == [], "what the zombie had not begun it never began"


def test_without_the_head_of_the_cluster_the_actors_that_are_there_go_on(tmp_path):
    told = told_by("silent_head.py", store_at(tmp_path / "store"))
    assert told["statuses"] == {"succeeded": 40}
    assert told["lost"] <= 1
    # No further one can be made for the one that was killed.
    assert told["actors"] == {"lost": 1, "idle": 1, "stopped": 1}
