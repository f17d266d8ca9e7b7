"""A process gives what the other runners give: results, histories, questions, metrics."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import StateGraph
from langgraph.types import interrupt
from process_equality import graph
from process_graphs import chain
from stores import store_at

import wtb
from wtb import Case, TestBench, Variant, Workflow

PLACES: dict[str, dict[str, Any]] = {
    "inline": {"runner": "inline"},
    "thread": {"runner": "thread"},
    "fresh": {"runner": "process"},
    "warm": {"runner": "process", "isolation": "warm"},
}
RANDOM_GRAPHS = 12


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with TestBench(store_at(tmp_path_factory.mktemp("shared") / "store")) as bench:
        yield bench


def result(bench, execution):
    found = bench.execution(execution.id)
    history = [
        (one.path, one.step, one.source, one.nodes, one.next, repr(one.values))
        for one in bench.checkpoints(found.id)
    ]
    nodes = [(one.node, one.step, one.status, one.calls, one.output) for one in found.nodes]
    return {
        "cell": (found.variant, found.case_id, found.repeat, found.seed),
        "status": (found.status, found.attempts_made, found.warnings),
        "output": (found.output, found.state),
        "nodes": sorted(nodes, key=repr),
        "history": sorted(history),
    }


def test_random_graphs_give_the_same_everywhere(shared):
    variants = [Variant(f"g{seed}", graph=graph(seed)) for seed in range(RANDOM_GRAPHS)]
    workflow = Workflow("random", graph(0))
    found = {}
    for name, place in PLACES.items():
        workers = {} if name == "inline" else {"max_workers": 2}
        batch = shared.run_batch(
            workflow, variants=variants, test_cases=[{"x": 2, "log": []}], **place, **workers
        )
        found[name] = [result(shared, one) for one in batch.results]
    assert {one["status"][0] for one in found["inline"]} == {"succeeded"}
    assert sum(len(one["history"]) for one in found["inline"]) > 3 * RANDOM_GRAPHS
    for name in PLACES:
        assert found[name] == found["inline"], name


class Told(TypedDict, total=False):
    x: int
    log: Annotated[list, operator.add]


def first(state):
    wtb.log_metric("cost", state["x"] * 1.5, direction="min")
    return {"log": ["first"]}


def asks(state):
    if state["x"] < 0:
        return {"log": ["asked nothing"]}
    return {"log": [interrupt(f"is {state['x']} right?")]}


async def last(state):
    await asyncio.sleep(0)
    run = wtb.current()
    shown = [run.active, run.variant, run.case_id, run.repeat, run.attempt, run.cancelled]
    return {"log": [shown], "x": state["x"] + 1}


def asking() -> StateGraph:
    asked = StateGraph(Told)
    for name, function in {"first": first, "asks": asks, "last": last}.items():
        asked.add_node(name, function)
    asked.set_entry_point("first")
    asked.add_edge("first", "asks")
    asked.add_edge("asks", "last")
    return asked


def agrees(question, case, repeat):
    return f"{case.id}/{repeat}: {question}" if case.id == "agreed" else None


CASES = [
    Case({"x": -1}, id="quiet"),
    Case({"x": 1}, id="answered", answers=["yes"]),
    Case({"x": 2}, id="agreed"),
    Case({"x": 3}, id="open"),
]


@pytest.fixture(scope="module")
def asked(shared):
    return {
        name: shared.run_batch(
            asking,
            variants=[{}],
            test_cases=CASES,
            repeats=2,
            on_interrupt=agrees,
            **place,
            **({} if name == "inline" else {"max_workers": 2}),
        )
        for name, place in PLACES.items()
        if name != "thread"
    }


def test_questions_metrics_and_contexts_are_the_same(shared, asked):
    found = {
        name: [
            (*result(shared, one).values(), one.metrics, [two.value for two in one.interrupts])
            for one in batch.results
        ]
        for name, batch in asked.items()
    }
    assert found["fresh"] == found["inline"]
    assert found["warm"] == found["inline"]
    by_case = {(one.case_id, one.repeat): one for one in asked["fresh"].results}
    assert by_case["quiet", 1].output["log"][1:] == [
        "asked nothing",
        [True, "baseline", "quiet", 1, 1, False],
    ]
    assert by_case["answered", 0].output["log"][1] == "yes"
    assert by_case["agreed", 1].output["log"][1] == "agreed/1: is 2 right?"
    assert by_case["open", 0].status == "interrupted"
    assert by_case["open", 0].metrics == {"cost": 4.5}


@pytest.mark.parametrize("name", ["fresh", "warm"])
def test_a_cell_is_put_back_forked_answered_and_resumed(shared, asked, name):
    cells = {(one.case_id, one.repeat): one for one in asked[name].results}
    answered = shared.resume(cells["open", 0], answer="now")
    assert answered.output["log"][1] == "now"
    back = shared.rollback(cells["answered", 0], before="asks")
    assert back.status == "paused"
    again = shared.resume(back, update={"x": -5})
    assert again.output["log"][1] == "asked nothing"
    fork = shared.fork(cells["quiet", 0], after="first", update={"x": -7})
    assert shared.resume(fork).output["x"] == -6
    assert cells["answered", 0].output["log"][1] == "yes"


def plain(state):
    return {"y": 1}


def more(state):
    return {"y": state["y"] + 1}


@pytest.mark.parametrize("mode", ["step", "exit", "off"])
def test_modes_of_checkpoints_and_single_executions(shared, mode):
    graph = chain(plain=plain, more=more)
    found = {
        name: shared.run(graph, {"how": 1}, runner=name, checkpoints=mode)
        for name in ("inline", "process")
    }
    results = [result(shared, one) for one in found.values()]
    assert results[0] == results[1]
    assert found["process"].output["y"] == 2
    assert (len(results[1]["history"]) == 0) == (mode == "off")


def test_breakpoints(shared):
    stopped = shared.run(
        chain(plain=plain, more=more), {"how": 1}, runner="process", breakpoints=["more"]
    )
    assert (stopped.status, stopped.state["y"]) == ("paused", 1)
    assert shared.resume(stopped).output["y"] == 2


def fails_first(state):
    if wtb.current().attempt < 3:
        raise ValueError(f"attempt {wtb.current().attempt}")
    return {"y": wtb.current().attempt}


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_retries(shared, isolation):
    batch = shared.run_batch(
        chain(node=fails_first),
        variants=[{}],
        test_cases=[{"how": 1}],
        runner="process",
        isolation=isolation,
        retries=2,
        backoff=0,
    )
    (one,) = batch.results
    assert (one.status, one.output["y"]) == ("succeeded", 3)
    errors = [attempt.error.message for attempt in one.attempts if attempt.error]
    assert errors == ["attempt 1", "attempt 2"]
