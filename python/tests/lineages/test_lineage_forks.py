"""Fork: a new execution whose history begins where another one stands or stood."""

import pytest
from langgraph.types import Command
from lineage_graphs import Breaks, State, abc, add, ask, chain, fork_and_join, has_many, loop
from oracle import assert_ends_alike
from stores import file_only

from wtb import Variant, Workflow
from wtb.errors import ConfigurationError, InvalidTransitionError


@pytest.fixture
def of(rows, bench):
    """All that the store has of one execution, but for the journal's later events."""

    def of(execution):
        bench._core.engine.flush()
        found = rows()
        wanted = {
            name: [one for one in found[name] if execution.id in one]
            for name in ("executions", "lineages", "journal")
        }
        keys = {one.split(",")[0].strip("(") for one in wanted["lineages"]}
        for name in ("checkpoints", "writes"):
            wanted[name] = [one for one in found[name] if one.split(", ")[1] in keys]
        # What was forked from it names it.
        wanted["executions"] = [
            one
            for one in wanted["executions"]
            if one.count(execution.id) == 1 and f"'{execution.id}'" in one.split(", ")[1]
        ]
        wanted["journal"] = [one for one in wanted["journal"] if "execution.forked" not in one]
        return wanted

    return of


def test_the_source_stays_as_it_is(bench, of):
    file_only()
    source = bench.run(abc(), {"x": 0, "log": ["begin"]})
    before = of(source)
    assert before["checkpoints"]
    assert before["executions"]
    fork = bench.fork(source, after="a", update={"x": 100, "log": ["u"]})
    assert of(source) == before
    end = bench.resume(fork)
    assert end.output == {"x": 102, "log": ["begin", "a", "u", "b", "c"]}
    bench.rollback(fork, before="a")
    bench.resume(fork)
    assert of(source) == before
    again = bench.execution(source.id)
    assert (again.output, again.status) == (source.output, "succeeded")


def test_what_a_fork_is(bench):
    source = bench.run(abc(), {"x": 0}, seed=7)
    fork = bench.fork(source, after="b")
    assert (fork.status, fork.parent_id, fork.batch_id) == ("paused", source.id, None)
    assert (fork.output, fork.error, fork.attempts_made, [*fork.nodes]) == (None, None, 0, [])
    assert (fork.seed, fork.case_id, fork.input) == (7, source.case_id, source.input)
    assert fork.state == {"x": 2, "log": ["a", "b"]}
    shared = bench.checkpoints(source)[:4]
    assert [one.id for one in bench.checkpoints(fork)] == [one.id for one in shared]
    assert bench.execution(fork.id[:9]).id == fork.id
    assert [node.node for node in bench.resume(fork).nodes] == ["c"]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("as_node", [None, "a", "b", "c"])
def test_an_update_goes_through_reducers_as_langgraphs_does(bench, memory, at, as_node):
    graph, thread = memory(abc())
    graph.invoke({"x": 0, "log": ["begin"]}, thread)
    history = [*graph.get_state_history(thread)][::-1]
    source = bench.run(abc(), {"x": 0, "log": ["begin"]})
    update = {"x": 50, "log": ["updated"]}
    theirs = graph.update_state(history[at].config, update, as_node=as_node)
    place = bench.checkpoints(source)[at]
    fork = bench.fork(source, at=place, update=update, as_node=as_node)
    told = graph.get_state(theirs)
    assert fork.state == told.values
    last = bench.checkpoints(fork)[-1]
    assert (last.next, last.source, last.step) == (told.next, "update", told.metadata["step"])
    assert bench.resume(fork).state == graph.invoke(None, theirs)


def test_an_update_that_is_a_command(bench, memory):
    def make():
        return chain(*((name, lambda state, name=name: {"log": [name]}) for name in "abc"))

    graph, thread = memory(make())
    graph.invoke({"x": 0, "log": ["begin"]}, thread)
    history = [*graph.get_state_history(thread)][::-1]
    update = Command(update={"log": ["u"]}, goto="c")
    theirs = graph.update_state(history[2].config, update, as_node="a")
    source = bench.run(make(), {"x": 0, "log": ["begin"]})
    fork = bench.fork(source, after="a", update=update, as_node="a")
    assert_ends_alike(bench.resume(fork).state, graph.invoke(None, theirs))


def test_a_fork_of_one_that_failed_keeps_what_ran_beside(bench, memory):
    """An update where it stands counts what finished siblings have written, as LangGraph's does."""
    ran, breaks = [], Breaks("c")

    def make(breaks):
        return fork_and_join("bc", b=lambda state: ran.append("b") or {"log": ["b"]}, c=breaks)

    graph, thread = memory(make(theirs := Breaks("c")))
    with pytest.raises(ValueError, match="broken"):
        graph.invoke({"x": 0, "log": []}, thread)
    source = bench.run(make(breaks), {"x": 0, "log": []})
    breaks.broken = theirs.broken = False
    ran.clear()
    fork = bench.fork(source)
    end = bench.resume(fork)
    assert ran == [], "b is not run again"
    assert end.output["log"] == ["a", "b", "c", "d"]
    updated = graph.update_state(thread, {"log": ["u"]}, as_node="a")
    other = bench.fork(source, update={"log": ["u"]}, as_node="a")
    assert_ends_alike(other.state, graph.get_state(thread).values)
    assert_ends_alike(bench.resume(other).state, graph.invoke(None, updated))


def test_another_variant_is_laid_over_the_sources(bench):
    def reads(state, config, runtime):
        given = config["configurable"]
        return {"y": [given.get("k"), given.get("l"), runtime.context]}

    from langchain_core.runnables import RunnableConfig
    from langgraph.graph import StateGraph
    from langgraph.runtime import Runtime

    reads.__annotations__ = {"config": RunnableConfig, "runtime": Runtime}

    def factory(first="f", second="s"):
        graph = StateGraph(State)
        graph.add_node("a", lambda state: {"log": [first, second]})
        graph.add_node("b", add("b"))
        graph.add_node("reads", reads)
        graph.set_entry_point("a")
        graph.add_edge("a", "b")
        graph.add_edge("b", "reads")
        return graph

    below = Variant(
        "below",
        nodes={"b": add("below")},
        config={"configurable": {"k": 1}},
        context={"who": "below", "kept": True},
        params={"first": "F"},
    )
    over = Variant(
        "over",
        config={"configurable": {"l": 2}},
        context={"who": "over"},
        params={"second": "S"},
    )
    source = bench.run(factory, {"x": 0}, variant=below, config={"configurable": {"k": 0}})
    assert source.output["y"] == [1, None, {"who": "below", "kept": True}]
    fork = bench.resume(bench.fork(source, before="a", variant=over))
    assert fork.variant == "over"
    assert fork.output["log"] == ["F", "S", "below"]
    assert fork.output["y"][1:] == [2, {"who": "over", "kept": True}]
    assert fork.output["y"][0] == 1, "a source's config stays where the other one says nothing"
    node = bench.resume(bench.fork(source, after="a", variant={"b": add("other")}))
    assert node.output["log"] == ["F", "s", "other"]
    plain = bench.fork(source, after="a")
    assert (plain.variant, bench.resume(plain).output) == ("below", source.output)


def test_registered_variants_by_their_names(bench):
    from lineage_graphs import workflow

    source = bench.run(workflow, {"x": 1})
    fork = bench.resume(bench.fork(source, before="b", variant={"b": "negated"}))
    assert (fork.variant, fork.output["y"], fork.output["log"]) == ("b=negated", -2, ["a", "c"])


LETTERS = {name: add(name.upper()) for name in "abc"}


@pytest.mark.parametrize("more", [{}, {"extra": add("E")}])
def test_another_workflow_goes_on(bench, more):
    source = bench.run(abc(), {"x": 0})
    fork = bench.fork(source, after="a", workflow=Workflow("other", chain(**LETTERS, **more)))
    assert fork.workflow == "other"
    assert bench.resume(fork).output["log"] == ["a", "B", "C", *(["E"] if more else [])]


def test_another_graph_of_a_variant_goes_on(bench):
    source = bench.run(abc(), {"x": 0})
    other = Variant("other", graph=lambda: chain(**LETTERS, extra=add("E")))
    fork = bench.resume(bench.fork(source, after="a", variant=other))
    assert (fork.variant, fork.output["log"]) == ("other", ["a", "B", "C", "E"])


def test_forks_of_forks(bench):
    source = bench.run(loop(5), {"x": 0})
    first = bench.fork(source, before="turn", occurrence=2, update={"log": ["one"]})
    second = bench.fork(first, update={"log": ["two"]})
    third = bench.fork(second, before="turn", occurrence=0)
    assert [one.parent_id for one in (first, second, third)] == [source.id, first.id, second.id]
    assert bench.resume(second).output["log"] == [*["turn"] * 2, "one", "two", *["turn"] * 3, "end"]
    assert bench.resume(third).output == source.output
    assert bench.resume(first).output["log"].count("two") == 0


def test_one_that_asks_can_be_answered_differently_by_its_forks(bench):
    source = bench.run(chain(a=add("a"), ask=ask, b=add("b")), {"x": 0})
    forks = [bench.fork(source) for _ in range(3)]
    assert {one.status for one in forks} == {"interrupted"}
    asked = {one.interrupts[0].value for one in forks}
    assert asked == {"who?"}
    for number, fork in enumerate(forks):
        assert bench.resume(fork, answer=number).output["log"] == ["a", number, "b"]
    assert bench.execution(source.id).status == "interrupted"
    assert bench.resume(source, answer="source").output["log"] == ["a", "source", "b"]
    late = bench.fork(source, before="ask")
    assert late.status == "paused"
    assert bench.resume(late).status == "interrupted"


def test_one_that_succeeded_can_be_forked_at_its_end(bench):
    ran = []
    source = bench.run(abc(ran), {"x": 0})
    fork = bench.fork(source)
    assert (fork.status, fork.state) == ("paused", source.state)
    ran.clear()
    end = bench.resume(fork)
    assert (end.status, end.output, ran) == ("succeeded", source.output, [])
    again = bench.fork(source, update={"log": ["u"]}, as_node="b")
    assert bench.resume(again).output["log"] == ["a", "b", "c", "u", "c"]


def test_a_cells_fork_has_its_case_and_is_scored_as_it_is(bench):
    workflow = Workflow("letters", abc)
    batch = bench.run_batch(
        workflow,
        variants=[{}, {"c": add("C")}],
        test_cases=[{"x": 0}, {"x": 5}],
        evaluators=[has_many],
    )
    before = [(one.id, one.status, one.output, one.scores) for one in batch.results]
    cell = batch.results[3]
    fork = bench.fork(cell, after="a", update={"log": ["u", "v"]})
    assert (fork.batch_id, fork.parent_id, fork.variant) == (None, cell.id, cell.variant)
    assert (fork.case_id, fork.input) == (cell.case_id, cell.input)
    end = bench.resume(fork)
    assert end.output["log"] == ["a", "u", "v", "b", "C"]
    assert end.scores == {"has_many": 5}
    twice = bench.resume(bench.fork(fork, before="c"))
    assert twice.scores == {"has_many": 5}
    now = bench.batch(batch.id)
    assert [(one.id, one.status, one.output, one.scores) for one in now.results] == before
    assert len(now) == 4


def test_a_cell_is_forked_while_its_batch_runs(bench, released, until):
    def waits(state):
        if state["x"] > 1:
            released.wait(30)
        return {"log": ["waited"]}

    batch = bench.start_batch(
        chain(a=add("a"), waits=waits),
        variants=[{}],
        test_cases=[{"x": n} for n in range(2)],
        max_workers=2,
    )
    until(lambda: batch.progress.counts["running"] == 1 and batch.progress.ended == 1)
    until(lambda: bench.executions(batch=batch, status="succeeded"))
    (ended,) = bench.executions(batch=batch, status="succeeded")
    assert bench.resume(bench.fork(ended, after="a")).output == ended.output
    until(lambda: bench.executions(batch=batch, status="running"))
    (running,) = bench.executions(batch=batch, status="running")
    until(lambda: len(bench.checkpoints(running)) == 3)
    with pytest.raises(InvalidTransitionError, match="running"):
        bench.fork(running)
    fork = bench.fork(running, after="a")
    released.set()
    assert bench.resume(fork).output["log"] == ["a", "waited"]
    batch.wait(30)
    assert [one.status for one in batch.results] == ["succeeded"] * 2


def test_as_node_without_an_update(bench, refused):
    source = bench.run(abc(), {"x": 0})
    with refused(ConfigurationError, "pass update="):
        bench.fork(source, as_node="a")
