"""Ids of checkpoints come from clocks, and clocks jump."""

import time

import pytest
from lineage_graphs import Breaks, add, ask_twice, asking, chain, loop


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock that LangGraph makes ids of."""
    real = time.time_ns

    def clock(seconds):
        monkeypatch.setattr("langgraph.checkpoint.base.id._last_v6_timestamp", None)
        monkeypatch.setattr(time, "time_ns", lambda: real() + seconds * 10**9)

    return clock


def is_backwards(bench, execution):
    ids = [one.id for one in bench.checkpoints(execution) if not one.path]
    return ids != sorted(ids)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_nothing_runs_again_after_a_clock_jumped_back(bench, clock, turns):
    ran = []
    nodes = {f"n{n}": add(f"n{n}", ran) for n in range(turns)}
    execution = bench.run(
        chain(a=add("a", ran), ask=ask_twice, **nodes, end=add("end", ran)),
        {"x": 0},
        breakpoints=["end"],
    )
    clock(-3600)
    execution = bench.resume(execution, answer="1")
    clock(-7200)
    execution = bench.resume(execution, answer="2")
    assert execution.status == "paused"
    assert bench.checkpoints(execution)[-1].next == ("end",)
    clock(-10800)
    end = bench.resume(execution)
    assert is_backwards(bench, end)
    assert end.output["log"] == ["a", "1", "2", *nodes, "end"]
    assert ran == ["a", *nodes, "end"]


def test_a_clock_that_jumps_while_a_graph_runs(bench, clock):
    ran = []

    def jumps(state):
        clock(-3600 * (len(ran) + 1))
        return add("jumps", ran)(state)

    breaks = Breaks()
    graph = chain(a=add("a", ran), jumps=jumps, b=add("b", ran), breaks=breaks, c=add("c", ran))
    execution = bench.run(graph, {"x": 0})
    assert execution.status == "failed"
    assert is_backwards(bench, execution)
    assert [one.node for one in bench.checkpoints(execution)][2:] == ["a", "jumps", "b"]
    assert bench.fork(execution).state["log"] == ["a", "jumps", "b"]
    breaks.broken = False
    end = bench.resume(execution)
    assert end.output["log"] == ["a", "jumps", "b", "breaks", "c"]
    assert ran == ["a", "jumps", "b", "c"]


def test_updates_forks_and_rollbacks_after_a_clock_jumped_back(bench, clock):
    execution = bench.run(loop(4), {"x": 0}, breakpoints=["turn"])
    execution = bench.resume(bench.resume(execution))
    clock(-3600)
    updated = bench.resume(execution, update={"log": ["u"]})
    assert updated.state["log"] == ["turn", "turn", "u", "turn"]
    fork = bench.fork(updated, update={"log": ["f"]})
    assert fork.state["log"] == ["turn", "turn", "u", "turn", "f"]
    clock(-7200)
    assert bench.resume(fork).output["log"] == ["turn", "turn", "u", "turn", "f", "turn", "end"]
    back = bench.rollback(updated, before="turn")
    assert back.state["log"] == ["turn", "turn", "u", "turn"]
    back = bench.rollback(updated, after="turn", occurrence=0)
    assert back.state["log"] == ["turn"]


def test_subgraphs_after_a_clock_jumped_back(bench, clock):
    ran = []
    for kept in (None, True):
        ran.clear()
        inner = chain(before=add("before", ran), asks=ask_twice, after=add("after", ran))
        graph = chain(a=add("a", ran), sub=inner.compile(checkpointer=kept), end=add("end", ran))
        clock(0)
        execution = bench.run(graph, {"x": 0, "log": []})
        clock(-3600)
        execution = bench.resume(execution, answer="1")
        clock(-7200)
        end = bench.resume(execution, answer="2")
        assert end.status == "succeeded"
        assert ran == ["a", "before", "after", "end"]


def test_answers_of_batches_after_a_clock_jumped_back(bench, clock):
    clock(0)

    def back(question):
        clock(-3600)
        return question

    batch = bench.run_batch(
        asking("p?", "q?"), variants=[{}], test_cases=[{"log": []}], on_interrupt=back
    )
    assert batch.results[0].output["y"] == ["p?", "q?"]
