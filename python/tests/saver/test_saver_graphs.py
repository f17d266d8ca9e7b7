"""Graphs on LangGraph's in-memory saver and on ours: the same history, checkpoint by checkpoint."""

import asyncio
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.channels import DeltaChannel
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import create_react_agent
from langgraph.types import Command, Send, interrupt
from state_graphs import DURABILITIES, State, add, chain


class Model(GenericFakeChatModel):
    """Says what it is told to say, whatever the tools."""

    def bind_tools(self, tools, **options):
        return self


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def call(number, **arguments):
    return {"name": "multiply", "args": arguments, "id": f"call-{number}"}


def said():
    return [
        AIMessage("", tool_calls=[call(1, a=2, b=3), call(2, a=4, b=5)], id="1"),
        AIMessage("", tool_calls=[call(3, a=6, b=7)], id="2"),
        AIMessage("done " * 1_000, id="3"),
        AIMessage("and again", id="4"),
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [create_react_agent, create_agent])
@pytest.mark.parametrize("durability", DURABILITIES)
def test_agents(same, make, durability):
    def scenario(saver, given):
        model = Model(messages=iter(said()))
        agent = make(model, [multiply], checkpointer=saver)
        turns = [
            agent.invoke({"messages": [("user", text)]}, given, durability=durability)
            for text in ("first", "second")
        ]
        return agent, turns

    rows = same(scenario)
    assert len(rows) == (2 if durability == "exit" else 10)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("checkpointer", [None, True])
def test_subgraphs(same, checkpointer, durability):
    def scenario(saver, given):
        inner = chain(checkpointer, ("one", add("one")), ("two", add("two")))
        middle = chain(checkpointer, ("inner", inner), ("last", add("last")))
        graph = chain(saver, ("first", add("first")), ("middle", middle), ("end", add("end")))
        begin = {"x": 0, "log": [], "constant": "c" * 5_000}
        seen = [graph.invoke(begin, given, durability=durability) for _ in range(2)]
        return graph, seen

    same(scenario)


def test_fan_out_with_send(same):
    def scenario(saver, given):
        graph = StateGraph(State)
        graph.add_node("split", lambda state: {"x": 12})
        graph.add_node("work", lambda state: {"log": [state["item"]]})
        graph.add_node("join", lambda state: {"x": sum(state["log"])})
        graph.add_conditional_edges(
            "split", lambda state: [Send("work", {"item": n}) for n in range(state["x"])], ["work"]
        )
        graph.add_edge(START, "split")
        graph.add_edge("work", "join")
        graph.add_edge("join", END)
        compiled = graph.compile(checkpointer=saver)
        return compiled, compiled.invoke({}, given)

    rows = same(scenario)
    assert rows[-1]["checkpoint"]["channel_values"]["log"] == [*range(12)]


def test_commands(same):
    def scenario(saver, given):
        def route(state):
            if state["x"] > 4:
                return Command(goto=END, update={"log": ["end"]})
            return Command(goto=["work", Send("work", state)], update={"log": [state["x"]]})

        graph = StateGraph(State)
        graph.add_node("route", route, destinations=("work", END))
        graph.add_node("work", lambda state: {"log": ["work"]})
        graph.add_node("count", lambda state: Command(goto="route", update={"x": state["x"] + 2}))
        graph.add_edge(START, "route")
        graph.add_edge("work", "count")
        compiled = graph.compile(checkpointer=saver)
        return compiled, compiled.invoke({"x": 0}, given)

    same(scenario)


class Log(TypedDict, total=False):
    x: int
    log: Annotated[list, DeltaChannel(lambda state, new: state + [i for n in new for i in n])]
    rare: Annotated[
        list,
        DeltaChannel(lambda state, new: state + [i for n in new for i in n], snapshot_frequency=3),
    ]


@pytest.mark.parametrize("durability", DURABILITIES)
def test_delta_channels(same, saver, thread, durability):
    def make(saver):
        graph = StateGraph(Log)
        for name, following in (("a", "b"), ("b", "c"), ("c", END)):
            graph.add_node(
                name,
                lambda state, name=name: {
                    "x": len(state.get("log", [])),
                    "log": [name, name * 500],
                    "rare": [name],
                },
            )
            graph.add_edge(name, following)
        for name in ("p", "q"):
            graph.add_node(name, lambda state, name=name: {"log": [name], "rare": [name]})
            graph.add_edge("a", name)
            graph.add_edge(name, "c")
        graph.add_edge(START, "a")
        return graph.compile(checkpointer=saver)

    def scenario(saver, given):
        graph = make(saver)
        seen = [
            graph.invoke({"x": n, "log": ["input"]}, given, durability=durability) for n in range(4)
        ]
        graph.update_state(given, {"log": ["updated"]}, as_node="c")
        back = [*graph.get_state_history(given)][5 if durability != "exit" else 1].config
        seen.append(graph.invoke({"log": ["forked"]}, back, durability=durability))
        return graph, seen

    same(scenario)
    given = {"configurable": {"thread_id": thread}}
    before = make(saver).get_state(given).values
    saver.copy_thread(thread, f"{thread} copy")
    saver.prune([thread])
    assert make(saver).get_state(given).values == before
    again = make(saver).invoke({"log": ["after"]}, given, durability=durability)
    assert again["log"][: len(before["log"]) + 1] == [*before["log"], "after"]
    saver.delete_thread(thread)
    copied = {"configurable": {"thread_id": f"{thread} copy"}}
    assert make(saver).get_state(copied).values == before


@pytest.mark.parametrize("durability", DURABILITIES)
def test_failures_and_what_goes_on_after(same, durability):
    def scenario(saver, given):
        broken = [True]

        def fails(state):
            if broken:
                raise ValueError("broken")
            return {"log": ["mended"]}

        graph = StateGraph(State)
        graph.add_node("a", add("a"))
        graph.add_node("fails", fails)
        graph.add_node("end", add("end"))
        graph.add_edge(START, "a")
        graph.add_edge("a", "fails")
        graph.add_edge("fails", "end")
        compiled = graph.compile(checkpointer=saver)
        with pytest.raises(ValueError, match="broken"):
            compiled.invoke({"x": 0}, given, durability=durability)
        seen = [
            compiled.get_state(given).next,
            [repr(t.error) for t in compiled.get_state(given).tasks],
        ]
        broken.clear()
        seen.append(compiled.invoke(None, given, durability=durability))
        return compiled, seen

    same(scenario)


def test_a_limit_of_steps(same):
    def scenario(saver, given):
        graph = StateGraph(State)
        graph.add_node("a", add("a"))
        graph.add_edge(START, "a")
        graph.add_edge("a", "a")
        compiled = graph.compile(checkpointer=saver)
        with pytest.raises(GraphRecursionError):
            compiled.invoke({"x": 0}, {**given, "recursion_limit": 40})
        return compiled, None

    assert len(same(scenario)) == 42


@pytest.mark.parametrize("durability", DURABILITIES)
def test_async_graphs(same, durability):
    async def node(state) -> Any:
        await asyncio.sleep(0)
        return {"x": state["x"] + 1, "log": [state["x"]]}

    async def ask(state):
        return {"log": [interrupt("?")]}

    def scenario(saver, given):
        inner = chain(None, ("one", node), ("two", node))
        graph = chain(saver, ("a", node), ("sub", inner), ("ask", ask), ("b", node))

        async def main():
            seen = [await graph.ainvoke({"x": 0}, given, durability=durability)]
            seen.append(await graph.ainvoke(Command(resume="!"), given, durability=durability))
            await graph.aupdate_state(given, {"log": ["updated"]}, as_node="a")
            state = await graph.aget_state(given)
            seen += [state.values, state.next]
            seen += [one.values async for one in graph.aget_state_history(given, limit=3)]
            return seen

        return graph, asyncio.run(main())

    same(scenario)


def test_messages_and_large_states(same):
    def scenario(saver, given):
        answer = iter(range(100))

        def talk(state):
            # With an id: else it is given one while LangGraph's other thread serialises it.
            number = next(answer)
            return {"messages": [AIMessage(f"answer {number} " * 300, id=f"a{number}")]}

        graph = chain(saver, ("talk", talk), state=MessagesState)
        for number in range(25):
            graph.invoke({"messages": [("user", f"question {number} " * 50)]}, given)
        return graph, None

    assert len(same(scenario)) == 75
