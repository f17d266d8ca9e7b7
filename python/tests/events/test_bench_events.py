"""The bus of a bench: real batches, and a handler that runs the bench itself."""

from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from stores import store_at

import wtb


class State(TypedDict):
    question: str
    answer: str


def answer(state):
    if state["question"] == "bad":
        raise ValueError("no answer")
    return {"answer": state["question"].upper()}


@pytest.fixture
def graph():
    graph = StateGraph(State)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph


@pytest.fixture
def bench(tmp_path):
    with wtb.TestBench(store_at(tmp_path / "store")) as bench:
        yield bench


def test_a_batch_tells_its_story_in_order(bench, graph):
    seen = []
    with bench.subscribe(seen.append, kinds=["batch.*", "execution.*"]):
        batch = bench.run_batch(
            graph, variants=[{}], test_cases=[{"question": "good"}, {"question": "bad"}]
        )

    kinds = [event.kind for event in seen if event.kind != "batch.progress"]
    assert kinds[:2] == ["batch.created", "batch.started"]
    assert kinds[-1] == "batch.completed"
    assert sorted(kinds[2:-1]) == [
        "execution.failed",
        "execution.started",
        "execution.started",
        "execution.succeeded",
    ]
    assert {event.batch_id for event in seen} == {batch.id}
    [failed] = bench.journal(batch=batch, kinds=["execution.failed"])
    assert failed.execution_id == batch.results[1].id
    assert failed.data["node"] == "answer"
    assert failed.data["message"] == "no answer"


def test_a_handler_may_run_the_bench(bench, graph):
    nested = []

    def again(event):
        if not nested:
            nested.append(bench.run(graph, {"question": "nested"}))
            nested.append(
                bench.run_batch(graph, variants=[{}], test_cases=[{"question": "nested"}])
            )

    with bench.subscribe(again, kinds="batch.completed") as subscription:
        bench.run_batch(graph, variants=[{}], test_cases=[{"question": "outer"}])

    assert subscription.last_error is None
    one, batch = nested
    assert one.output["answer"] == batch.results[0].output["answer"] == "NESTED"


def test_the_trail_of_a_reopened_bench_is_complete(tmp_path, graph):
    with wtb.TestBench(store_at(tmp_path / "store")) as bench:
        batch = bench.run_batch(graph, variants=[{}], test_cases=[{"question": "good"}])
        before = list(bench.audit.query(batch=batch.id))

    with wtb.TestBench(store_at(tmp_path / "store")) as bench:
        after = list(bench.audit.query(batch=batch.id))
        execution = list(bench.audit.query(execution=batch.results[0].id))
        exported = tmp_path / "audit.jsonl"
        assert bench.audit.export(exported, batch=batch.id) == len(after)

    # Workers that found nothing left to do may still have reported for duty in between.
    assert after[: len(before)] == before
    assert [event.kind for event in execution] == ["execution.started", "execution.succeeded"]
