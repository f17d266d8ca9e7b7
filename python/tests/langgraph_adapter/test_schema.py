"""Cases that do not fit a graph's input are refused, and those that do are not."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, NotRequired, TypedDict

import pytest
from graphs import chain
from langchain_core.messages import HumanMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.managed import RemainingSteps
from pydantic import BaseModel

from wtb.errors import InvalidCaseError
from wtb.variants import Variant


class Input(TypedDict):
    query: str
    limit: NotRequired[int]
    log: Annotated[list, operator.add]


class State(TypedDict):
    query: str
    limit: int
    answer: str
    steps: RemainingSteps
    log: Annotated[list, operator.add]


class Model(BaseModel):
    query: str
    limit: int = 3


@dataclass
class Data:
    query: str
    limit: int = 3
    log: Annotated[list, operator.add] = field(default_factory=list)


def noop(state):
    return {}


def check(execute, graph, given, variant=None):
    return execute.adapter(graph).check_case(variant or Variant("v"), "case-7", given)


@pytest.mark.parametrize(
    "graph",
    [
        chain(("n", noop), state=State, input_schema=Input),
        chain(("n", noop), state=Model),
        chain(("n", noop), state=Data),
    ],
    ids=["input schema", "pydantic", "dataclass"],
)
def test_required_keys_of_declared_inputs(execute, graph):
    assert check(execute, graph, {"query": "q"}) == []
    assert check(execute, graph, {"query": "q", "limt": 3}) == ["limt"]
    with pytest.raises(InvalidCaseError) as caught:
        check(execute, graph, {"qeury": "q", "limit": 2})
    text = str(caught.value)
    assert "case 'case-7' lacks the key 'query'" in text
    assert "Is 'qeury' meant to be 'query'?" in text
    assert "It has: 'qeury', 'limit'" in text


def reads_query(state: State) -> dict:
    return {"answer": state["query"] + "!"}


async def reads_query_async(state):
    return {"answer": state["query"]}


class Reader:
    def __call__(self, state):
        return {"answer": state["query"]}


def reads_limit_perhaps(state):
    if "limit" in state:
        return {"answer": state["limit"]}
    return {"answer": state["query"]}


def changes_first(state):
    state = {"limit": 1, **state}
    return {"answer": state["limit"]}


def returns_it(state):
    return state


def sets_a_default(state):
    state.setdefault("limit", 1)
    return {"answer": state["limit"]}


def fills(state):
    state["limit"] = 1
    return {"answer": state["limit"]}


def passes_on(state):
    sets_a_default(state)
    return {"answer": state["limit"]}


def tries(state):
    try:
        return {"answer": state["limit"]}
    except KeyError:
        return {}


@pytest.mark.parametrize(
    "node",
    [reads_query, reads_query_async, Reader(), Reader().__call__, lambda s: {"answer": s["query"]}],
)
def test_a_typed_dict_state_needs_what_the_first_node_reads(execute, node):
    graph = chain(("n", node), ("m", lambda s: {"answer": s["limit"]}), state=State)
    assert check(execute, graph, {"query": "q"}) == []
    with pytest.raises(InvalidCaseError, match="lacks the key 'query'"):
        check(execute, graph, {"limit": 3})


@pytest.mark.parametrize(
    "node",
    [noop, returns_it, reads_limit_perhaps, changes_first, sets_a_default, fills, passes_on, tries],
)
def test_what_a_node_may_do_without_is_not_required(execute, node):
    graph = chain(("n", node), state=State)
    assert check(execute, graph, {"query": "q"}) == []


def test_keys_with_reducers_are_never_required(execute):
    graph = chain(("n", lambda s: {"answer": s["log"], "query": s["query"]}), state=State)
    assert check(execute, graph, {"query": "q"}) == []


def test_the_route_from_the_start_counts_as_a_first_node(execute):
    graph = StateGraph(State)
    graph.add_node("n", noop)
    graph.add_conditional_edges(START, lambda s: s["query"], ["n"])
    with pytest.raises(InvalidCaseError, match="lacks the key 'query'"):
        check(execute, graph, {"limit": 3})


def test_the_variants_own_first_node_counts(execute):
    graph = chain(("n", reads_query), state=State)
    variant = Variant("v", nodes={"n": lambda s: {"answer": s["limit"]}})
    assert check(execute, graph, {"limit": 1}, variant) == []
    with pytest.raises(InvalidCaseError, match="lacks the key 'limit'"):
        check(execute, graph, {"query": "q"}, variant)


def test_a_case_with_none_of_the_keys_is_refused(execute):
    graph = chain(("n", noop), state=State)
    with pytest.raises(InvalidCaseError, match="none of its keys"):
        check(execute, graph, {"question": "q"})


def test_a_graph_that_needs_nothing_may_be_given_nothing(execute):
    assert check(execute, chain(("n", noop), state=State), {}) == []
    with pytest.raises(InvalidCaseError, match="lacks the key 'query'"):
        check(execute, chain(("n", reads_query), state=State), {})


@pytest.mark.parametrize("given", ["q", 3, ["q"]])
def test_a_case_that_is_no_mapping_is_refused(execute, given):
    with pytest.raises(InvalidCaseError, match="takes a mapping with the keys 'query'"):
        check(execute, chain(("n", noop), state=State), given)
    assert check(execute, chain(("n", lambda s: s), state=list), given) == []


def test_a_case_without_input_is_refused(execute):
    with pytest.raises(InvalidCaseError, match="has no input"):
        check(execute, chain(("n", noop), state=State), None)


def test_objects_of_the_schema_and_messages_are_fine(execute):
    assert check(execute, chain(("n", noop), state=Model), Model(query="q")) == []
    assert check(execute, chain(("n", noop), state=Data), Data("q")) == []
    graph = chain(("n", lambda s: {"messages": s["messages"]}), state=MessagesState)
    assert check(execute, graph, {"messages": [HumanMessage("hi")]}) == []
