"""Any graph has the same history on LangGraph's in-memory saver and on ours."""

import operator
from typing import Annotated, TypedDict
from uuid import uuid4

import pytest
from histories import assert_same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt


class State(TypedDict, total=False):
    x: Annotated[int, operator.add]
    log: Annotated[list, operator.add]
    text: Annotated[str, lambda _, new: new]
    constant: Annotated[str, lambda _, new: new]


KINDS = st.sampled_from(["plain", "command", "send", "branch", "subgraph", "kept", "ask"])


@st.composite
def plans(draw):
    """For each node its kind, the later nodes that it leads to, and how large its text is."""
    size = draw(st.integers(1, 5))
    nodes = []
    for index in range(size):
        later = list(range(index + 1, size))
        targets = draw(st.lists(st.sampled_from(later), unique=True, max_size=3)) if later else []
        nodes.append((draw(KINDS), sorted(targets), draw(st.sampled_from([0, 1, 700, 9_000]))))
    return nodes


def action(kind, name, targets, size):
    def update(state):
        found = {"x": 1, "log": [f"{name}:{state.get('x', 0)}"]}
        return {**found, "text": name * size} if kind == "plain" and not targets else found

    if kind == "command":
        return lambda state: Command(update=update(state), goto=[f"n{t}" for t in targets])
    if kind == "ask":
        return lambda state: {"log": [f"{name}: {interrupt(name * max(size, 1))}"]}
    return update


def inner(name, size, checkpointer):
    graph = StateGraph(State)
    graph.add_node("one", action("plain", f"{name}/one", [1], size))
    graph.add_node("two", action("plain", f"{name}/two", [1], size))
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    return graph.compile(checkpointer=checkpointer)


def build(plan, saver):
    graph = StateGraph(State)
    for index, (kind, targets, size) in enumerate(plan):
        name, names = f"n{index}", [f"n{target}" for target in targets]
        if kind in ("subgraph", "kept"):
            # A namespace that is kept is refused to several calls at once: Send makes those.
            sent = any(kind == "send" and index in targets for kind, targets, _ in plan)
            node = inner(name, size, True if kind == "kept" and not sent else None)
        else:
            node = action(kind, name, targets, size)
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
        elif kind != "command":
            for target in names:
                graph.add_edge(name, target)
    graph.add_edge(START, "n0")
    return graph.compile(checkpointer=saver)


def finish(graph, at, durability):
    """Answer all questions, step after step."""
    seen = []
    for turn in range(20):
        asked = graph.get_state(at).interrupts
        if not asked:
            return seen
        answers = {one.id: f"answer {turn}" for one in asked}
        seen.append(graph.invoke(Command(resume=answers), at, durability=durability))
    raise GraphRecursionError("the questions do not end")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans(), data=st.data())
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_any_graph_has_the_same_history(shared_saver, durability, plan, data):
    back = data.draw(st.integers(0, 6), label="how far to go back")

    def scenario(saver, at):
        graph = build(plan, saver)
        begin = {"x": 1, "log": [], "text": "", "constant": "c" * 3_000}
        seen = [graph.invoke(begin, at, durability=durability), *finish(graph, at, durability)]
        history = [*graph.get_state_history(at)]
        past = history[min(back, len(history) - 1)]
        updated = graph.update_state(past.config, {"log": ["fork"]}, as_node="n0")
        seen.append(graph.invoke(None, updated, durability=durability))
        seen += finish(graph, at, durability)
        seen.append(graph.invoke({"x": 5}, at, durability=durability))
        return graph, seen

    assert_same(scenario, (InMemorySaver(), shared_saver), f"{uuid4()}")
