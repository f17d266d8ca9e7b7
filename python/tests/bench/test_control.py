"""Batches that run beside the program: pause, cancel, wait, progress, several at once, nested."""

import os
import threading
import warnings

import pytest
from bench_graphs import CASES, build, chain, is_positive, workflow
from stores import store_at

import wtb
from wtb import TestBench
from wtb.errors import BatchBusyError, ForkedProcessError, InvalidTransitionError, StoreError


@pytest.fixture
def gated(released):
    """A graph whose node waits for the test, and how many of its nodes have begun."""
    began = []

    def node(state):
        began.append(wtb.current().execution_id)
        released.wait()
        return {"y": state["x"]}

    return chain(node=node), began


def test_a_batch_is_paused_and_resumed(bench, kinds, until):
    begun, gate = threading.Semaphore(0), threading.Semaphore(0)

    def node(state):
        begun.release()
        gate.acquire()
        return {"y": state["x"]}

    batch = bench.start_batch(
        chain(node=node), variants=[{}], test_cases=CASES, repeats=5, max_workers=2
    )
    assert begun.acquire(timeout=30)
    assert begun.acquire(timeout=30)
    batch.pause()
    gate.release(2)
    until(lambda: batch.progress.ended == 2)
    assert batch.status == "paused"
    assert not begun.acquire(timeout=0.2), "a paused batch hands out nothing"
    with pytest.raises(InvalidTransitionError):
        batch.pause()
    batch.resume()
    with pytest.raises(InvalidTransitionError):
        batch.resume()
    gate.release(18)
    assert batch.wait(30).status == "completed"
    happened = kinds(bench, batch)
    assert happened.index("batch.paused") < happened.index("batch.resumed")
    for verb in (batch.pause, batch.resume, batch.cancel):
        with pytest.raises(InvalidTransitionError):
            verb()


def test_progress_while_it_runs_and_afterwards(bench, gated, released, until):
    graph, began = gated
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=2)
    until(lambda: len(began) == 2)
    progress = batch.progress
    assert (progress.total, progress.ended, progress.status) == (4, 0, "running")
    assert progress.counts["running"] == 2
    assert batch.is_under_way
    assert [one.status for one in batch.results].count("queued") >= 2
    with pytest.raises(TimeoutError, match="it goes on"):
        batch.wait(0.01)
    released.set()
    batch.wait(30)
    assert (batch.progress.ended, batch.progress.status) == (4, "completed")
    assert not batch.is_under_way
    assert [one.status for one in batch.results] == ["succeeded"] * 4


def test_a_batch_is_cancelled(bench, gated, until):
    graph, began = gated
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=2)
    until(lambda: len(began) == 2)
    bench.cancel(batch)
    assert batch.wait(30).status == "cancelled"
    assert {one.status for one in batch.results} == {"cancelled"}
    with pytest.raises(InvalidTransitionError, match="nothing to cancel"):
        bench.cancel(batch.id)


def test_cancelling_an_execution_leaves_the_others(bench, gated, released, until):
    graph, began = gated
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=1)
    until(lambda: len(began) == 1)
    waiting = next(one for one in batch.results if one.status == "queued")
    bench.cancel(waiting)
    assert bench.execution(waiting.id).status == "cancelled"
    with pytest.raises(InvalidTransitionError):
        bench.cancel(waiting)
    bench.cancel(began[0])
    # Its thread hangs still: another one takes over.
    until(lambda: len(began) == 2)
    released.set()
    assert batch.wait(30).status == "completed_with_errors"
    assert bench.execution(began[0]).status == "cancelled"
    assert sorted(one.status for one in batch.results) == [*["cancelled"] * 2, *["succeeded"] * 2]
    with pytest.raises(InvalidTransitionError, match="not under way"):
        bench.cancel(waiting.id)


def test_a_batch_that_was_left_is_cancelled_with_scores_outstanding(bench, released, until):
    def hangs(output):
        released.wait()
        return 1

    batch = bench.start_batch(
        build(), variants=[{}], test_cases=CASES, evaluators=[hangs], max_workers=1, window=2
    )
    until(lambda: batch.progress.unscored)
    batch.stop()
    batch.wait(30)
    assert batch.is_resumable
    bench.cancel(batch)
    assert batch.status == "cancelled"
    assert not batch.is_under_way


def test_the_function_that_shows_progress(bench):
    shown = []
    bench.run_batch(build(), variants=[{}], test_cases=CASES, progress=shown.append)
    assert shown[-1].ended == 4

    def raises(progress):
        raise ValueError("no screen")

    with pytest.warns(RuntimeWarning, match="raised ValueError: no screen; it is not called again"):
        batch = bench.run_batch(build(), variants=[{}], test_cases=CASES, progress=raises)
    assert batch.status == "completed"


def test_a_bar_goes_to_stderr(bench, capfd):
    bench.run_batch(build(), variants=[{}], test_cases=CASES, progress=True)
    told = capfd.readouterr()
    assert told.out == ""
    assert "4/4" in told.err


def test_two_threads_run_two_batches_in_one_bench(bench):
    found = {}

    def run(amount):
        graph = chain(node=lambda state: {"y": state["x"] * amount})
        found[amount] = bench.run_batch(graph, variants=[{}], test_cases=CASES, repeats=5)

    threads = [threading.Thread(target=run, args=(amount,)) for amount in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for amount in (1, 2):
        assert [one.output["y"] for one in found[amount].results] == [
            case["x"] * amount for case in CASES for _ in range(5)
        ]


def test_only_one_of_two_threads_takes_a_batch_up(bench, gated, released):
    batch = bench.start_batch(gated[0], variants=[{}], test_cases=CASES)
    batch.stop()
    batch.wait(30)
    released.set()
    told = []

    def resume():
        try:
            told.append(bench.resume_batch(batch.id).status)
        except BatchBusyError as error:
            told.append(type(error))

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(told) <= {"completed", BatchBusyError}
    assert "completed" in told
    accepted = [attempt.status for one in batch.results for attempt in one.attempts]
    assert accepted.count("succeeded") == 4


def test_several_benches_share_a_store(bench, tmp_path, gated, released, until):
    graph, began = gated
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=1)
    until(lambda: began)
    with TestBench(store_at(tmp_path / "store")) as other:
        seen = other.batch(batch.id)
        until(lambda: seen.status == "running")
        assert not seen.is_under_way
        assert not seen.is_resumable
        for refused in (other.resume_batch, other.cancel):
            with pytest.raises(BatchBusyError, match="live session"):
                refused(batch.id, **({"workflow": graph} if refused != other.cancel else {}))
        with pytest.raises(InvalidTransitionError, match="not under way in this program"):
            seen.wait(1)
        own = other.run_batch(build(), variants=[{}], test_cases=CASES)
        released.set()
        batch.wait(30)
        assert seen.status == own.status == "completed"
        assert {one.id for one in bench.batches()} == {batch.id, own.id}


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_a_node_may_use_the_bench(bench, runner):
    def node(state):
        outer = wtb.current().execution_id
        inner = bench.run(workflow, {"x": state["x"]})
        batch = bench.run_batch(build(), variants=[{}], test_cases=[state], runner=runner)
        assert wtb.current().execution_id == outer
        return {"y": [inner.output["y"], batch.results[0].output["y"], inner.id != outer]}

    batch = bench.run_batch(chain(node=node), variants=[{}], test_cases=CASES[:2], runner=runner)
    assert [one.output["y"] for one in batch.raise_for_status().results] == [
        [10, 10, True],
        [20, 20, True],
    ]


def test_a_fork_cannot_use_the_bench_and_does_not_hurt_it(bench, gated, released, until):
    graph, began = gated
    done = bench.run_batch(build(), variants=[{}], test_cases=CASES)
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=2)
    until(lambda: len(began) == 2)
    refusals = [
        lambda: bench.run(build(), {"x": 1}),
        lambda: bench.run_batch(build(), variants=[{}], test_cases=CASES),
        lambda: bench.batches(),
        lambda: bench.execution("latest"),
        lambda: done.results,
        lambda: done.status,
        lambda: bench.score(done, [is_positive]),
        lambda: list(bench.journal()),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks with threads.
        child = os.fork()
    if child == 0:
        missing = 0
        for number, use in enumerate(refusals):
            try:
                use()
            except ForkedProcessError:
                continue
            except BaseException:
                missing = missing or 100 + number
            else:
                missing = missing or 1 + number
        bench.close()
        os._exit(missing)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    released.set()
    assert batch.wait(30).status == "completed"
    assert bench.run(build(), {"x": 1}).succeeded


def test_a_closed_bench_runs_nothing_and_can_be_read(bench, gated, until, released):
    graph, began = gated
    done = bench.run_batch(build(), variants=[{}], test_cases=CASES)
    batch = bench.start_batch(graph, variants=[{}], test_cases=CASES, max_workers=2)
    until(lambda: len(began) == 2)
    bench.close()
    bench.close()
    for use in (
        lambda: bench.run(build(), {"x": 1}),
        lambda: bench.run_batch(build(), variants=[{}], test_cases=CASES),
        lambda: bench.resume_batch(batch),
        lambda: bench.score(done, [is_positive]),
    ):
        with pytest.raises(StoreError, match="closed"):
            use()
    released.set()
    until(lambda: not [one for one in threading.enumerate() if one.name.startswith("wtb-thread")])
    assert batch.is_resumable
    assert {one.status for one in batch.results} == {"queued"}
    assert [one.output["y"] for one in done.results] == [10, 20, 30, 40]
    assert done.results[0].nodes[0].output == {"x": 1}
    assert done.status == "completed"
