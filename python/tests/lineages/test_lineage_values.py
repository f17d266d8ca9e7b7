"""What states hold: values that are stored as changes, large ones, messages, and broken ones."""

import sqlite3
from typing import Annotated, TypedDict

import pytest
from langchain_core.messages import AIMessage, RemoveMessage
from langgraph.channels import DeltaChannel
from langgraph.graph import MessagesState
from lineage_graphs import add, ask, chain
from oracle import plain
from stores import file_only

from wtb.errors import StoreError, WtbError


class Log(TypedDict, total=False):
    x: int
    log: Annotated[list, DeltaChannel(lambda old, new: old + [i for n in new for i in n])]


def deltas():
    return chain(*((name, add(name)) for name in "abc"), state=Log)


def test_going_back_in_what_is_stored_as_changes(bench, memory):
    graph, thread = memory(deltas())
    expected = graph.invoke({"x": 1, "log": ["begin"]}, thread)
    execution = bench.run(deltas(), {"x": 1, "log": ["begin"]})
    assert execution.output == expected
    for place in ({"after": "a"}, {"before": "a"}, {"before": "c"}):
        assert bench.resume(bench.fork(execution, **place)).output == expected
        assert bench.resume(bench.rollback(execution, **place)).output == expected
    history = [*graph.get_state_history(thread)][::-1]
    theirs = graph.update_state(history[2].config, {"log": ["u"]})
    fork = bench.fork(execution, after="a", update={"log": ["u"]})
    assert bench.resume(fork).output == graph.invoke(None, theirs)


def test_where_it_stands_in_what_is_stored_as_changes(bench):
    execution = bench.run(deltas(), {"x": 1, "log": ["begin"]}, breakpoints=["c"])
    assert execution.state == {"x": 3, "log": ["begin", "a", "b"]}
    back = bench.rollback(execution, after="a")
    assert bench.checkpoints(back)[-1].values == {"x": 2, "log": ["begin", "a"]}
    assert back.state == {"x": 2}, "the store alone cannot rebuild it"


def test_messages_are_neither_doubled_nor_lost(bench, memory):
    def make():
        return chain(
            say=lambda state: {"messages": [AIMessage("one", id="1"), AIMessage("two", id="2")]},
            drop=lambda state: {"messages": [RemoveMessage("1"), AIMessage("TWO", id="2")]},
            end=lambda state: {"messages": [AIMessage("three")]},
            state=MessagesState,
        )

    graph, thread = memory(make())
    expected = plain(graph.invoke({"messages": [("user", "hi")]}, thread))
    execution = bench.run(make(), {"messages": [("user", "hi")]})
    ids = [one.id for one in execution.output["messages"]]
    for place in ("say", "drop", "end"):
        back = bench.resume(bench.rollback(execution, before=place))
        assert plain(back.output) == expected
        assert [one.id for one in back.output["messages"]][:2] == ids[:2]
    update = {"messages": [AIMessage("changed", id="2")]}
    fork = bench.fork(execution, after="say", update=update)
    assert [one.content for one in fork.state["messages"]] == ["hi", "one", "changed"]


@pytest.mark.parametrize("how", ["values", "resume", "fork", "rollback"])
def test_a_value_that_is_broken_on_the_disk_is_not_returned(bench, later, store, how):
    execution = bench.run("lineage_graphs:abc", {"x": 0, "log": [], "y": "large " * 5_000})
    ended = bench.run("lineage_graphs:abc", {"x": 0, "log": []})
    cut = bench.run("lineage_graphs:abc", {"x": 0, "y": "large " * 5_000}, breakpoints=["b"])
    bench.close()
    file_only()
    with sqlite3.connect(f"{store}/wtb.db") as connection:
        found = connection.execute("SELECT key, data FROM objects").fetchall()
        for key, data in found:
            broken = bytes([*data[:-1], data[-1] ^ 1])
            connection.execute("UPDATE objects SET data = ? WHERE key = ?", (broken, key))
    connection.close()
    assert found
    taker = later()
    if how == "values":
        with pytest.raises(StoreError):
            _ = taker.checkpoints(execution.id)[-1].values
    elif how == "resume":
        try:
            end = taker.resume(cut.id)
        except WtbError:
            end = taker.execution(cut.id)
        assert end.status in ("paused", "failed")
    elif how == "fork":
        with pytest.raises(WtbError):
            taker.fork(execution.id, after="a", update={"x": 1})
    else:
        back = taker.rollback(execution.id, after="a")
        with pytest.raises(StoreError):
            _ = back.state
    assert taker.execution(ended.id).output == {"x": 3, "log": ["a", "b", "c"]}


def test_large_values_of_questions_and_answers(bench):
    large = "large " * 20_000
    execution = bench.run(chain(ask=ask, b=add("b")), {"x": 0, "log": [large]})
    end = bench.resume(execution, answer={"text": large})
    assert end.output["log"] == [large, {"text": large}, "b"]
    assert bench.resume(bench.fork(end, before="b")).output == end.output


def test_nodes_that_change_the_state_in_place_change_no_checkpoint(bench):
    def spoils(state):
        state["log"].append("spoilt")
        return {"x": 1}

    execution = bench.run(chain(a=add("a"), spoils=spoils, b=add("b")), {"x": 0, "log": []})
    found = bench.checkpoints(execution)
    assert [one.values["log"] for one in found if one.node == "a"] == [["a"]]
    found[2].values["log"].append("spoilt")
    again = bench.rollback(execution, after="a")
    assert again.state["log"] == ["a"]
