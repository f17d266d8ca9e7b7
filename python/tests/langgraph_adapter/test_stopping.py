"""Executions that end before their graph does: cancelled, interrupted, at a breakpoint."""

import threading

import pytest
from graphs import GIVEN, State, abc, add, chain, statuses
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, interrupt


def test_cancelling_stops_before_the_next_node(execute):
    stop = threading.Event()

    def stopping(state):
        stop.set()
        return {"x": 50}

    trace = execute(abc(), GIVEN, {"b": stopping}, cancelled=stop.is_set)
    assert trace.status == "cancelled"
    assert statuses(trace) == [("a", "succeeded"), ("b", "succeeded")]
    assert (trace.output, trace.state["x"], trace.error) == (None, 50, None)


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "by a function"])
def test_cancelling_reaches_into_subgraphs_past_retries_and_handlers(execute, called):
    stop = threading.Event()
    runs = []

    def p(state):
        runs.append("p")
        stop.set()
        return {"x": 1}

    inner = chain(("p", p), ("q", lambda s: runs.append("q"))).compile()

    def calls(state):
        try:
            return inner.invoke(state)
        except Exception:
            return {"x": 99}

    graph = StateGraph(State)
    graph.add_node("outer", calls if called else inner, retry_policy=RetryPolicy())
    graph.add_edge(START, "outer")
    trace = execute(graph, GIVEN, cancelled=stop.is_set)
    assert trace.status == "cancelled"
    assert statuses(trace) == [("outer", "cancelled"), ("outer/p", "succeeded")]
    assert runs == ["p"]


def test_nothing_runs_when_it_is_cancelled_beforehand(execute):
    trace = execute(abc(), GIVEN, cancelled=lambda: True)
    assert (trace.status, trace.nodes) == ("cancelled", [])


def test_questions_are_told_with_their_ids(execute):
    def ask(state):
        return {"x": interrupt({"question": state["x"]})}

    trace = execute(abc(), GIVEN, {"b": ask})
    assert trace.status == "interrupted"
    assert [value for value, _ in trace.interrupts] == [{"question": 1}]
    assert all(isinstance(key, str) and key for _, key in trace.interrupts)
    assert trace.output == {"x": 1, "log": ["a"]}
    assert statuses(trace) == [("a", "succeeded"), ("b", "interrupted")]
    assert trace.error is None


def test_questions_of_parallel_nodes_and_subgraphs_are_all_told(execute):
    inner = chain(("p", lambda s: {"log": [interrupt("inner")]})).compile()
    graph = StateGraph(State)
    graph.add_node("one", lambda s: {"log": [interrupt("one")]})
    graph.add_node("two", inner)
    graph.add_edge(START, "one")
    graph.add_edge(START, "two")
    trace = execute(graph, GIVEN)
    assert sorted(value for value, _ in trace.interrupts) == ["inner", "one"]
    assert ("two/p", "interrupted") in statuses(trace)


@pytest.mark.parametrize("breakpoint_", [{"interrupt_before": ["b"]}, {"interrupt_after": ["a"]}])
def test_breakpoints_of_the_compiled_graph_pause(execute, breakpoint_):
    trace = execute(abc().compile(**breakpoint_), GIVEN)
    assert (trace.status, trace.interrupts) == ("paused", [])
    assert statuses(trace) == [("a", "succeeded")]
    inside = chain(("outer", abc().compile(**breakpoint_)), ("z", add(1, "z")))
    trace = execute(inside, GIVEN)
    assert trace.status == "paused"
    assert ("z", "succeeded") not in statuses(trace)
