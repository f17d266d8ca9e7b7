"""What cannot be done is refused by typed errors that say why, and nothing has changed."""

import threading

import pytest
from lineage_graphs import Breaks, abc, add, ask, chain, loop
from pydantic import BaseModel

from wtb import Case, Variant, Workflow
from wtb.errors import (
    AmbiguousIdError,
    CheckpointNotFoundError,
    ConfigurationError,
    InvalidCaseError,
    InvalidTransitionError,
    NotFoundError,
    UnknownNodeError,
    UnknownVariantError,
    WtbError,
)

SQL = "'; DROP TABLE checkpoints; --"
ODD = [SQL, "%", "_", "*", "\x00", "", " ", "ö\u202e", "a" * 5_000, "\ud800", "e_", "None"]


@pytest.fixture
def ended(bench):
    """An execution that succeeded, one that failed, one that asks, and one that is paused."""
    return {
        "succeeded": bench.run(abc(), {"x": 0}),
        "failed": bench.run(chain(a=add("a"), breaks=Breaks()), {"x": 0}),
        "interrupted": bench.run(chain(a=add("a"), ask=ask), {"x": 0}),
        "paused": bench.run(abc(), {"x": 0}, breakpoints=["b"]),
    }


@pytest.mark.parametrize("call", ["fork", "rollback"])
def test_checkpoints_that_there_are_not(bench, ended, refused, call):
    act = getattr(bench, call)
    execution = ended["succeeded"]
    ids = [one.id for one in bench.checkpoints(execution)]
    other = bench.checkpoints(ended["failed"])[1]
    for at in ("1f000000-0000-6000-8000-000000000000", ids[0] + "0", other.id, other):
        with refused(CheckpointNotFoundError, "has no checkpoint") as raised:
            act(execution, at=at)
        assert ids[-1] in str(raised.value)
    with refused(CheckpointNotFoundError, "fits more than one"):
        act(execution, at=ids[0][:4])
    for at in ("", 7, 1.5, b"x", [], {}, True):
        with refused(ConfigurationError):
            act(execution, at=at)


@pytest.mark.parametrize("call", ["fork", "rollback"])
def test_nodes_that_there_are_not(bench, ended, refused, call):
    act, execution = getattr(bench, call), ended["succeeded"]
    turned = bench.run(loop(1), {"x": 0})
    with refused(CheckpointNotFoundError, "Did you mean") as raised:
        act(turned, before="tunr")
    assert "'turn'" in str(raised.value)
    for where in ("before", "after"):
        with refused(CheckpointNotFoundError) as raised:
            act(execution, **{where: "d"})
        assert "'a', 'b', 'c'" in str(raised.value)
        for wrong in (7, ["a"], b"a"):
            with refused(ConfigurationError, "name of a node"):
                act(execution, **{where: wrong})
    with refused(CheckpointNotFoundError):
        act(ended["failed"], after="breaks")


@pytest.mark.parametrize("call", ["fork", "rollback"])
def test_places_that_are_not_one(bench, ended, refused, call):
    act, execution = getattr(bench, call), ended["succeeded"]
    at = bench.checkpoints(execution)[1]
    for places in (
        {"before": "a", "after": "b"},
        {"at": at, "before": "a"},
        {"at": at, "before": "a", "after": "b"},
    ):
        with refused(ConfigurationError, "name one place"):
            act(execution, **places)
    for occurrence in (1, 5, -2, 10**30):
        with refused(CheckpointNotFoundError, "occurrence"):
            act(execution, before="a", occurrence=occurrence)


@pytest.mark.parametrize("call", ["fork", "rollback"])
def test_occurrences_that_are_no_numbers(bench, ended, refused, call):
    for occurrence in ("first", 1.5, None, [0]):
        with refused(ConfigurationError):
            getattr(bench, call)(ended["succeeded"], before="a", occurrence=occurrence)


def test_a_rollback_to_nowhere(bench, ended, refused):
    with refused(ConfigurationError, "name one place"):
        bench.rollback(ended["succeeded"])


@pytest.mark.parametrize("odd", ODD)
def test_odd_texts_name_nothing(bench, ended, refused, odd):
    execution = ended["succeeded"]
    for call in (bench.rollback, bench.fork):
        for where in ("at", "before", "after"):
            with refused(WtbError):
                call(execution, **{where: odd})
    for call in (bench.checkpoints, bench.resume, lambda one: bench.fork(one)):
        with refused((NotFoundError, AmbiguousIdError, ConfigurationError)):
            call(odd)


def test_updates_of_keys_that_there_are_not(bench, ended, refused):
    for update in ({"xx": 1}, {"x": 1, "lgo": []}, {SQL: 1}, {"": 1}, {7: 1}, {"__root__": 1}):
        for status in ("failed", "interrupted", "paused"):
            with refused(ConfigurationError, "has no key"):
                bench.resume(ended[status], update=update)
        with refused(ConfigurationError, "has no key"):
            bench.fork(ended["succeeded"], after="a", update=update)
        with refused(ConfigurationError, "has no key"):
            bench.resume(ended["interrupted"], answer="me", update=update)


def test_updates_that_no_node_could_return(bench, ended, refused):
    for update in (7, "x", [1], object(), lambda: 1, {"log": 5}, {"log": None}):
        with refused(ConfigurationError):
            bench.fork(ended["succeeded"], after="a", update=update)
        for status in ("failed", "paused"):
            with refused(ConfigurationError):
                bench.resume(ended[status], update=update)


def test_an_answer_with_an_update_that_no_node_could_return(bench, ended, refused):
    for update in (7, "x", [1], {"log": 5}):
        with refused(ConfigurationError):
            bench.resume(ended["interrupted"], answer="me", update=update)


def test_updates_that_a_reducer_or_model_refuses(bench, refused):
    class Model(BaseModel):
        x: int = 0

    execution = bench.run(
        chain(a=lambda state: {"x": 1}, b=lambda state: {"x": 2}, state=Model), Model(x=1)
    )
    with refused(ConfigurationError, "has no key"):
        bench.fork(execution, after="a", update={"y": 1})


def test_as_nodes_that_there_are_not(bench, ended, refused):
    for as_node in ("d", SQL, "", "a/b"):
        with refused(UnknownNodeError, "could have returned"):
            bench.fork(ended["succeeded"], after="a", update={"x": 1}, as_node=as_node)


def test_as_nodes_that_are_no_texts(bench, ended, refused):
    for as_node in (7, ["a"], b"a"):
        with refused(ConfigurationError):
            bench.fork(ended["succeeded"], after="a", update={"x": 1}, as_node=as_node)


def test_updates_that_cannot_be_stored(bench, ended, refused):
    update = {"y": threading.Lock()}
    with refused(ConfigurationError, "y"):
        bench.resume(ended["paused"], update=update)
    with refused(ConfigurationError, "y"):
        bench.fork(ended["succeeded"], after="a", update=update)
    with refused(ConfigurationError, "y"):
        bench.resume(ended["interrupted"], answer="me", update=update)


def test_answers_that_cannot_be_stored(bench, ended, refused):
    with refused(ConfigurationError):
        bench.resume(ended["interrupted"], answer=threading.Lock())


def test_what_is_not_asked_is_not_answered(bench, ended, refused):
    for status in ("succeeded", "failed", "paused"):
        for answer in ("me", 0, False, "", {}):
            with refused(InvalidTransitionError, "asks nothing"):
                bench.resume(ended[status], answer=answer)


def test_what_has_succeeded_is_not_resumed(bench, ended, refused):
    with refused(InvalidTransitionError, "has succeeded"):
        bench.resume(ended["succeeded"])
    with refused(InvalidTransitionError):
        bench.resume(ended["succeeded"].id[:8], update={"x": 1})


def test_variants_whose_nodes_there_are_not(bench, ended, refused):
    execution = ended["succeeded"]
    for variant in (
        {"d": add("d")},
        {SQL: add("d")},
        Variant("v", nodes={"d": add("d")}),
        Variant("v", nodes={"b": add("b"), "d": add("d")}),
    ):
        with refused(UnknownNodeError):
            bench.fork(execution, after="a", variant=variant)
    with refused(UnknownVariantError):
        bench.fork(execution, after="a", variant={"b": "registered by nobody"})
    for variant in (7, [{}], "b", {"b": 7}, Variant(params={"p": 1})):
        with refused(ConfigurationError):
            bench.fork(execution, after="a", variant=variant)
    graph = Variant("g", graph=chain(a=add("a"), c=add("c")))
    with refused(UnknownNodeError, "which comes next"):
        bench.fork(execution, after="a", variant=graph)


def test_workflows_that_are_none(bench, ended, refused):
    for workflow in (7, "no_module:graph", "lineage_graphs:nothing", "lineage_graphs"):
        with refused(ConfigurationError):
            bench.fork(ended["succeeded"], after="a", workflow=workflow)
        with refused(ConfigurationError):
            bench.resume(ended["paused"], workflow=workflow)
    with refused(WtbError, "'b'"):
        lacks = Workflow("lacks", chain(a=add("a"), c=add("c")))
        bench.fork(ended["succeeded"], after="a", workflow=lacks)


def test_breakpoints_that_there_are_not(bench, refused):
    graph = chain(a=add("a"), sub=abc().compile())
    for breakpoints in (["d"], ["a", "d"], ["sub/a"], [SQL], ["__start__"], [7], "a", 7, [None]):
        with refused(ConfigurationError):
            bench.run(graph, {"x": 0}, breakpoints=breakpoints)
        with refused(ConfigurationError):
            bench.run_batch(graph, variants=[{}], test_cases=[{"x": 0}], breakpoints=breakpoints)


def test_answers_of_cases_that_are_none(bench, refused):
    for answers in ("text", b"x", 7, {1, 2}, True, object()):
        with refused(InvalidCaseError):
            Case({"x": 0}, answers=answers)
    for answers in ([threading.Lock()], {"who?": threading.Lock()}):
        with refused(ConfigurationError, "answers"):
            case = Case({"x": 0}, answers=answers)
            bench.run_batch(chain(ask=ask), variants=[{}], test_cases=[case])


def test_a_fork_is_not_begun_anew(bench, ended, refused):
    fork = bench.fork(ended["failed"])
    assert bench.resume(fork).status == "failed"
    with refused(InvalidTransitionError, "is a fork"):
        bench.retry(fork)


@pytest.mark.parametrize(
    "odd", [SQL, "100%_", "a+b", "ö\u202e", "x" * 300, "1", "a b", "join", "a/b", "/"]
)
def test_odd_texts_in_what_a_person_names(bench, odd):
    node = odd.replace(":", "").replace("|", "")
    workflow = Workflow(odd, chain(("first", add("first")), (node, add(node)), ("ask", ask)))
    variant = Variant(odd, nodes={"first": add(odd)})
    execution = bench.run(workflow, {"x": 0, "y": {odd: odd}}, variant=variant)
    assert (execution.variant, execution.workflow) == (odd, odd)
    back = bench.rollback(execution, before=node)
    assert back.state == {"x": 1, "y": {odd: odd}, "log": [odd]}
    assert bench.resume(back, update={"log": [odd]}).status == "interrupted"
    fork = bench.fork(execution, after=node, update={"y": odd}, as_node=node)
    asked = bench.resume(fork)
    assert bench.resume(asked, answer=odd).output == {
        "x": 2,
        "y": odd,
        "log": [odd, odd, node, odd],
    }
    other = bench.fork(execution, after=node, variant=Variant(f"other {odd}"))
    assert other.variant == f"other {odd}"
    assert len(bench.checkpoints(execution)) == 5
