"""Interrupts, updates, replays and forks: the same on LangGraph's in-memory saver and on ours."""

import time

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from lineages import Lineage
from state_graphs import DURABILITIES, State, abc, add, chain


def test_one_interrupt(same):
    def scenario(saver, given):
        def ask(state):
            first = interrupt({"question": "first"})
            return {"log": [first, interrupt("second")]}

        graph = chain(saver, ("a", add("a")), ("ask", ask), ("b", add("b")))
        seen = [graph.invoke({"x": 0}, given), graph.get_state(given).next]
        seen += [graph.invoke(Command(resume=answer), given) for answer in ("one", "two")]
        return graph, seen

    rows = same(scenario)
    assert rows[-1]["checkpoint"]["channel_values"]["log"] == ["a", "one", "two", "b"]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_several_interrupts_resumed_by_their_ids(same, durability):
    def scenario(saver, given):
        graph = StateGraph(State)
        graph.add_node("start", add("start"))
        graph.add_edge(START, "start")
        for name in "abc":
            graph.add_node(
                name, lambda state, name=name: {"log": [f"{name}: {interrupt(f'{name}?')}"]}
            )
            graph.add_edge("start", name)
            graph.add_edge(name, "end")
        graph.add_node("end", add("end"))
        compiled = graph.compile(checkpointer=saver)
        compiled.invoke({"x": 0}, given, durability=durability)
        asked = {one.value: one.id for one in compiled.get_state(given).interrupts}
        partly = Command(resume={asked["b?"]: "B"})
        seen = [compiled.invoke(partly, given, durability=durability).get("log")]
        left = {one.value: one.id for one in compiled.get_state(given).interrupts}
        assert sorted(left) == ["a?", "c?"]
        answers = {number: value[0].upper() for value, number in left.items()}
        seen.append(compiled.invoke(Command(resume=answers), given, durability=durability))
        return compiled, seen

    rows = same(scenario)
    log = rows[-1]["checkpoint"]["channel_values"]["log"]
    assert log == ["start", "a: A", "b: B", "c: C", "end"]


@pytest.mark.parametrize("checkpointer", [None, True])
def test_an_interrupt_in_a_subgraph(same, checkpointer):
    def scenario(saver, given):
        inner = chain(
            checkpointer,
            ("before", add("before")),
            ("ask", lambda state: {"log": [interrupt("inner?")]}),
        )
        graph = chain(saver, ("a", add("a")), ("sub", inner), ("b", add("b")))
        seen = [graph.invoke({"x": 0}, given)]
        inside = graph.get_state(given, subgraphs=True).tasks[0].state
        seen += [inside.values, inside.next]
        seen.append(graph.invoke(Command(resume="answer"), given))
        return graph, seen

    same(scenario)


def test_stops_before_and_after_nodes(same):
    def scenario(saver, given):
        nodes = [(name, add(name)) for name in "abc"]
        graph = chain(saver, *nodes, interrupt_before=["b"], interrupt_after=["b"])
        seen = [graph.invoke({"x": 0}, given), *(graph.invoke(None, given) for _ in range(3))]
        return graph, seen

    same(scenario)


def test_updates_go_through_reducers(same):
    def scenario(saver, given):
        graph = abc(saver)
        graph.update_state(given, {"x": 5, "log": ["before all"]}, as_node=START)
        graph.invoke(None, given)
        graph.update_state(given, {"log": ["after"], "constant": "large" * 3_000})
        graph.update_state(given, {"log": ["as b"]}, as_node="b")
        seen = [graph.get_state(given).next, graph.invoke(None, given)]
        graph.update_state(given, None)
        graph.update_state(given, None, as_node=END)
        return graph, seen

    same(scenario)


def at_step(graph, given, step):
    [found] = list(graph.get_state_history(given, filter={"step": step, "source": "loop"}))
    return found.config


def test_replays_and_forks(same):
    def scenario(saver, given):
        graph = abc(saver)
        graph.invoke({"x": 0, "constant": "large" * 3_000}, given)
        start = at_step(graph, given, 1)
        seen = [graph.invoke(None, start)]
        left = graph.update_state(start, {"x": 100, "log": ["left"]})
        right = graph.update_state(start, {"x": 200, "log": ["right"]})
        seen += [graph.invoke(None, left), graph.invoke(None, right)]
        seen += [graph.get_state(one).values for one in (start, left, right)]
        seen.append(graph.invoke({"x": 7}, start))
        return graph, seen

    same(scenario)


def test_histories_are_filtered_and_limited_alike(same):
    def scenario(saver, given):
        graph = abc(saver)
        for number in range(3):
            graph.invoke({"x": number}, {**given, "metadata": {"number": number, "f": 0.5}})
        middle = graph.get_state({**given}).parent_config
        options = [
            {"filter": {"number": 1}},
            {"filter": {"source": "input"}},
            {"filter": {"number": 1.0, "f": 0.5, "absent": None}},
            {"limit": 4},
            {"before": middle, "limit": 2},
        ]
        seen = [[one.values for one in graph.get_state_history(given, **o)] for o in options]
        return graph, [seen, [len(one) for one in seen]]

    same(scenario)


def test_time_travel_after_a_clock_that_jumps_back(same, monkeypatch):
    """Ids made after the jump are smaller: both savers take what has the greatest id."""
    real = time.time_ns

    def scenario(saver, given):
        monkeypatch.setattr("langgraph.checkpoint.base.id._last_v6_timestamp", None)
        monkeypatch.setattr(time, "time_ns", real)
        graph = abc(saver)
        graph.invoke({"x": 0}, given)
        last = graph.get_state(given).config
        monkeypatch.setattr("langgraph.checkpoint.base.id._last_v6_timestamp", None)
        monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600 * 10**9)
        other = {"configurable": {"thread_id": given["configurable"]["thread_id"] + " other"}}
        graph.invoke({"x": 1}, other)
        seen = [graph.get_state(last).values, graph.get_state(other).values["log"]]
        early = graph.update_state(last, {"log": ["early"]}, as_node="a")
        assert early["configurable"]["checkpoint_id"] < last["configurable"]["checkpoint_id"]
        seen += [graph.get_state(given).values, graph.get_state(early).values]
        seen.append(graph.invoke(None, early))
        seen.append(graph.get_state(last).values)
        monkeypatch.setattr(time, "time_ns", real)
        return graph, seen

    same(scenario)


def test_threads_go_on_in_a_copy(saver, thread):
    graph = abc(saver)
    given = {"configurable": {"thread_id": thread}}
    copied = {"configurable": {"thread_id": f"{thread} copy"}}
    graph.invoke({"x": 0}, given)
    saver.copy_thread(thread, f"{thread} copy")
    graph.invoke({"x": 10}, copied)
    assert graph.get_state(given).values["log"] == ["a", "b", "c"]
    assert graph.get_state(copied).values["log"] == ["a", "b", "c"] * 2
    saver.prune([thread, f"{thread} copy"])
    assert graph.invoke({"x": 0}, given)["log"] == ["a", "b", "c"] * 2
    assert len(Lineage(saver, f"{thread} copy").ids()) == 1
