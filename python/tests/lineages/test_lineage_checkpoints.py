"""What a bench tells of an execution's checkpoints is what LangGraph tells of the same graph."""

import operator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langgraph.channels import DeltaChannel
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send
from lineage_graphs import State, abc, add, ask, chain, fork_and_join, loop
from pydantic import BaseModel

from wtb.langgraph import WtbSaver


def test_a_chain(same_history):
    same_history(abc, {"x": 1, "log": ["begin"]})


def test_a_loop_with_a_conditional_edge(same_history):
    same_history(lambda: loop(4), {"x": 0})


@pytest.mark.parametrize("names", ["bc", "bcefg", ("b", "c+e"), ("b+c", "e")])
def test_branches_that_join(same_history, names):
    same_history(lambda: fork_and_join(names), {"log": []})


def uneven(defer):
    """Branches of different lengths, with and without waiting for the longer one."""
    graph = StateGraph(State)
    for name in "abcd":
        graph.add_node(name, add(name) if name in "a" else lambda state, n=name: {"log": [n]})
    graph.add_node("end", lambda state: {"y": [*state["log"]]}, defer=defer)
    for one, other in (("a", "b"), ("a", "c"), ("c", "d"), ("b", "end"), ("d", "end")):
        graph.add_edge(one, other)
    graph.add_edge(START, "a")
    return graph


@pytest.mark.parametrize("defer", [False, True])
def test_branches_of_different_lengths(same_history, defer):
    same_history(lambda: uneven(defer), {"x": 0})


def test_a_deferred_node_that_joins(same_history):
    def make():
        graph = StateGraph(State)
        for name in "abcd":
            graph.add_node(name, lambda state, name=name: {"log": [name]})
        graph.add_node("end", lambda state: {"y": [*state["log"]]}, defer=True)
        graph.add_edge(START, "a")
        for one, other in (("a", "b"), ("a", "c"), ("a", "d"), ("d", "e")):
            if other == "e":
                graph.add_node("e", lambda state: {"log": ["e"]})
            graph.add_edge(one, other)
        graph.add_edge(["b", "c"], "end")
        return graph

    same_history(make, {"x": 0})


def test_fan_out_with_send(same_history):
    def make():
        graph = StateGraph(State)
        graph.add_node("split", lambda state: {"x": 3})
        graph.add_node("work", lambda state: {"log": [state["item"]]})
        graph.add_node("join", lambda state: {"x": sum(state["log"])})
        graph.add_conditional_edges(
            "split", lambda state: [Send("work", {"item": n}) for n in range(state["x"])], ["work"]
        )
        graph.add_edge(START, "split")
        graph.add_edge("work", "join")
        return graph

    same_history(make, {"x": 0})


def test_send_from_the_start_and_to_a_node_that_is_also_an_edge_away(same_history):
    def make():
        graph = StateGraph(State)
        graph.add_node("a", lambda state: {"log": ["a"]})
        graph.add_node("work", lambda state: {"log": [state.get("item", "edge")]})
        graph.add_conditional_edges(START, lambda state: ["a", Send("work", {"item": 1})])
        graph.add_edge("a", "work")
        return graph

    same_history(make, {"x": 0})


def test_commands_that_go_to_nodes(same_history):
    def route(state):
        if state["x"] > 4:
            return Command(goto=END, update={"log": ["end"]})
        return Command(goto=["work", Send("work", state)], update={"log": [state["x"]]})

    def make():
        graph = StateGraph(State)
        graph.add_node("route", route, destinations=("work", END))
        graph.add_node("work", lambda state: {"log": ["work"]})
        graph.add_node("count", lambda state: Command(goto="route", update={"x": state["x"] + 2}))
        graph.add_edge(START, "route")
        graph.add_edge("work", "count")
        return graph

    same_history(make, {"x": 0})


@pytest.mark.parametrize("kept", [None, True])
def test_subgraphs(same_history, bench, kept):
    def make():
        inner = abc().compile(checkpointer=kept)
        middle = chain(inner=inner, last=add("last")).compile(checkpointer=kept)
        return chain(first=add("first"), middle=middle, end=add("end"))

    execution, _, _ = same_history(make, {"x": 0, "log": []})
    checkpoints = bench.checkpoints(execution)
    roots = {one.id: one for one in checkpoints if not one.path}
    inside = [one for one in checkpoints if one.path]
    assert {one.path for one in inside} == {"middle", "middle/inner"}
    assert {roots[one.root_id].next for one in inside} == {("middle",)}
    assert all(one.root_id == one.id for one in roots.values())
    ran = [one.node for one in inside if one.path == "middle/inner" and one.node]
    assert ran == ["a", "b", "c"]


def test_subgraphs_whose_node_is_a_number(same_history, bench):
    def make():
        return chain(("1", abc().compile()), ("22", add("22")))

    execution, _, _ = same_history(make, {"x": 0, "log": []})
    assert {one.path for one in bench.checkpoints(execution)} == {"", "1"}


def test_parallel_subgraphs(same_history):
    def make():
        inner = chain(one=lambda state: {"log": ["one"]}).compile()
        return fork_and_join(["b", "c"], b=inner, c=inner)

    same_history(make, {"log": ["x"]})


def test_messages(same_history):
    def make():
        return chain(
            talk=lambda state: {"messages": [AIMessage("hello")]},
            again=lambda state: {"messages": [("user", "bye")]},
            state=MessagesState,
        )

    execution, _, _ = same_history(make, {"messages": [("user", "hi")]})
    assert [one.content for one in execution.state["messages"]] == ["hi", "hello", "bye"]


@pytest.mark.parametrize("kind", [int, list, dict])
def test_states_that_are_one_value(same_history, kind):
    def make():
        return chain(
            a=lambda value: value,
            b=lambda value: kind(),
            state=Annotated[kind, lambda old, new: old or new],
        )

    same_history(make, {int: 7, list: [1], dict: {"k": 1}}[kind])


class Model(BaseModel):
    x: int = 0
    log: Annotated[list[str], operator.add] = []


@dataclass
class Data:
    x: int = 0
    log: Annotated[list, operator.add] = field(default_factory=list)


@pytest.mark.parametrize("state", [Model, Data])
def test_states_that_are_objects(same_history, state):
    def node(given):
        assert isinstance(given, state)
        return {"x": given.x + 1, "log": ["node"]}

    same_history(lambda: chain(a=node, b=node, state=state), state(x=1, log=["begin"]))


def test_private_keys_and_other_schemas(same_history):
    class Private(TypedDict):
        secret: int

    class Output(TypedDict):
        x: int

    def make():
        graph = StateGraph(State, input_schema=Output, output_schema=Output)

        def second(state: Private):
            return {"x": state["secret"]}

        def first(state: State) -> Private:
            return {"secret": state["x"] + 1}

        graph.add_node("first", first)
        graph.add_node("second", second)
        graph.add_edge(START, "first")
        graph.add_edge("first", "second")
        return graph

    same_history(make, {"x": 1})


def test_channels_that_store_only_what_was_added(same_history):
    class Log(TypedDict, total=False):
        x: int
        log: Annotated[list, DeltaChannel(lambda old, new: old + [i for n in new for i in n])]

    def make():
        return chain(*((name, add(name)) for name in "abc"), state=Log)

    same_history(make, {"x": 1, "log": ["begin"]})


def test_names_that_begin_with_underscores(same_history):
    odd = TypedDict("odd", {"__x": int, "x": int}, total=False)
    same_history(
        lambda: chain(
            ("__a", lambda state: {"__x": 1, "x": 1}),
            ("b", lambda state: {"x": 2}),
            state=odd,
        ),
        {"x": 0},
    )


@pytest.mark.parametrize("key", ["join:a+b:c", "branch:to:e"])
def test_keys_that_look_like_wiring_are_taken_for_it(bench, key):
    odd = TypedDict("odd", {key: int, "x": int}, total=False)
    graph = chain(("a", lambda state: {key: 1}), ("b", lambda state: {"x": state[key]}), state=odd)
    execution = bench.run(graph, {"x": 0})
    assert execution.output == {key: 1, "x": 1}
    found = bench.checkpoints(execution)
    assert [one.next for one in found] == [("__start__",), ("a",), ("b",), ()]
    assert [one.values for one in found] == [{}, {"x": 0}, {"x": 0}, {"x": 1}]


@pytest.mark.parametrize("names", [("b", "c"), ("b", "c+e")])
def test_a_join_that_is_stopped_before_comes_next(bench, names):
    execution = bench.run(fork_and_join(names), {"log": []}, breakpoints=["d"])
    assert execution.status == "paused"
    assert bench.checkpoints(execution)[-1].next == ("d",)


def test_failures_and_questions(same_history):
    def fails(state):
        raise ValueError("broken")

    same_history(lambda: chain(a=add("a"), fails=fails, b=add("b")), {"x": 0})
    same_history(lambda: fork_and_join(["b", "c"], c=fails), {"log": []})
    same_history(lambda: chain(a=add("a"), ask=ask, b=add("b")), {"x": 0})
    same_history(lambda: fork_and_join(["b", "c", "e"], c=ask, e=ask), {"log": []})


def test_a_question_in_a_subgraph(same_history):
    inner = chain(before=add("before"), ask=ask)
    same_history(lambda: chain(a=add("a"), sub=inner.compile(), b=add("b")), {"x": 0})


def test_keys_that_are_written_again_with_the_same_value_have_not_changed(bench):
    execution = bench.run(chain(a=lambda state: {"x": 1, "y": [2]}), {"x": 1, "y": [3]})
    assert [one.changes for one in bench.checkpoints(execution)][1:] == [("x", "y"), ("y",)]


def test_configs_are_langgraphs(bench, store, memory):
    execution = bench.run(abc(), {"x": 1})
    with WtbSaver(store) as saver:
        graph = abc().compile(checkpointer=saver)
        for one in bench.checkpoints(execution):
            found = graph.get_state(one.config)
            assert found.config["configurable"] == one.config["configurable"]
            assert found.next == one.next
            assert found.values == {"log": [], **one.values}, "reducers begin with something"
            assert datetime.fromisoformat(found.created_at) == one.created_at


def test_times_and_texts(bench):
    begun = datetime.now(UTC) - timedelta(seconds=1)
    found = bench.checkpoints(bench.run(abc(), {"x": 1}))
    assert begun < found[0].created_at <= found[-1].created_at <= datetime.now(UTC)
    assert [one.node for one in found] == [None, None, "a", "b", "c"]
    assert repr(found[2]) == f"<Checkpoint {found[2].id} step 1, after a, before b>"


def test_an_execution_is_named_in_all_ways(bench):
    execution = bench.run(abc(), {"x": 1})
    ids = [one.id for one in bench.checkpoints(execution)]
    for name in (execution.id, execution.id[:9], "latest"):
        found: Any = bench.checkpoints(name)
        assert [one.id for one in found] == ids
