"""Which nodes a trace records, and what it says of each."""

import sys
import time
from typing import TypedDict

import pytest
from graphs import GIVEN, State, abc, add, chain, statuses
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send

from wtb.context import RunContext


def test_every_node_is_recorded_with_times_input_and_output(execute):
    def slow(state: State) -> State:
        time.sleep(0.02)
        return {"x": 5, "log": ["slow"]}

    before = time.time()
    trace = execute(abc(), GIVEN, {"b": slow})
    node = trace.nodes[1]
    assert (node.path, node.step, node.order, node.status, node.attempts) == (
        "b",
        2,
        1,
        "succeeded",
        1,
    )
    assert node.input == {"x": 1, "log": ["a"]}
    assert node.output == {"x": 5, "log": ["slow"]}
    assert node.duration_s >= 0.02
    assert before <= trace.nodes[0].started_at <= node.started_at <= time.time()


def test_a_fan_out_gives_one_record_for_each_task(execute):
    graph = StateGraph(State)
    graph.add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("worker", lambda s: {"log": [s["x"] * 10]})
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", lambda s: [Send("worker", {"x": n}) for n in range(5)])
    trace = execute(graph, GIVEN)
    workers = [node for node in trace.nodes if node.path == "worker"]
    assert sorted((node.input["x"], node.output["log"]) for node in workers) == [
        (n, [n * 10]) for n in range(5)
    ]
    assert {node.step for node in workers} == {2}
    assert [node.order for node in trace.nodes] == list(range(6))


def routed(route, *, inside=False):
    graph = StateGraph(State)
    graph.add_node("a", add(1, "a"))
    graph.add_conditional_edges(START, route, ["a"])
    return chain(("outer", graph.compile())) if inside else graph


@pytest.mark.parametrize("inside", [False, True])
def test_a_route_from_the_start_is_no_node(execute, inside):
    trace = execute(routed(lambda state: "a", inside=inside), GIVEN)
    before = [("outer", 0)] if inside else []
    assert [(node.path.rpartition("/")[2], node.order) for node in trace.nodes] == [
        *before,
        ("a", len(before)),
    ]
    assert trace.output == {"x": 1, "log": ["a"]}


@pytest.mark.parametrize("inside", [False, True])
def test_a_route_from_the_start_that_raises_is_where_it_failed(execute, inside):
    def lost(state):
        raise ValueError("no way")

    trace = execute(routed(lost, inside=inside), GIVEN)
    path = "outer/__start__" if inside else "__start__"
    assert (trace.error.type, trace.error.node) == ("ValueError", path)
    assert statuses(trace)[-1] == (path, "failed")
    assert trace.nodes[-1].error.message == "no way"


def test_loops_give_one_record_for_each_round(execute):
    graph = chain(("a", add(1, "a")))
    graph.add_conditional_edges("a", lambda s: "a" if s["x"] < 3 else END)
    trace = execute(graph, GIVEN)
    assert [(node.path, node.step) for node in trace.nodes] == [("a", 1), ("a", 2), ("a", 3)]


def test_tries_are_counted_until_success_and_until_giving_up(execute):
    tries = []

    def flaky(state: State) -> State:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError(f"try {len(tries)}")
        return {"log": ["ok"]}

    def build(attempts):
        graph = StateGraph(State)
        policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=attempts)
        graph.add_node("a", flaky, retry_policy=policy)
        graph.add_edge(START, "a")
        return graph

    node = execute(build(5), GIVEN).nodes[0]
    assert (node.status, node.attempts, node.error) == ("succeeded", 3, None)
    tries.clear()
    trace = execute(build(2), GIVEN)
    assert (trace.nodes[0].status, trace.nodes[0].attempts) == ("failed", 2)
    assert trace.error.message.startswith("try 2")


def test_a_command_to_the_parent_is_no_failure(execute):
    inner = chain(("p", lambda s: Command(graph=Command.PARENT, goto="z", update={"x": 7})))
    graph = StateGraph(State)
    graph.add_node("outer", inner.compile())
    graph.add_node("z", lambda s: {"log": [s["x"]]})
    graph.add_edge(START, "outer")
    trace = execute(graph, GIVEN)
    assert trace.output == {"x": 7, "log": [7]}
    assert {status for _, status in statuses(trace)} == {"succeeded"}


def test_the_whole_state_is_kept_beside_a_narrow_output(execute):
    class Answer(TypedDict):
        x: int

    graph = chain(("a", add(1, "a")), output_schema=Answer)
    trace = execute(graph, GIVEN)
    assert trace.output == {"x": 1}
    assert trace.state == {"x": 1, "log": ["a"]}
    same = execute(abc(), GIVEN)
    assert same.state is same.output


def test_nodes_served_from_the_cache_are_told(execute):
    graph = StateGraph(State)
    graph.add_node("a", lambda s: {"x": 1})
    graph.add_node("b", add(10, "b"), cache_policy=CachePolicy())
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    prepared = execute.prepare(graph.compile(cache=InMemoryCache()))

    def once():
        return prepared.execute(
            dict(GIVEN), run=RunContext(execution_id="e"), cancelled=lambda: False
        )

    first, second = once(), once()
    assert statuses(first) == [("a", "succeeded"), ("b", "succeeded")]
    assert statuses(second) == [("a", "succeeded"), ("b", "cached")]
    cached = second.nodes[1]
    assert (cached.attempts, cached.step, cached.order) == (0, 2, 1)
    assert cached.input == {"x": 1, "log": []}
    assert cached.output == {"x": 11, "log": ["b"]}
    assert second.output == first.output


def test_cached_nodes_inside_subgraphs_are_told(execute):
    inner = StateGraph(State)
    inner.add_node("p", add(1, "p"), cache_policy=CachePolicy())
    inner.add_edge(START, "p")
    graph = chain(("outer", inner.compile(cache=InMemoryCache())), ("z", add(1, "z")))
    prepared = execute.prepare(graph)
    for status in ("succeeded", "cached"):
        trace = prepared.execute(
            dict(GIVEN), run=RunContext(execution_id="e"), cancelled=lambda: False
        )
        assert ("outer/p", status) in statuses(trace)
        assert trace.output["x"] == 2


def test_an_execution_inside_a_node_of_another_graph_is_its_own(execute):
    inner = []

    def node(state):
        inner.append(execute(abc(), GIVEN))
        return {"log": ["outer"]}

    trace = execute(chain(("n", node)), GIVEN)
    assert [node.path for node in inner[0].nodes] == ["a", "b", "c"]
    assert [node.path for node in trace.nodes] == ["n"]
    assert sys.exc_info() == (None, None, None)
