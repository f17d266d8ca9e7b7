"""Reports of batches of every kind: of grids, with subgraphs, retries, questions, and under way."""

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

import wtb
from wtb import Case, Variant, evaluator


class State(TypedDict, total=False):
    question: int
    found: Annotated[list[str], operator.add]
    answer: int


def search(state: State) -> State:
    return {"found": ["page"]}


def choose(state: State) -> State:
    return {"found": ["first"]}


def choose_last(state: State) -> State:
    return {"found": ["last"]}


def answer(state: State) -> State:
    wtb.log_metric("cost", 2.0)
    return {"answer": state["question"]}


def cheap(state: State) -> State:
    wtb.log_metric("cost", 1.0)
    return {"answer": state["question"] if state["question"] < 8 else 0}


def agent(**nodes: Any) -> StateGraph:
    """A graph whose node `agent` is a graph of two nodes."""
    inner = StateGraph(State)
    inner.add_node("search", search)
    inner.add_node("choose", choose)
    inner.add_edge(START, "search")
    inner.add_edge("search", "choose")
    outer = StateGraph(State)
    outer.add_node("agent", inner.compile())
    outer.add_node("answer", answer)
    outer.add_edge(START, "agent")
    outer.add_edge("agent", "answer")
    return outer


@evaluator
def right(output: Any, expected: Any) -> bool:
    return bool(output["answer"] == expected)


def cases(count: int) -> list[Case]:
    return [Case({"question": number}, number, id=f"case-{number}") for number in range(count)]


@pytest.fixture
def look(bench, browser, tmp_path):
    """Opens the report of a batch."""
    pages = []

    def look(batch):
        page = browser.page()
        pages.append(page)
        page.open(bench.report(batch, tmp_path / "report.html"))
        return page

    yield look
    for page in pages:
        assert page.problems() == []
        page.close()


def open_cell(page, selector="#cells td[data-row]"):
    page.run("(s) => document.querySelector(s).click()", selector)
    page.until(lambda: page.count("#panel-content"))


def test_a_grid_with_costs(bench, look):
    variants = wtb.grid({"answer": [answer, cheap], "agent/choose": [choose, choose_last]})
    batch = bench.run_batch(
        agent(), variants=variants, test_cases=cases(12), evaluators=[right], checkpoints="off"
    )
    page = look(batch)
    effects = batch.comparison.effects
    assert effects
    assert len(page.texts(".effects tbody tr")) == len(effects)
    assert "cost" in page.texts("#matrix thead th")
    assert "right against the mean cost" in page.text("#plot-pareto figcaption")
    front = page.run("() => document.querySelector('#plot-pareto svg').ariaLabel")
    assert all(name in front for name in batch.comparison.to_dict()["pareto"]["cost"])


def test_the_first_difference_is_found_in_a_subgraph(bench, look):
    batch = bench.run_batch(
        agent(),
        variants=[{}, Variant("last", nodes={"agent/choose": choose_last})],
        test_cases=cases(1),
        evaluators=[right],
        checkpoints="off",
    )
    page = look(batch)
    open_cell(page, "#cells td[data-column='1']")
    said = page.text("#parting")
    found = bench.diff(batch.results[1], batch.results[0]).first_divergent
    assert found.node == "agent/choose"
    assert said.endswith("the output of node agent/choose (found).")
    assert page.texts(".side:first-child .node-name") == [
        "agent",
        "agent/search",
        "agent/choose",
        "answer",
    ]
    assert page.count(".side:first-child .depth-1") == 2


def test_earlier_attempts_are_shown(bench, look):
    def answer(state: State) -> State:
        if wtb.current().attempt == 1:
            raise ConnectionError("try again")
        return {"answer": state["question"]}

    batch = bench.run_batch(
        agent(),
        variants=[Variant("flaky", nodes={"answer": answer})],
        test_cases=cases(1),
        evaluators=[right],
        retries=1,
        backoff=0,
        checkpoints="off",
    )
    page = look(batch)
    assert page.count("#cells .failed") == 0
    open_cell(page)
    assert "2 attempts" in page.text(".side .facts")
    assert page.texts(".side .path + .attempt, .side > .attempt") == ["attempt 1", "attempt 2"]
    assert "ConnectionError: try again" in page.text(".attempt-printed .error")


def test_a_question_is_shown(bench, look):
    def answer(state: State) -> State:
        return {"answer": interrupt({"may I": "answer?"})}

    batch = bench.run_batch(
        agent(), variants=[Variant("asking", nodes={"answer": answer})], test_cases=cases(1)
    )
    page = look(batch)
    assert "interrupted" in page.text("#head")
    open_cell(page)
    assert "Awaits an answer" in page.text(".side")
    assert "answer?" in page.text(".side")
    # What stands in the place of an output is the state that it has reached.
    assert page.count(".status.interrupted") >= 1


def test_a_batch_under_way(bench, look):
    goes_on = threading.Event()

    def answer(state: State) -> State:
        if state["question"]:
            goes_on.wait(30)
        return {"answer": state["question"]}

    batch = bench.start_batch(
        agent(),
        variants=[Variant("slow", nodes={"answer": answer})],
        test_cases=cases(4),
        evaluators=[right],
        max_workers=1,
        checkpoints="off",
    )
    try:
        page = look(batch)
        assert "running: " in page.text("#head")
        told = page.run("() => document.getElementById('cells').textContent")
        assert "queued" in told
    finally:
        goes_on.set()
        batch.wait(30)


def test_a_report_changes_nothing(bench, batch, tmp_path):
    before = bench._core.engine.last_sequence()
    bench.report(batch, tmp_path / "report.html")
    assert bench._core.engine.last_sequence() == before
