"""What happens to histories between one call and the next, and in calls that are cut short."""

import asyncio
import threading

import pytest
from lineage_graphs import Breaks, State, abc, add, ask, chain

import wtb
from wtb._place import Named, find_place
from wtb._resume import Given, going_on
from wtb.errors import InvalidTransitionError, WorkflowNotBoundError


@pytest.fixture
def meanwhile(bench, monkeypatch):
    """Does something after a call has looked at an execution, and before it takes it up."""
    import wtb._resume

    def meanwhile(act):
        known_of = wtb._resume.known_of

        def known_and_act(*arguments, **options):
            found = known_of(*arguments, **options)
            monkeypatch.setattr(wtb._resume, "known_of", known_of)
            act()
            return found

        monkeypatch.setattr(wtb._resume, "known_of", known_and_act)

    return meanwhile


def test_an_update_is_for_the_head_that_it_was_worked_out_for(bench, meanwhile):
    ran = []
    execution = bench.run(abc(ran), {"x": 0, "log": []}, breakpoints=["b", "c"])
    bench_checkpoints = bench.checkpoints(execution)
    meanwhile(lambda: bench.rollback(execution, before="a"))
    with pytest.raises(InvalidTransitionError):
        bench.resume(execution, update={"x": 70})
    found = bench.execution(execution.id)
    assert (found.status, found.state) == ("paused", {"x": 0, "log": []})
    assert len(bench_checkpoints) == 3
    assert bench.resume(execution).status == "paused", "at the first breakpoint again"
    assert ran == ["a", "a"]


def test_an_answer_is_for_the_head_that_asked(bench, meanwhile):
    execution = bench.run(chain(a=add("a"), ask=ask, b=add("b")), {"x": 0, "log": []})
    meanwhile(lambda: bench.rollback(execution, before="a"))
    with pytest.raises(InvalidTransitionError):
        bench.resume(execution, answer="me")
    assert bench.execution(execution.id).status == "paused"


def test_many_that_roll_back_at_once_each_open_a_lineage(bench, store):
    execution = bench.run(abc(), {"x": 0, "log": []})
    opened, refused = [], []

    def roll_back(bench):
        for _ in range(10):
            try:
                opened.append(bench.rollback(execution, before="b").thread_id)
            except InvalidTransitionError as error:
                refused.append(error)

    with wtb.TestBench(store) as other:
        threads = [threading.Thread(target=roll_back, args=(one,)) for one in (bench, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = bench.execution(execution.id)
    told = [
        event.data["thread"]
        for event in bench.journal(execution=execution)
        if event.kind == "execution.rolled_back"
    ]
    assert len(told) == len(set(told)) == found.lineages - 1
    assert len(opened) + len(refused) == 40
    for number in range(2, found.lineages + 1):
        rows = bench._core.checkpoints.steps(f"{execution.id}/{number}")
        assert len(rows) == 3, "each holds the way to the place, and nothing else"


def test_what_nothing_was_stored_of_is_neither_updated_nor_answered(bench, refused):
    def fails(state):
        raise ValueError("broken")

    execution = bench.run(chain(a=fails), {"x": 0}, checkpoints="exit")
    bench._core.checkpoints.delete_thread(execution.thread_id)
    with refused(InvalidTransitionError, "no checkpoints"):
        bench.resume(execution, update={"x": 5})
    assert bench.resume(execution).status == "failed", "it begins anew"


def test_a_fork_whose_making_is_cut_short_is_not_there(bench):
    execution = bench.run(abc(), {"x": 0, "log": []})
    place = find_place(bench._core.checkpoints, execution, Named(before="b"))
    prepared = bench._core.lineages.prepare_fork(
        execution.key, place.lineage, place.checkpoint.id, False
    )
    assert [one.id for one in bench.executions()] == [execution.id]
    with pytest.raises(wtb.NotFoundError):
        bench.execution(prepared)


def test_a_call_that_is_cancelled_leaves_nothing_under_way(bench):
    broken = Breaks()
    execution = bench.run(chain(a=add("a"), b=broken), {"x": 0, "log": []})

    async def cut():
        task = asyncio.create_task(bench.aresume(execution))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for _ in range(5):
        asyncio.run(cut())
        assert bench.execution(execution.id).status in ("failed", "cancelled")
    broken.broken = False
    assert bench.resume(execution).succeeded


def test_what_a_cell_went_on_to_does_not_decide_what_its_batch_retries(bench):
    broken = Breaks()
    graph = chain(a=add("a"), b=broken)
    batch = bench.run_batch(graph, variants=[{}], test_cases=[{"x": 0, "log": []}])
    (cell,) = batch.results
    assert cell.status == "failed"
    broken.broken = False
    assert bench.resume(cell).succeeded
    assert bench.batch(batch.id).results[0].status == "failed"
    assert bench.retry(bench.execution(cell.id)).succeeded
    assert bench.batch(batch.id).results[0].succeeded
    bench.rollback(cell, before="b")
    broken.broken = True
    assert bench.resume(cell).status == "failed"
    bench.retry(bench.execution(cell.id))
    assert bench.batch(batch.id).results[0].succeeded, "it had succeeded there, and stays so"


def test_one_listing_has_each_execution_once(bench):
    batch = bench.run_batch(
        chain(a=add("a"), b=Breaks()), variants=[{}], test_cases=[{"x": 0, "log": []}]
    )
    (cell,) = batch.results
    assert bench.resume(cell).status == "failed"
    assert [one.id for one in bench.executions()] == [cell.id]
    assert [one.id for one in bench.executions(status="failed")] == [cell.id]
    assert len(bench.dead_letters()) <= 1


def test_resuming_cells_does_not_make_a_bench_forget_their_batch(bench):
    graph = chain(a=add("a"), ask=ask)
    cases = [{"x": number, "log": []} for number in range(70)]
    batch = bench.run_batch(graph, variants=[{"a": lambda state: {"x": 1}}], test_cases=cases)
    for cell in batch.results:
        assert bench.resume(cell, answer="yes").succeeded
    assert bench.retry(batch, errors_only=False).results


def test_a_variant_that_cannot_be_found_again_does_not_hold_up_its_neighbours(bench, later):
    variants = [{}, wtb.Variant("odd", nodes={"a": lambda state: {"x": 1}})]
    batch = bench.run_batch(
        "lineage_graphs:workflow", variants=variants, test_cases=[{"x": 0, "log": []}]
    )
    baseline, odd = batch.results
    after = later()
    fork = after.fork(baseline.id, before="b")
    assert after.resume(fork).succeeded
    with pytest.raises(WorkflowNotBoundError, match="cannot be found again"):
        after.fork(odd.id, before="b")


def test_one_execution_can_be_scored_by_itself(bench):
    execution = bench.run(abc(), {"x": 0, "log": []})

    def size(output):
        return len(output["log"])

    assert bench.score(execution, [size]).scores == {"size": 3.0}
    fork = bench.fork(execution, before="c", update={"log": ["u"]})
    with pytest.raises(InvalidTransitionError, match="nothing to score"):
        bench.score(fork, [size])
    assert bench.score(bench.resume(fork), [size]).scores == {"size": 4.0}


def test_a_retried_fork_is_scored_as_a_resumed_one(bench):
    broken = Breaks()
    batch = bench.run_batch(
        chain(a=add("a"), b=broken),
        variants=[{}],
        test_cases=[wtb.Case({"x": 0, "log": []}, 2)],
        evaluators=[wtb.evaluators.exact_match("x")],
    )
    fork = bench.fork(batch.results[0], before="b")
    assert bench.resume(fork).status == "failed"
    broken.broken = False
    again = bench.retry(bench.execution(fork.id), from_checkpoint=True)
    assert (again.status, [*again.scores]) == ("succeeded", ["exact_match"])


def test_what_did_not_change_is_no_change_whatever_its_size(bench):
    def step(state: State) -> State:
        return {"x": state["x"] + 1}

    for size in (500, 600, 2_000, 2_100, 3_000, 4_000, 5_000):
        execution = bench.run(chain(a=step, b=step), {"x": 0, "y": "y" * size})
        changes = [one.changes for one in bench.checkpoints(execution)]
        assert changes[-2:] == [("x",), ("x",)], size


def test_going_on_needs_no_second_look(bench):
    execution = bench.run(abc(), {"x": 0, "log": []}, breakpoints=["b"])
    going = going_on(bench._core, bench.execution(execution.id), Given())
    with pytest.raises(InvalidTransitionError, match="under way"):
        bench.resume(execution)
    bench.cancel(bench.execution(execution.id))
    going.drive.close()
    assert bench.execution(execution.id).status == "cancelled"
