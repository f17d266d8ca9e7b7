"""Variants: grids, names, factors, descriptions, and what is refused."""

import json
from typing import TypedDict

import numpy
import pytest
from langgraph.graph import START, StateGraph

from wtb.errors import ConfigurationError, UnknownNodeError, UnknownVariantError
from wtb.variants import Variant, grid, normalise_variants
from wtb.workflow import Workflow


class State(TypedDict, total=False):
    query: str
    answer: str


def dense(state: State) -> State:
    return state


def short(state: State) -> State:
    return state


def build_graph() -> StateGraph:
    graph = StateGraph(State)
    graph.add_node("retriever", dense)
    graph.add_node("generator", dense)
    graph.add_edge(START, "retriever")
    graph.add_edge("retriever", "generator")
    return graph


@pytest.fixture
def workflow():
    workflow = Workflow("rag", build_graph())
    workflow.register_variant("retriever", "dense", dense)
    workflow.register_variant("generator", "short", short)
    return workflow


def names(variants):
    return [variant.name for variant in variants]


def test_a_grid_is_every_combination_with_its_factors(workflow):
    variants = grid(
        {"generator": ["baseline", "short"]},
        retriever=["baseline", dense],
        config={"temperature": [0.2]},
    )
    assert [dict(variant.factors) for variant in variants] == [
        {"generator": "baseline", "retriever": "baseline", "config.temperature": "0.2"},
        {"generator": "baseline", "retriever": "dense", "config.temperature": "0.2"},
        {"generator": "short", "retriever": "baseline", "config.temperature": "0.2"},
        {"generator": "short", "retriever": "dense", "config.temperature": "0.2"},
    ]
    assert names(normalise_variants(workflow, variants)) == [
        "config.temperature=0.2",
        "retriever=dense,config.temperature=0.2",
        "generator=short,config.temperature=0.2",
        "retriever=dense,generator=short,config.temperature=0.2",
    ]


def test_a_grid_over_context_and_params_fills_them():
    (variant,) = grid(context={"prompt": ["short"]}, params={"k": [3]})
    assert variant.context == {"prompt": "short"}
    assert variant.params == {"k": 3}
    assert grid() == [Variant()]


def test_default_names_follow_the_graph_and_leave_out_the_baseline(workflow):
    variants = [
        {"generator": "short", "retriever": "dense"},
        {"retriever": "baseline", "generator": "short"},
        {},
        Variant("mine", nodes={"retriever": "dense"}),
    ]
    assert names(normalise_variants(workflow, variants)) == [
        "retriever=dense,generator=short",
        "generator=short",
        "baseline",
        "mine",
    ]


def test_a_function_called_baseline_is_still_a_substitution(workflow):
    def baseline(state):
        return state

    assert names(normalise_variants(workflow, [{"retriever": baseline}])) == ["retriever=baseline"]


def test_bare_graphs_take_callables_and_references():
    variants = normalise_variants(
        build_graph(), [{"retriever": short}, {"retriever": f"{__name__}:dense"}]
    )
    assert names(variants) == ["retriever=short", "retriever=dense"]


def test_a_description_is_plain_json():
    marker = object()
    variant = Variant(
        "v",
        nodes={"a": dense, "b": "short", "c": lambda state: state},
        config={"configurable": {"k": 1}, "callbacks": [marker]},
        context=marker,
        params={"path": {1, 2}.__class__},
        graph="app:graph",
    )
    described = json.loads(json.dumps(variant.describe()))
    assert described["nodes"] == {"a": f"{__name__}:dense", "b": "short", "c": "<lambda>"}
    assert described["config"] == {"configurable": {"k": 1}, "callbacks": [repr(marker)]}
    assert described["context"] == repr(marker)
    assert described["graph"] == "app:graph"
    assert described["factors"]["config.k"] == "1"
    assert described["factors"]["graph"] == "graph"


def test_an_environment_is_kept_as_plain_json():
    given = {"env_vars": {"A": "1"}, "pip": ("x", "y")}
    variant = Variant(environment=given)
    given["env_vars"]["A"] = "2"
    assert variant.environment == {"env_vars": {"A": "1"}, "pip": ["x", "y"]}
    assert variant.describe()["environment"] == variant.environment
    assert variant.factors == {
        "environment.env_vars": "{'A': '1'}",
        "environment.pip": "['x', 'y']",
    }
    assert Variant(environment={}).environment is None
    for wrong, why in (
        ("venv", "is a mapping"),
        ({"pip": {1, 2}}, "is JSON"),
        ({"env_vars": {"A": 1}}, "all of them texts"),
        ({"env_vars": {"A=B": "1"}}, "all of them texts"),
        ({"env_vars": ["A"]}, "all of them texts"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            Variant("v", environment=wrong)


def test_a_variant_keeps_its_own_copy_of_mappings():
    nodes = {"a": dense}
    variant = Variant(nodes=nodes)
    nodes["b"] = short
    assert dict(variant.nodes) == {"a": dense}
    with pytest.raises(AttributeError):
        variant.name = "other"


def test_two_variants_of_one_name_are_an_error_that_shows_both(workflow):
    with pytest.raises(ConfigurationError) as caught:
        normalise_variants(
            workflow, [{"retriever": lambda s: s}, {}, {"retriever": lambda s: {"answer": ""}}]
        )
    text = str(caught.value)
    assert "variants[0] and variants[2] are both called 'retriever=<lambda>'" in text


@pytest.mark.parametrize("variants", [[], (), iter([])])
def test_an_empty_list_is_an_error(workflow, variants):
    with pytest.raises(ConfigurationError, match="list of variants is empty"):
        normalise_variants(workflow, variants)


@pytest.mark.parametrize("variants", [{"retriever": "dense"}, "dense", Variant(), 3])
def test_something_else_than_a_list_is_an_error(workflow, variants):
    with pytest.raises(ConfigurationError, match="variants are a list"):
        normalise_variants(workflow, variants)


def test_an_entry_of_another_type_is_an_error(workflow):
    with pytest.raises(ConfigurationError, match=r"variants\[1\] is a str"):
        normalise_variants(workflow, [{}, "dense"])


def test_an_unknown_node_names_near_misses_and_all_nodes(workflow):
    with pytest.raises(UnknownNodeError) as caught:
        normalise_variants(workflow, [{"retreiver": "dense"}])
    text = str(caught.value)
    assert "'retreiver'" in text
    assert "Did you mean 'retriever'?" in text
    assert "'retriever', 'generator'" in text


def test_a_registration_for_an_unknown_node_is_found(workflow):
    workflow.register_variant("generater", "x", short)
    with pytest.raises(UnknownNodeError, match="registered for node 'generater'"):
        normalise_variants(workflow, [{}])


def test_an_unknown_implementation_names_near_misses(workflow):
    with pytest.raises(UnknownVariantError) as caught:
        normalise_variants(workflow, [{"retriever": "densse"}])
    assert "Did you mean 'dense'?" in str(caught.value)
    assert "'baseline', 'dense'" in str(caught.value)


def test_a_bare_name_for_a_bare_graph_says_that_it_needs_a_workflow():
    with pytest.raises(UnknownVariantError, match=r"wrap the graph in a wtb\.Workflow"):
        normalise_variants(build_graph(), [{"retriever": "dense"}])


@pytest.mark.parametrize("implementation", [3, None, ["dense"]])
def test_an_implementation_that_cannot_be_called_is_an_error(workflow, implementation):
    with pytest.raises(ConfigurationError, match="cannot be called"):
        normalise_variants(workflow, [{"retriever": implementation}])


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"n": ["rf", "xgb", "rf"]}, "node 'n' gives 'rf' twice"),
        ({"config": {"k": [5, 5]}}, "config key 'k' gives 5 twice"),
        ({"context": {"tools": [["a"], ["a"]]}}, "context key 'tools' gives \\['a'\\] twice"),
        ({"params": {"weights": [numpy.ones(2)] * 2}}, "params key 'weights' gives array"),
        ({"n": [dense, dense]}, "node 'n' gives <function dense"),
    ],
)
def test_a_choice_that_a_grid_gives_twice_is_refused(axes, said):
    with pytest.raises(ConfigurationError, match=said):
        grid(**axes)


def test_choices_that_only_look_alike_are_several():
    choices = [1, 1.0, True, "1", [1], [True], numpy.ones(2), numpy.ones(2)]
    assert len(grid(config={"k": choices})) == len(choices)


def test_bad_variants_and_grids_are_refused():
    with pytest.raises(ConfigurationError, match="non-empty text"):
        Variant("")
    with pytest.raises(ConfigurationError, match="nodes is a mapping"):
        Variant(nodes=["a"])
    with pytest.raises(ConfigurationError, match="write a single choice as a list of one"):
        grid(retriever="dense")
    with pytest.raises(ConfigurationError, match="no choices"):
        grid(retriever=[])
    with pytest.raises(ConfigurationError, match="given twice"):
        grid({"a": [dense]}, a=[dense])


def test_each_variant_is_checked_against_its_own_graph(workflow):
    other = StateGraph(State)
    other.add_node("whole", dense)
    other.add_edge(START, "whole")
    variants = normalise_variants(
        workflow, [Variant("other", graph=other, nodes={"whole": short}), {}]
    )
    assert names(variants) == ["other", "baseline"]
    with pytest.raises(UnknownNodeError, match="'whole'"):
        normalise_variants(workflow, [Variant(graph=other, nodes={"retriever": short})])


def test_factories_are_called_with_the_variants_params():
    made = []

    def build(k):
        made.append(k)
        return build_graph()

    variants = normalise_variants(Workflow("w", build), [Variant(params={"k": k}) for k in (1, 2)])
    assert names(variants) == ["params.k=1", "params.k=2"]
    assert made == [1, 2]
