"""Resume with an answer: the question that was asked gets it, and no other one."""

import pytest
from langgraph.types import Command, interrupt
from lineage_graphs import add, ask, ask_twice, asking, chain, fork_and_join

from wtb.errors import ConfigurationError


@pytest.mark.parametrize("answer", ["me", {"a": 1}, {}, [1, 2], 0, False, ""])
def test_answers_of_any_kind(bench, memory, answer):
    def make():
        return chain(a=add("a"), ask=ask, b=add("b"))

    graph, thread = memory(make())
    graph.invoke({"x": 0, "log": []}, thread)
    execution = bench.run(make(), {"x": 0, "log": []})
    assert (execution.status, [one.value for one in execution.interrupts]) == (
        "interrupted",
        ["who?"],
    )
    # Under its id, since LangGraph takes an empty mapping for no answer at all.
    (asked,) = execution.interrupts
    (task,) = graph.get_state(thread).tasks
    theirs = graph.invoke(Command(resume={task.interrupts[0].id: answer}), thread)
    for given in (answer, {asked.id: answer}):
        end = bench.resume(bench.fork(execution), answer=given)
        assert (end.status, end.output, end.interrupts) == ("succeeded", theirs, [])


def test_an_answer_with_an_update(bench, memory):
    def make():
        return chain(a=add("a"), ask=ask, b=add("b"))

    graph, thread = memory(make())
    graph.invoke({"x": 0, "log": []}, thread)
    execution = bench.run(make(), {"x": 0, "log": []})
    update = {"x": 70, "log": ["u"]}
    theirs = graph.invoke(Command(resume="me", update=update), thread)
    assert bench.resume(execution, answer="me", update=update).output == theirs


def test_questions_one_after_the_other(bench):
    execution = bench.run(chain(a=add("a"), ask=ask_twice), {"x": 0})
    again = bench.resume(execution, answer="1")
    assert (again.status, [one.value for one in again.interrupts]) == ("interrupted", ["second?"])
    assert bench.resume(again, answer="2").output["log"] == ["a", "1", "2"]
    execution = bench.run(asking("p?", "q?", "r?"), {"log": []})
    for answer in "PQR":
        execution = bench.resume(execution, answer=answer)
    assert execution.output["y"] == ["P", "Q", "R"]


def test_an_answer_is_for_the_question_that_was_asked_and_for_no_later_one(bench):
    """LangGraph itself gives an answer without an id again, when a thread goes on without one."""
    execution = bench.run(chain(ask=ask_twice), {"log": []})
    again = bench.resume(execution, answer="1")
    unanswered = bench.resume(again)
    assert (unanswered.status, unanswered.output["log"]) == ("interrupted", [])


def test_an_answer_given_before_a_failure_is_for_no_later_question(bench):
    broken = [True]

    def node(state):
        first = interrupt("first?")
        if broken:
            raise ValueError("broken")
        return {"log": [first, interrupt("second?")]}

    execution = bench.run(chain(node=node), {"log": []})
    failed = bench.resume(execution, answer="1")
    assert failed.status == "failed"
    broken.clear()
    again = bench.resume(failed)
    assert [one.value for one in again.interrupts] == ["second?"]
    assert bench.resume(again, answer="2").output["log"] == ["1", "2"]


def test_several_questions_at_once(bench, refused):
    def question(name):
        return lambda state: {"log": [f"{name}: {interrupt(f'{name}?')}"]}

    graph = fork_and_join("bce", **{name: question(name) for name in "bce"})
    execution = bench.run(graph, {"log": []})
    ids = {one.value: one.id for one in execution.interrupts}
    assert set(ids) == {"b?", "c?", "e?"}
    for wrong in ("one for all", {}, {"b?": 1}, {ids["b?"]: 1, "x": 2}, [1, 2, 3]):
        with refused(ConfigurationError, "asks 3 questions"):
            bench.resume(execution, answer=wrong)
    partly = bench.resume(execution, answer={ids["c?"]: "C"})
    assert {one.value for one in partly.interrupts} == {"b?", "e?"}
    assert partly.status == "interrupted"
    end = bench.resume(partly, answer={ids["b?"]: "B", ids["e?"]: "E"})
    assert end.output["log"] == ["a", "b: B", "c: C", "e: E", "d"]


def test_a_question_in_a_subgraph_is_answered_there(bench):
    ran = []
    inner = chain(before=add("before", ran), ask=ask, after=add("after", ran))
    execution = bench.run(chain(a=add("a", ran), sub=inner.compile()), {"x": 0})
    assert [one.value for one in execution.interrupts] == ["who?"]
    end = bench.resume(execution, answer="me")
    assert ran == ["a", "before", "after"]
    assert end.output["log"] == ["a", "a", "before", "me", "after"]
