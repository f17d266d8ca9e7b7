"""Rollback: an execution stands again where it stood, and what came after stays in the store."""

import pytest
from langgraph.types import interrupt
from lineage_graphs import Breaks, abc, add, ask, chain, has_many, loop
from stores import file_only

from wtb import Workflow
from wtb.errors import InvalidTransitionError


def steps(bench, execution):
    return [one.step for one in bench.checkpoints(execution) if not one.path]


def test_before_and_after_a_node(bench):
    ran = []
    execution = bench.run(abc(ran), {"x": 0, "log": ["begin"]})
    for where, state, again in (
        ({"before": "b"}, ["begin", "a"], ["b", "c"]),
        ({"after": "b"}, ["begin", "a", "b"], ["c"]),
        ({"before": "a"}, ["begin"], ["a", "b", "c"]),
        ({"after": "c"}, ["begin", "a", "b", "c"], []),
    ):
        back = bench.rollback(execution, **where)
        assert (back.id, back.status, back.state["log"]) == (execution.id, "paused", state)
        ran.clear()
        end = bench.resume(back)
        assert (end.status, ran) == ("succeeded", again)
        assert end.output == execution.output


def test_at_a_checkpoint_its_id_or_a_prefix_of_it(bench):
    execution = bench.run(abc(), {"x": 0})
    found = bench.checkpoints(execution)[2]
    for at in (found, found.id, found.id[:-1]):
        back = bench.rollback(execution, at=at)
        assert bench.checkpoints(back)[-1].id == found.id
        assert back.state == found.values


@pytest.mark.parametrize(
    ("occurrence", "x", "again"), [(0, 0, 4), (1, 1, 3), (3, 3, 1), (-1, 3, 1), (-4, 0, 4)]
)
def test_one_of_several_turns_of_a_loop(bench, occurrence, x, again):
    ran = []
    execution = bench.run(loop(4, ran), {"x": 0})
    back = bench.rollback(execution, before="turn", occurrence=occurrence)
    assert back.state["x"] == x
    ran.clear()
    assert bench.resume(back).output == execution.output
    assert ran == ["turn"] * again + ["end"]
    after = bench.rollback(execution, after="turn", occurrence=occurrence)
    assert after.state["x"] == x + 1


def test_an_older_lineage_stays_as_it_was_and_can_be_gone_back_to(bench, rows):
    file_only()

    def of_first(found):
        """All that the store has of the first lineage."""
        kept = {key for key in ids(found, "lineages") if f"{execution.id}/1'" in key}
        (key,) = {one.split(",")[0].strip("(") for one in kept}
        return [
            [one for one in found[name] if one.split(", ")[1] == key]
            for name in ("checkpoints", "writes")
        ]

    def ids(found, name):
        return found[name]

    execution = bench.run(abc(), {"x": 0, "log": []})
    first = bench.checkpoints(execution)
    bench._core.engine.flush()
    before = of_first(rows())
    assert all(before)
    bench.rollback(execution, after="a")
    bench.resume(execution, update={"log": ["other"]})
    third = bench.rollback(execution, at=first[-1].id)
    assert third.state["log"] == ["a", "b", "c"]
    bench._core.engine.flush()
    assert of_first(rows()) == before
    assert [one.id for one in bench.checkpoints(third)] == [one.id for one in first]
    assert third.thread_id.endswith("/3")


def test_what_a_lineage_went_on_to_before_is_no_part_of_it(bench):
    execution = bench.run(abc(), {"x": 0, "log": []})
    bench.rollback(execution, after="a")
    assert steps(bench, execution) == [-1, 0, 1]
    changed = bench.resume(execution, update={"log": ["u"], "x": 100})
    assert changed.state == {"x": 102, "log": ["a", "u", "b", "c"]}
    back = bench.rollback(execution, before="c")
    assert back.state == {"x": 101, "log": ["a", "u", "b"]}


def test_a_checkpoint_in_a_subgraph_stands_for_the_whole_subgraph(bench):
    ran = []
    middle = chain(inner=abc(ran).compile(), last=add("last", ran)).compile()
    graph = chain(first=add("first", ran), middle=middle, end=add("end", ran))
    execution = bench.run(graph, {"x": 0, "log": []})
    inside = [one for one in bench.checkpoints(execution) if one.path == "middle/inner"]
    places = [{"before": "middle/inner/b"}, {"after": "middle/last"}, {"at": inside[2]}]
    for place in [*places, {"before": "middle"}]:
        back = bench.rollback(execution, **place)
        assert back.state["log"] == ["first"]
        ran.clear()
        assert bench.resume(back).output == execution.output
        assert ran == ["a", "b", "c", "last", "end"]


def test_a_subgraph_that_remembers_goes_back_with_the_graph(bench, memory):
    def make():
        graph = chain(sub=chain(one=add("one")).compile(checkpointer=True), end=add("end"))
        graph.edges.discard(("end", "__end__"))
        graph.add_conditional_edges(
            "end", lambda state: "sub" if len(state["log"]) < 12 else "__end__"
        )
        return graph

    compiled, thread = memory(make())
    expected = compiled.invoke({"x": 0, "log": []}, thread)
    past = [one for one in compiled.get_state_history(thread) if one.next == ("sub",)]
    assert compiled.invoke(None, past[-2].config) == expected, "LangGraph goes back to it"
    execution = bench.run(make(), {"x": 0, "log": []})
    assert execution.output == expected
    back = bench.rollback(execution, before="sub", occurrence=1)
    assert bench.resume(back).output == expected


def test_what_a_result_was_is_gone_with_it(bench):
    def logs(state):
        import wtb

        wtb.log_metric("m", 1)
        return {"log": [interrupt("who?")]}

    breaks = Breaks()
    execution = bench.run(chain(a=add("a"), breaks=breaks), {"x": 0})
    assert (execution.status, execution.error.type) == ("failed", "ValueError")
    back = bench.rollback(execution, before="a")
    assert (back.error, back.output, back.interrupts, back.duration_s) == (None, None, [], None)
    asking = bench.run(chain(a=add("a"), ask=logs), {"x": 0})
    assert asking.interrupts
    back = bench.rollback(asking, after="a")
    assert (back.status, back.interrupts, back.metrics) == ("paused", [], {})
    assert bench.resume(back).status == "interrupted", "it asks again"


def test_a_cell_goes_back_beside_the_result_of_its_batch(bench):
    batch = bench.run_batch(
        Workflow("w", abc), variants=[{}], test_cases=[{"x": 0}], evaluators=[has_many]
    )
    (cell,) = batch.results
    back = bench.rollback(cell, before="b")
    assert (back.id, back.status, back.output, back.scores) == (cell.id, "paused", None, {})
    assert (back.batch_id, back.case_id, back.input) == (batch.id, cell.case_id, cell.input)
    assert bench.execution(cell.id).status == "paused"
    (pinned,) = bench.batch(batch.id).results
    assert (pinned.status, pinned.output, pinned.scores) == ("succeeded", cell.output, cell.scores)
    assert bench.batch(batch.id).status == "completed"


def test_what_is_under_way_is_not_put_back(bench, refused, released, until):
    def waits(state):
        released.wait(30)
        return {"log": ["waited"]}

    batch = bench.start_batch(
        chain(a=add("a"), waits=waits, b=add("b")),
        variants=[{}],
        test_cases=[{"x": n} for n in range(2)],
        max_workers=1,
    )
    until(lambda: batch.progress.counts["running"] == 1)
    until(lambda: bench.executions(batch=batch, status="running"))
    (running,) = bench.executions(batch=batch, status="running")
    until(lambda: len(bench.checkpoints(running)) == 3)
    with refused(InvalidTransitionError, "running"):
        bench.rollback(running, before="a")
    (queued,) = bench.executions(batch=batch, status="queued")
    with refused((InvalidTransitionError, LookupError)):
        bench.rollback(queued, before="a")
    released.set()
    batch.wait(30)
    assert {one.status for one in batch.results} == {"succeeded"}
    assert bench.rollback(running, before="a").status == "paused"


def test_a_cell_that_awaits_its_next_attempt_is_not_put_back(bench, refused, until):
    breaks = Breaks()
    batch = bench.start_batch(
        chain(a=add("a"), breaks=breaks),
        variants=[{}],
        test_cases=[{"x": 0}],
        retries=5,
        backoff=30,
    )
    until(lambda: batch.progress.retried == 1)
    (cell,) = batch.results
    with refused(InvalidTransitionError):
        bench.rollback(cell, after="a")
    with refused(InvalidTransitionError):
        bench.fork(cell)
    batch.cancel()
    batch.wait(30)
    assert bench.rollback(cell, after="a").status == "paused"


def test_a_question_can_be_gone_back_to_and_answered_differently(bench):
    execution = bench.run(chain(a=add("a"), ask=ask, b=add("b")), {"x": 0})
    first = bench.resume(execution, answer="one")
    assert first.output["log"] == ["a", "one", "b"]
    back = bench.rollback(execution, before="ask")
    assert back.status == "paused"
    again = bench.resume(back)
    assert (again.status, [one.value for one in again.interrupts]) == ("interrupted", ["who?"])
    assert bench.resume(again, answer="two").output["log"] == ["a", "two", "b"]


def test_back_at_the_input_the_start_comes_next(bench, memory):
    graph, thread = memory(abc())
    graph.invoke({"x": 0, "log": []}, thread)
    first = [*graph.get_state_history(thread)][-1]
    execution = bench.run(abc(), {"x": 0, "log": []})
    back = bench.rollback(execution, at=bench.checkpoints(execution)[0])
    assert bench.checkpoints(back)[-1].next == first.next
    assert bench.resume(back).output == execution.output
