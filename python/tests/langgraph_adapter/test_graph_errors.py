"""What a trace says about an error: its node, its text, whether another try can help."""

import threading
from typing import TypedDict

import pytest
from graphs import GIVEN, State, abc, add, chain, statuses
from langgraph.graph import START, StateGraph
from langgraph.types import Send

from wtb.langgraph.trace import MAX_TRACEBACK


def fails(state):
    raise ValueError("no such document")


def test_the_failing_node_is_named_with_the_users_traceback(execute):
    trace = execute(abc(), GIVEN, {"b": fails})
    assert (trace.status, trace.output) == ("failed", None)
    assert trace.state == {"x": 1, "log": ["a"]}
    assert statuses(trace) == [("a", "succeeded"), ("b", "failed")]
    error = trace.error
    assert (error.type, error.message, error.node) == ("ValueError", "no such document", "b")
    assert error.retryable
    assert "in fails" in error.traceback
    assert "site-packages/langgraph" not in error.traceback
    assert trace.nodes[1].error == error


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "by a function"])
def test_the_innermost_node_is_named_inside_subgraphs(execute, called):
    inner = chain(("p", add(1, "p")), ("q", fails)).compile()
    outer = (lambda state: inner.invoke(state)) if called else inner
    trace = execute(chain(("outer", outer), ("z", add(1, "z"))), GIVEN)
    assert trace.error.node == "outer/q"
    assert statuses(trace) == [("outer", "failed"), ("outer/p", "succeeded"), ("outer/q", "failed")]


def test_a_failing_task_of_a_fan_out_is_named(execute):
    def worker(state):
        if state["x"] == 2:
            raise RuntimeError("task 2")
        return {"log": [state["x"]]}

    graph = StateGraph(State)
    graph.add_node("worker", worker)
    graph.add_conditional_edges(START, lambda s: [Send("worker", {"x": n}) for n in range(4)])
    trace = execute(graph, GIVEN)
    assert (trace.error.node, trace.error.message) == ("worker", "task 2")
    failed = [node for node in trace.nodes if node.status == "failed"]
    assert [node.input for node in failed] == [{"x": 2}]


class Strict(TypedDict):
    x: int


@pytest.mark.parametrize("garbage", ["text", 5, ["a"], object()])
def test_a_node_that_returns_garbage_is_named(execute, garbage):
    trace = execute(abc(), GIVEN, {"b": lambda state: garbage})
    assert trace.error.type == "langgraph.errors.InvalidUpdateError"
    assert trace.error.node == "b"


def test_a_route_that_raises_is_an_error_of_its_node(execute):
    graph = chain(("a", add(1, "a")), ("b", add(1, "b")))
    graph.add_conditional_edges("b", fails)
    assert execute(graph, GIVEN).error.node == "b"


def test_two_writes_of_one_key_are_an_error_of_no_single_node(execute):
    graph = StateGraph(Strict)
    for name in "ab":
        graph.add_node(name, lambda s: {"x": 1})
        graph.add_edge(START, name)
    error = execute(graph, {"x": 0}).error
    assert error.type == "langgraph.errors.InvalidUpdateError"
    assert error.node is None


def test_too_many_steps_are_a_failure(execute):
    graph = chain(("a", add(1, "a")))
    graph.add_edge("a", "a")
    trace = execute(graph, GIVEN, config={"recursion_limit": 4})
    assert trace.error.type == "langgraph.errors.GraphRecursionError"
    assert trace.state["x"] == len(trace.nodes) == 4


def test_errors_that_another_try_cannot_change_are_marked(execute):
    def undefined(state):
        return nowhere  # noqa: F821

    def absent(state):
        import module_that_is_nowhere  # noqa: F401

    assert not execute(abc(), GIVEN, {"b": undefined}).error.retryable
    assert not execute(abc(), GIVEN, {"b": absent}).error.retryable


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, StopIteration, BaseException])
def test_exceptions_beyond_exception_cost_the_execution_only(execute, kind, parallel):
    def leaves(state):
        raise kind("out")

    graph = abc()
    if parallel:
        graph.add_node("d", lambda s: {"log": ["d"]})
        graph.add_edge("a", "d")
    trace = execute(graph, GIVEN, {"b": leaves})
    assert trace.status == "failed"
    assert trace.error.node == "b"
    assert trace.nodes[1].path in "bd"
    failed = next(node for node in trace.nodes if node.path == "b")
    assert failed.error.type == kind.__name__


def interrupted_by_keyboard(state):
    raise KeyboardInterrupt


def test_ctrl_c_on_the_main_thread_comes_out(execute):
    with pytest.raises(KeyboardInterrupt):
        execute(abc(), GIVEN, {"b": interrupted_by_keyboard})


def test_keyboard_interrupt_raised_on_another_thread_is_a_failure(execute):
    traces = []
    thread = threading.Thread(
        target=lambda: traces.append(execute(abc(), GIVEN, {"b": interrupted_by_keyboard}))
    )
    thread.start()
    thread.join()
    assert traces[0].error.type == "KeyboardInterrupt"
    # In a step of several nodes LangGraph runs them on threads of its own.
    graph = abc()
    graph.add_node("d", lambda s: {"log": ["d"]})
    graph.add_edge("a", "d")
    assert execute(graph, GIVEN, {"b": interrupted_by_keyboard}).error.node == "b"


def test_tracebacks_are_bounded_and_keep_the_end(execute):
    def deep(state, depth=400):
        if depth == 0:
            raise ValueError("x" * 10_000)
        return (deep if depth % 2 else other)(state, depth - 1)

    def other(state, depth):
        return deep(state, depth)

    error = execute(abc(), GIVEN, {"b": deep}).error
    assert MAX_TRACEBACK < len(error.traceback) < MAX_TRACEBACK + 100
    assert error.traceback.endswith("x\n") or "During task" in error.traceback[-200:]


def test_an_exception_whose_text_raises_is_still_recorded(execute):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("mute")

    def node(state):
        raise MuteError

    error = execute(abc(), GIVEN, {"b": node}).error
    assert error.message == "<its text cannot be made: RuntimeError>"
    assert error.node == "b"
