"""What goes wrong in nodes: attempts, retries, dead letters, giving up, threads that hang."""

import threading

import pytest
from bench_graphs import CASES, build, chain, fail_on_two, workflow

import wtb
from wtb import runners
from wtb.errors import ExecutionFailedError, WtbError


def fails_first(times):
    """A node that fails in its first attempts."""

    def node(state):
        if wtb.current().attempt <= times:
            raise ConnectionError(f"attempt {wtb.current().attempt}")
        return {"y": wtb.current().attempt}

    return node


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_failed_attempts_are_retried_and_recorded(bench, kinds, runner):
    batch = bench.run_batch(
        chain(node=fails_first(2)),
        variants=[{}],
        test_cases=CASES[:2],
        retries=2,
        backoff=0.01,
        runner=runner,
    )
    assert batch.status == "completed"
    for one in batch.results:
        assert one.output["y"] == 3
        assert [attempt.status for attempt in one.attempts] == ["failed", "failed", "succeeded"]
        assert str(one.attempts[0].error) == "node 'node': ConnectionError: attempt 1"
        assert [(node.attempt, node.status) for node in one.nodes] == [
            (1, "failed"),
            (2, "failed"),
            (3, "succeeded"),
        ]
    assert kinds(bench, batch).count("execution.retrying") == 4


def test_retries_are_held_back_longer_and_longer(bench):
    batch = bench.run_batch(
        chain(node=fails_first(2)), variants=[{}], test_cases=CASES[:1], retries=2, backoff=0.1
    )
    waits = [
        event.data["backoff_ms"]
        for event in bench.journal(batch=batch, kinds=["execution.retrying"])
    ]
    assert 50 <= waits[0] <= 100
    assert 100 <= waits[1] <= 200
    one, two, three = batch.results[0].attempts
    assert (two.started_at - one.finished_at).total_seconds() >= 0.04
    assert (three.started_at - two.finished_at).total_seconds() >= 0.09


def test_spent_retries_make_a_dead_letter_and_retry_takes_it_off(bench):
    mended = threading.Event()

    def node(state):
        if state["x"] == 1 and not mended.is_set():
            raise ValueError("broken")
        return {"y": 1}

    batch = bench.run_batch(chain(node=node), variants=[{}], test_cases=CASES, retries=1, backoff=0)
    assert batch.status == "completed_with_errors"
    (dead,) = bench.dead_letters()
    assert (dead.case_id, dead.attempts_made) == (batch.results[1].case_id, 2)
    assert bench.dead_letters(batch)[0].dead_letter
    with pytest.raises(ExecutionFailedError, match="broken"):
        batch.raise_for_status()
    mended.set()
    again = bench.retry(batch)
    assert again.status == "completed"
    assert again.raise_for_status() is again
    assert bench.dead_letters() == []
    assert batch.results[1].attempts_made == 3
    assert [one.attempts_made for one in batch.results] == [1, 3, 1, 1]


def test_one_execution_of_a_batch_is_retried(bench):
    batch = bench.run_batch(workflow, variants=[{"answer": "failing"}], test_cases=CASES, repeats=2)
    failed = [one for one in batch.results if one.status == "failed"]
    assert len(failed) == 2
    again = bench.retry(failed[0])
    assert (again.id, again.attempts_made, again.status) == (failed[0].id, 2, "failed")
    assert bench.execution(failed[1].id).attempts_made == 1
    everything = bench.retry(batch, errors_only=False)
    assert sum(one.attempts_made for one in everything.results) == 8 + 1 + 8


@pytest.mark.parametrize(("fail_fast", "failed"), [(True, 1), (3, 3), (0.5, 10)])
def test_a_batch_that_fails_too_often_is_given_up(bench, fail_fast, failed):
    batch = bench.run_batch(
        chain(node=lambda state: 1 / 0),
        variants=[{}],
        test_cases=[{"x": number} for number in range(30)],
        fail_fast=fail_fast,
        runner="inline",
    )
    assert batch.status == "failed"
    statuses = [one.status for one in batch.results]
    assert statuses.count("failed") == failed
    assert statuses.count("cancelled") == 30 - failed


def test_a_batch_that_fails_seldom_goes_on(bench):
    batch = bench.run_batch(
        chain(node=fail_on_two),
        variants=[{}],
        test_cases=[{"x": number} for number in range(20)],
        fail_fast=0.2,
    )
    assert batch.progress.failed == 1
    assert batch.progress.ended == 20


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit, BaseException])
def test_base_exceptions_cost_an_attempt_and_not_the_batch(bench, raised):
    def node(state):
        if state["x"] == 1:
            raise raised("a")
        return {"y": 1}

    batch = bench.run_batch(chain(node=node), variants=[{}], test_cases=CASES, max_workers=2)
    assert [one.status for one in batch.results] == ["succeeded", "failed", *["succeeded"] * 2]


def test_a_factory_that_fails_in_a_worker_costs_an_attempt(bench):
    made = threading.Lock()
    calls = []

    def factory():
        with made:
            calls.append(1)
            if len(calls) == 3:
                raise SystemExit("no graph today")
        return build()

    batch = bench.run_batch(
        factory, variants=[{}], test_cases=CASES, repeats=5, max_workers=4, retries=1, backoff=0
    )
    assert batch.status == "completed"


def test_a_thread_that_hangs_is_replaced_and_its_outcome_refused(bench, kinds, released, until):
    began = []

    def node(state):
        began.append(wtb.current().execution_id)
        if len(began) == 1:
            released.wait()
        return {"y": state["x"]}

    batch = bench.run_batch(
        chain(node=node), variants=[{}], test_cases=CASES, max_workers=1, timeout=1
    )
    assert batch.status == "completed_with_errors"
    assert sorted(one.status for one in batch.results) == [*["succeeded"] * 3, "timed_out"]
    timed_out = bench.execution(began[0])
    assert timed_out.error.type == "TimeoutError"
    assert [(one.worker, one.status) for one in timed_out.attempts] == [("thread-1", "timed_out")]
    events = {event.kind: event.data for event in bench.journal(batch=batch)}
    assert events["worker.failed"]["worker"] == "thread-1"
    assert events["worker.failed"]["completed"] == 0
    assert events["worker.replaced"] == {"worker": "thread-2", "replaces": "thread-1"}
    released.set()
    until(lambda: "attempt.fenced" in kinds(bench, batch))
    assert bench.execution(timed_out.id).status == "timed_out"


def test_an_execution_whose_thread_hangs_is_retried_on_another(bench, kinds, released):
    def node(state):
        if wtb.current().attempt == 1:
            released.wait()
        return {"y": wtb.current().attempt}

    batch = bench.run_batch(
        chain(node=node),
        variants=[{}],
        test_cases=CASES[:2],
        max_workers=1,
        timeout=1,
        retries=1,
        backoff=0,
    )
    assert [one.output["y"] for one in batch.results] == [2, 2]
    happened = kinds(bench, batch)
    assert happened.count("worker.failed") == happened.count("worker.replaced") == 2


def test_too_many_hanging_threads_end_the_batch_resumable(bench, released, monkeypatch):
    monkeypatch.setattr(runners, "MAX_STUCK_PER_WORKER", 1)
    monkeypatch.setattr(runners, "STUCK_GRACE_S", 0.01)
    with pytest.raises(WtbError, match="stuck in user code"):
        bench.run_batch(
            chain(node=lambda state: released.wait()),
            variants=[{}],
            test_cases=CASES,
            max_workers=1,
            timeout=0.05,
        )
    (batch,) = bench.batches()
    assert batch.is_resumable
    released.set()
    assert not bench.resume_batch(batch).is_unfinished


def test_each_thread_has_graphs_of_its_own(bench):
    barrier = threading.Barrier(3)
    seen = []

    def factory():
        state = []

        def node(given):
            state.append(threading.get_ident())
            seen.append(state)
            if len(seen) <= 3:
                barrier.wait(30)
            return {"y": 1}

        return chain(node=node)

    bench.run_batch(
        factory, variants=[{}], test_cases=CASES, repeats=3, max_workers=3
    ).raise_for_status()
    threads = [set(state) for state in {id(state): state for state in seen}.values()]
    assert len(threads) == 3
    assert all(len(idents) == 1 for idents in threads)


def test_langgraphs_store_does_not_leak_between_executions(bench):
    from langgraph.store.memory import InMemoryStore

    def node(state, *, store):
        found = len(store.search(("memory",)))
        store.put(("memory",), str(state["x"]), {"seen": True})
        return {"y": found}

    from langgraph.store.base import BaseStore

    node.__annotations__ = {"store": BaseStore}
    graph = chain(node=node).compile(store=InMemoryStore())
    batch = bench.run_batch(graph, variants=[{}], test_cases=CASES, max_workers=2)
    assert [one.output["y"] for one in batch.raise_for_status().results] == [0, 0, 0, 0]
