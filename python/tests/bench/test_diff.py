"""How two executions differ, and places named by steps."""

import operator
from typing import Annotated, TypedDict

import pytest
from bench_graphs import chain
from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

import wtb
from wtb.diff import ABSENT
from wtb.errors import CheckpointNotFoundError, NotFoundError


def add_one(state):
    return {"x": state["x"] + 1}


def to_text(state):
    return {"y": f"it is {state['x']}"}


@pytest.fixture
def graph():
    return chain(first=add_one, second=add_one, last=to_text)


def test_equal_executions_do_not_differ(bench, graph):
    one, other = (bench.run(graph, {"x": 1}) for _ in range(2))
    diff = bench.diff(one, other.id[:10])
    assert (diff.first_divergent, diff.state, diff.scores) == (None, {}, {})
    assert diff.shared_until is None
    assert "no node did anything else" in str(diff)
    assert "no node differs" in repr(diff)
    assert diff.to_dict()["a"]["id"] == one.id


def test_the_first_node_with_another_input(bench, graph):
    diff = bench.diff(bench.run(graph, {"x": 1}), bench.run(graph, {"x": 5}))
    first = diff.first_divergent
    assert (first.node, first.step, first.differs) == ("first", 1, "input")
    assert first.values == {"x": (1, 5)}
    assert diff.state == {"x": (3, 7), "y": ("it is 3", "it is 7")}


def test_the_first_node_with_another_output_or_another_end(bench, graph):
    def fails(state):
        raise ValueError("no")

    base = bench.run(graph, {"x": 1})
    other = bench.run(graph, {"x": 1}, variant={"second": lambda state: {"x": 0}})
    found = bench.diff(base, other).first_divergent
    assert (found.node, found.differs, found.values) == ("second", "output", {"x": (3, 0)})
    failed = bench.run(graph, {"x": 1}, variant={"second": fails})
    diff = bench.diff(base, failed)
    assert (diff.first_divergent.node, diff.first_divergent.differs) == ("second", "status")
    assert diff.first_divergent.values["status"] == ("succeeded", "failed")
    assert "ValueError: no" in diff.first_divergent.values["error"][1]
    assert diff.state == {"x": (3, 2), "y": ("it is 3", ABSENT)}, "the state of its head"
    assert "b" not in diff.to_dict()["state"]["y"]
    assert "(absent)" in str(diff)


def test_a_node_more(bench, graph):
    diff = bench.diff(
        bench.run(chain(first=add_one), {"x": 1}),
        bench.run(chain(first=add_one, more=add_one), {"x": 1}),
    )
    first = diff.first_divergent
    assert (first.node, first.step, first.differs) == ("more", 2, "node")
    assert first.values == {"node": (ABSENT, "more")}
    assert "first difference: step 2, where other nodes ran" in str(diff)


def test_what_a_fork_shares_is_passed_over(bench, graph):
    base = bench.run(graph, {"x": 1})
    fork = bench.resume(bench.fork(base, before="last", update={"x": 9}))
    diff = bench.diff(base, fork)
    assert diff.shared_until == 2
    assert (diff.first_divergent.node, diff.first_divergent.values) == ("last", {"x": (3, 9)})
    same = bench.resume(bench.fork(base, before="last"))
    assert bench.diff(base, same).first_divergent is None
    sibling = bench.resume(bench.fork(base, after="first", variant={"last": lambda _: {"y": 0}}))
    assert bench.diff(fork, sibling).shared_until == 1


def test_what_was_rolled_back_does_not_count(bench, graph):
    base = bench.run(graph, {"x": 1})
    other = bench.run(graph, {"x": 1})
    bench.rollback(other, before="second")
    bench.resume(other)
    assert bench.diff(base, other).first_divergent is None
    bench.rollback(other, before="second")
    found = bench.diff(base, other).first_divergent
    assert (found.node, found.values) == ("second", {"node": ("second", ABSENT)})
    bench.resume(other, update={"x": 2})
    assert bench.diff(base, other).first_divergent is None, "an update is no node"


def test_a_question_that_was_answered_does_not_count_twice(bench):
    graph = chain(first=add_one, ask=lambda _: {"y": interrupt("?")})
    answered = [bench.resume(bench.run(graph, {"x": 1}), answer=one) for one in ("a", "a", "b")]
    assert bench.diff(*answered[:2]).first_divergent is None
    found = bench.diff(*answered[1:]).first_divergent
    assert (found.node, found.differs, found.values) == ("ask", "output", {"y": ("a", "b")})


class Work(TypedDict, total=False):
    messages: Annotated[list, add_messages]
    seen: Annotated[list, operator.add]
    rate: float


def parallel(say):
    graph = StateGraph(Work)
    graph.add_node("left", lambda state: {"seen": [float("nan")]})
    graph.add_node("right", lambda state: {"messages": [AIMessage(say)], "seen": [{1, 2}]})
    return graph.add_edge(START, "left").add_edge(START, "right")


def test_ids_of_messages_and_the_order_of_beginnings_are_chance(bench):
    one, other = (bench.run(parallel("hello"), {"rate": 1.5}) for _ in range(2))
    assert one.output["messages"][0].id != other.output["messages"][0].id
    diff = bench.diff(one, other)
    assert (diff.first_divergent, diff.state) == (None, {})
    diff = bench.diff(one, bench.run(parallel("bye"), {"rate": 1.5}))
    assert (diff.first_divergent.node, list(diff.state)) == ("right", ["messages"])
    shown = diff.to_dict()["state"]["messages"]
    assert shown["a"] == [{"content": "hello", "type": "ai"}]


def test_subgraphs_are_compared_where_they_ran(bench):
    def outer(node):
        inner = chain(deep=add_one, deeper=node).compile()
        return chain(first=add_one, sub=inner, last=to_text)

    one = bench.run(outer(add_one), {"x": 1})
    other = bench.run(outer(lambda state: {"x": 0}), {"x": 1})
    first = bench.diff(one, other).first_divergent
    assert (first.node, first.step, first.differs) == ("sub/deeper", 2, "output")
    assert first.values == {"x": (4, 0)}


def test_scores_and_metrics_are_side_by_side(bench, graph):
    def logged(state):
        wtb.log_metric("length", state["x"])
        return to_text(state)

    batch = bench.run_batch(
        graph,
        variants=[{}, {"last": logged}],
        test_cases=[{"x": 1}],
        evaluators=[lambda output: len(output["y"])],
    )
    diff = bench.diff(*batch.results)
    assert diff.scores == {"<lambda>": (7.0, 7.0), "length": (None, 3.0)}
    assert "length" in str(diff)


def test_texts_of_several_lines_are_compared_by_lines(bench):
    texts = ("one\ntwo\nthree", "one\n2\nthree")
    runs = [bench.run(chain(say=lambda _, text=text: {"y": text}), {"x": 1}) for text in texts]
    lines = bench.diff(*runs).to_dict()["state"]["y"]["lines"]
    assert [line for line in lines if line[0] in "+-"] == ["-two", "+2"]


def test_an_execution_that_is_not_there(bench, graph):
    with pytest.raises(NotFoundError):
        bench.diff(bench.run(graph, {"x": 1}), "e_zzz")


def test_a_place_is_named_by_its_step(bench, graph):
    execution = bench.run(graph, {"x": 1})
    bench.rollback(execution, at="1")
    assert [one.step for one in bench.checkpoints(execution)][-1] == 1
    bench.rollback(execution, at="1/2")
    assert bench.checkpoints(execution)[-1].nodes == ("second",)
    bench.rollback(execution, at="-1")
    assert bench.execution(execution.id).thread_id.endswith("/4")
    assert bench.resume(execution).output == {"x": 3, "y": "it is 3"}
    with pytest.raises(CheckpointNotFoundError, match="no checkpoints of step 7 in its lineage 4"):
        bench.rollback(execution, at="7")
    with pytest.raises(CheckpointNotFoundError, match="has no lineage 9: it has 1 to 4"):
        bench.fork(execution, at="9/1")
