"""Of any graph a bench tells what LangGraph tells, and going back and on ends as it ended."""

import operator
from typing import Annotated, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from oracle import assert_ends_alike, assert_same_history, plain
from stores import store_at

from wtb import TestBench


class State(TypedDict, total=False):
    x: Annotated[int, operator.add]
    log: Annotated[list, operator.add]
    text: Annotated[str, lambda _, new: new]


KINDS = st.sampled_from(["plain", "plain", "command", "send", "branch", "subgraph", "joined"])
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[*HealthCheck])


@st.composite
def plans(draw):
    """For each node its kind, and the later nodes that it leads to."""
    size = draw(st.integers(1, 6))
    nodes = []
    for index in range(size):
        later = list(range(index + 1, size))
        targets = draw(st.lists(st.sampled_from(later), unique=True, max_size=3)) if later else []
        nodes.append((draw(KINDS), sorted(targets)))
    return nodes


def build(plan):
    """Several nodes of kind "joined" that lead to the same node lead there once, together."""
    graph, joins = StateGraph(State), {}
    for index, (kind, targets) in enumerate(plan):
        name, names = f"n{index}", [f"n{target}" for target in targets]

        def update(state, name=name):
            return {"x": 1, "log": [f"{name}:{state.get('x', 0)}"], "text": name}

        def command(state, update=update, names=names):
            return Command(update=update(state), goto=names)

        node = command if kind == "command" else update
        if kind == "subgraph":
            inner = StateGraph(State)
            for one in ("one", "two"):
                inner.add_node(one, lambda state, one=one: {"log": [one]})
            inner.add_edge(START, "one")
            inner.add_edge("one", "two")
            node = inner.compile()
        graph.add_node(name, node, destinations=tuple(names) or None)
        if kind == "send":
            graph.add_conditional_edges(
                name,
                lambda state, names=names: (
                    [Send(one, {"x": number, "log": []}) for number, one in enumerate(names * 2)]
                    or END
                ),
            )
        elif kind == "branch":
            graph.add_conditional_edges(
                name,
                lambda state, names=names: names[len(state["log"]) % len(names)] if names else END,
            )
        elif kind == "joined":
            for target in names:
                joins.setdefault(target, []).append(name)
        elif kind != "command":
            for target in names:
                graph.add_edge(name, target)
    for target, starts in joins.items():
        graph.add_edge(starts, target)
    graph.add_edge(START, "n0")
    return graph


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with TestBench(store_at(tmp_path_factory.mktemp("graphs"))) as bench:
        yield bench


@FEW
@given(plan=plans())
def test_any_graph_has_the_history_that_langgraph_tells(shared, plan):
    assert_same_history(shared, lambda: build(plan), {"x": 1, "log": [], "text": ""})


@FEW
@given(plan=plans(), data=st.data())
def test_from_any_checkpoint_it_ends_as_it_ended(shared, plan, data):
    execution = shared.run(build(plan), {"x": 1, "log": ["begin"], "text": ""})
    roots = [one for one in shared.checkpoints(execution) if not one.path]
    at = data.draw(st.sampled_from(roots), label="where to go back to")
    fork = shared.fork(execution, at=at)
    back = shared.rollback(execution, at=at)
    assert plain(back.state) == plain(fork.state) == plain(at.values)
    for one in (back, fork):
        again = shared.resume(one)
        assert (again.status, plain(again.state)) == ("succeeded", plain(execution.state))
        told = [(step.step, step.nodes, step.next) for step in shared.checkpoints(again)]
        before = [(step.step, step.nodes, step.next) for step in shared.checkpoints(execution)]
        assert sorted(told) == sorted(before) or any(one.path for one in roots)


@FEW
@given(plan=plans(), data=st.data())
def test_an_update_anywhere_makes_what_langgraph_makes_of_it(shared, plan, data):
    execution, graph, thread = assert_same_history(
        shared, lambda: build(plan), {"x": 1, "log": ["begin"], "text": ""}
    )
    roots = [one for one in shared.checkpoints(execution) if not one.path]
    history = [*graph.get_state_history(thread)][::-1]
    place = data.draw(st.integers(1, len(roots) - 1), label="where")
    node = data.draw(st.sampled_from([f"n{n}" for n in range(len(plan))]), label="as_node")
    update = {"x": 10, "log": ["updated"]}
    fork = shared.fork(execution, at=roots[place], update=update, as_node=node)
    theirs = graph.update_state(history[place].config, update, as_node=node)
    told = graph.get_state(theirs)
    assert_ends_alike(fork.state, told.values)
    assert set(shared.checkpoints(fork)[-1].next) == {one.name for one in told.tasks}
    assert_ends_alike(shared.resume(fork).state, graph.invoke(None, theirs))
