"""Executing a graph through the adapter gives what `graph.invoke` gives, whatever the graph."""

import asyncio
import operator
from typing import Annotated, TypedDict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

from wtb.context import RunContext
from wtb.langgraph import GraphAdapter
from wtb.variants import Variant
from wtb.workflow import Workflow

RUN = RunContext(execution_id="e_1")


class State(TypedDict, total=False):
    x: Annotated[int, operator.add]
    log: Annotated[list, operator.add]
    last: Annotated[str, lambda _, new: new]


class Output(TypedDict):
    x: int
    log: list


KINDS = st.sampled_from(["plain", "async", "command", "send", "branch", "subgraph"])


@st.composite
def plans(draw):
    """A random DAG: for each node its kind and the later nodes that it leads to."""
    size = draw(st.integers(1, 6))
    nodes = []
    for index in range(size):
        later = list(range(index + 1, size))
        targets = draw(st.lists(st.sampled_from(later), unique=True, max_size=3)) if later else []
        nodes.append((draw(KINDS), sorted(targets), draw(st.integers(0, 9))))
    return nodes, draw(st.booleans())


def update(name, state, amount):
    return {"x": amount, "log": [f"{name}:{state.get('x')}"], "last": name}


def make_node(kind, name, targets, amount):
    if kind == "async":

        async def node(state):
            return update(name, state, amount)

    elif kind == "command":

        def node(state):
            return Command(update=update(name, state, amount), goto=[f"n{t}" for t in targets])

    else:

        def node(state):
            return update(name, state, amount)

    return node


def make_subgraph(name, amount):
    inner = StateGraph(State)
    inner.add_node("one", make_node("plain", f"{name}/one", [], amount))
    inner.add_node("two", make_node("plain", f"{name}/two", [], 1))
    inner.add_edge(START, "one")
    inner.add_edge("one", "two")
    return inner.compile()


def build(plan, narrow):
    graph = StateGraph(State, output_schema=Output if narrow else None)
    for index, (kind, targets, amount) in enumerate(plan):
        name = f"n{index}"
        action = (
            make_subgraph(name, amount)
            if kind == "subgraph"
            else make_node(kind, name, targets, amount)
        )
        graph.add_node(name, action, destinations=tuple(f"n{t}" for t in targets) or None)
        _leave(graph, name, kind, targets)
    graph.add_edge(START, "n0")
    return graph


def _leave(graph, name, kind, targets):
    names = [f"n{target}" for target in targets]
    if kind == "send":
        graph.add_conditional_edges(
            name, lambda state: [Send(n, {"x": i, "log": []}) for i, n in enumerate(names)] or END
        )
    elif kind == "branch":
        graph.add_conditional_edges(
            name, lambda state: names[len(state["log"]) % len(names)] if names else END
        )
    elif kind != "command":
        for target in names:
            graph.add_edge(name, target)


async def ainvoke(graph, given_):
    return await graph.ainvoke(given_)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans(), st.integers(0, 5))
def test_any_graph_gives_what_langgraph_gives(plan, start):
    nodes, narrow = plan
    given_ = {"x": start, "log": []}
    graph = build(nodes, narrow)
    with GraphAdapter(Workflow("w", graph)) as adapter:
        itself = {
            f"n{i}": make_node(kind, f"n{i}", targets, amount)
            for i, (kind, targets, amount) in enumerate(nodes)
            if kind != "subgraph"
        }
        traces = [
            adapter.prepare(variant).execute(given_, run=RUN, cancelled=lambda: False)
            for variant in (Variant("baseline"), Variant("itself", nodes=itself))
        ]
    expected = asyncio.run(ainvoke(build(nodes, narrow).compile(), given_))
    for trace in traces:
        assert trace.error is None
        assert trace.output == expected
        assert len(trace.state["log"]) >= len(expected["log"])
    # Nodes of one step run at once, and begin in any order.
    plain, substituted = (sorted(node.path for node in trace.nodes) for trace in traces)
    assert plain == substituted
