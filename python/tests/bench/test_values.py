"""What cannot be stored, what is too large, and that a long batch needs little memory."""

import gc
import math
import operator
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from bench_graphs import build, chain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph

from wtb import Case, Variant, _values
from wtb._values import RECORD_BYTES_MAX, Unserialisable
from wtb.errors import ConfigurationError


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no repr")


class Surrogates:
    def __repr__(self):
        return "\ud800"


@dataclass
class Document:
    text: str


class Point(NamedTuple):
    x: int
    label: str


TEXTS = st.text(st.sampled_from("a?\ud800\U0001f600"), max_size=3)


def test_what_cannot_be_stored_is_marked_and_reported(bench):
    lock = threading.Lock()

    def node(state):
        return {"y": lock}

    def after(state):
        assert state["y"] is lock, "nodes see the value itself"
        return {"x": 5}

    execution = bench.run(chain(node=node, after=after), {"x": 1}).raise_for_status()
    assert execution.output["x"] == 5
    assert isinstance(execution.output["y"], Unserialisable)
    assert execution.output["y"].text == repr(lock)
    assert repr(execution.output["y"]) == f"<not stored: {lock!r}>"
    assert any("the output: 'y' cannot be serialised" in text for text in execution.warnings)
    assert isinstance(execution.nodes[0].output["y"], Unserialisable)
    assert execution.nodes[1].output == {"x": 5}


@pytest.mark.parametrize("value", [Unshowable(), Surrogates(), {"\ud800": 1}, 2**100])
def test_odd_values_cost_nothing_but_themselves(bench, value):
    execution = bench.run(chain(node=lambda state: {"y": value}), {"x": 1})
    assert execution.raise_for_status().output["x"] == 1
    assert execution.output["y"] == value or execution.warnings


@pytest.mark.parametrize(
    "held",
    [
        "half a pair: \ud83d",
        ["a?", {"deep": ("\udfff",)}],
        Document("\ud800"),
        AIMessage("\ud83d"),
        {"\ud800"},
        Path("\udc80"),
        Point(1, "\ud800"),
    ],
    ids=lambda held: type(held).__name__,
)
def test_text_that_cannot_be_stored_as_it_is_is_reported(bench, held):
    execution = bench.run(chain(node=lambda state: {"y": held}), {"x": 1}).raise_for_status()
    said = "has lone surrogates, each of which is stored as '?'"
    assert execution.warnings == [f"node 'node': its output: 'y' {said}", f"the output: 'y' {said}"]
    assert execution.output["y"] != held


@pytest.mark.parametrize("held", ["really?", AIMessage("what?"), b"?", [63, 1.5], "\U0001f600?"])
def test_a_question_mark_is_nothing_to_report(bench, held):
    execution = bench.run(chain(node=lambda state: {"y": held}), {"x": 1})
    assert (execution.output["y"], execution.warnings) == (held, [])


def test_a_case_whose_text_cannot_be_stored_is_refused(bench):
    with pytest.raises(ConfigurationError, match=r"the input of case 'c': 'y' has lone surrogates"):
        bench.run_batch(build(), variants=[{}], test_cases=[Case({"x": 1, "y": "\ud800"}, id="c")])


@settings(max_examples=200, deadline=None)
@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_what_comes_back_is_the_same_or_reported(value):
    warnings: list[str] = []
    back = _values.serializer().loads_typed(_values.dump(value, "it", warnings))
    assert (back == value) is not bool(warnings)


WEIRD = (
    st.builds(Unshowable)
    | st.builds(Surrogates)
    | st.builds(object)
    | st.sampled_from([print, 2**70, b"\xff", "\udfff", {1}])
)
ANY = st.recursive(
    WEIRD | st.none() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.text() | st.integers() | st.tuples(st.text()) | st.just("\ud800"), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY)
def test_every_value_can_be_dumped(value):
    warnings: list[str] = []
    kind, data = _values.dump(value, "it", warnings)
    assert isinstance(data, bytes)
    _values.serializer().loads_typed((kind, data))


def test_a_huge_value_of_a_node_is_recorded_in_part(bench):
    text = "x" * (RECORD_BYTES_MAX + 1)

    def node(state):
        return {"y": text}

    execution = bench.run(chain(node=node, after=lambda state: {"x": len(state["y"])}), {"x": 1})
    assert execution.output == {"x": len(text), "y": text}
    after = execution.nodes[1]
    assert isinstance(after.input, Unserialisable)
    assert len(after.input.text) <= 2_000
    assert any("more than are stored" in warning for warning in execution.warnings)


def test_values_of_ones_own_types_come_back(bench):
    execution = bench.run(
        chain(node=lambda state: {"y": [Document("a"), Path("/b"), {1, 2}, (3,)]}), {"x": 1}
    )
    assert not execution.warnings
    document, path, numbers, _ = execution.output["y"]
    assert (path, numbers) == (Path("/b"), {1, 2})
    assert document == Document("a")


def test_the_state_is_kept_where_the_output_shows_a_part_of_it(bench):
    class Given(TypedDict):
        question: str

    class Shown(TypedDict):
        answer: str

    class Whole(Given, Shown):
        log: Annotated[list[Any], operator.add]

    graph = StateGraph(Whole, input_schema=Given, output_schema=Shown)
    graph.add_node("node", lambda state: {"answer": state["question"].upper(), "log": ["n"]})
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    execution = bench.run(graph, {"question": "why"})
    assert execution.output == {"answer": "WHY"}
    assert execution.state == {"question": "why", "answer": "WHY", "log": ["n"]}


@pytest.mark.parametrize("value", [math.inf, math.nan, 2**70, (1,), "\ud800", object(), {1: 2}])
def test_settings_that_cannot_be_kept_are_used_all_the_same(bench, value):
    def node(state, config):
        return {"y": config["configurable"]["k"] is value}

    node.__annotations__ = {"config": RunnableConfig}
    batch = bench.run_batch(
        chain(node=node),
        variants=[{}, Variant("own", context={"k": value})],
        test_cases=[{"x": 1}],
        config={"configurable": {"k": value}},
    )
    assert [one.output["y"] for one in batch.raise_for_status().results] == [True, True]


def resident_bytes():
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_a_long_batch_needs_little_memory(bench):
    def noop(state):
        return {"y": state["x"]}

    def run(cases):
        batch = bench.run_batch(
            chain(noop=noop),
            variants=[{}, {"noop": lambda state: {"y": 0}}],
            test_cases=[{"x": number} for number in range(cases)],
            runner="inline",
        )
        assert batch.status == "completed"

    run(100)
    before = resident_bytes()
    run(5_000)
    assert resident_bytes() - before < 80 * 2**20


def test_an_input_that_is_read_by_many_is_read_once(bench):
    batch = bench.run_batch(
        build(), variants=[{}], test_cases=[{"x": number} for number in range(300)]
    )
    assert [one.input["x"] for one in batch.results] == list(range(300))
    assert [one.expected for one in bench.executions(batch=batch)] == [None] * 300
