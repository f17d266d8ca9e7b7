"""Other implementations in the place of nodes: every kind of one, and nothing else changed."""

import copy
import operator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from graphs import State, abc, add, chain
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.errors import NodeError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import create_react_agent
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import Command, RetryPolicy, Send, StreamWriter
from pydantic import BaseModel

from wtb.errors import ConfigurationError, UnknownNodeError
from wtb.variants import Variant


def replaced(state: State) -> State:
    return {"x": state["x"] * 2, "log": ["replaced"]}


async def replaced_async(state: State) -> State:
    return replaced(state)


def with_config(state: State, config: RunnableConfig) -> State:
    return {"x": state["x"] * config["configurable"]["factor"], "log": ["replaced"]}


def with_runtime(state: State, runtime: Runtime) -> State:
    return {"x": state["x"] * runtime.context["factor"], "log": ["replaced"]}


def with_writer_and_store(state: State, *, writer: StreamWriter, store: BaseStore | None) -> State:
    writer({"seen": state["x"]})
    assert store is None
    return replaced(state)


class Doubler:
    def __init__(self, factor=2):
        self.factor = factor

    def __call__(self, state: State) -> State:
        return {"x": state["x"] * self.factor, "log": ["replaced"]}

    def method(self, state: State) -> State:
        return self(state)


class AsyncDoubler:
    async def __call__(self, state: State) -> State:
        return replaced(state)


def test_by_default_nothing_changes(execute):
    given = {"x": 0, "log": []}
    expected = abc().compile().invoke(given)
    assert execute(abc(), given).output == expected
    assert execute(abc(), given, {"b": "baseline"}).output == expected
    assert execute(abc(), given, {"b": add(10, "b")}).output == expected


@pytest.mark.parametrize(
    "implementation",
    [
        replaced,
        replaced_async,
        with_config,
        with_runtime,
        with_writer_and_store,
        lambda state: {"x": state["x"] * 2, "log": ["replaced"]},
        lambda s, factor=2: {"x": s["x"] * factor, "log": ["replaced"]},
        partial(lambda factor, s: {"x": s["x"] * factor, "log": ["replaced"]}, 2),
        Doubler(),
        Doubler().method,
        AsyncDoubler(),
        RunnableLambda(replaced),
        RunnableLambda(replaced_async),
        RunnableLambda(lambda state: state["x"])
        | RunnableLambda(lambda x: {"x": x * 2, "log": ["replaced"]}),
        f"{__name__}:replaced",
    ],
)
def test_every_kind_of_implementation_runs(execute, implementation):
    trace = execute(
        abc(),
        {"x": 0, "log": []},
        {"b": implementation},
        config={"configurable": {"factor": 2}},
        context={"factor": 2},
    )
    assert trace.error is None
    assert trace.output == {"x": 102, "log": ["a", "replaced", "c"]}
    assert [node.path for node in trace.nodes] == ["a", "b", "c"]


@pytest.mark.parametrize("build", [lambda g: g, lambda g: g.compile()], ids=["builder", "compiled"])
def test_graphs_are_implementations_too(execute, build):
    inner = build(chain(("p", lambda s: {"x": s["x"] * 2}), ("q", lambda s: {"log": ["q"]})))
    trace = execute(abc(), {"x": 0, "log": []}, {"b": inner})
    # As anywhere in LangGraph, what a subgraph returns goes through the reducers again.
    assert trace.output == {"x": 102, "log": ["a", "a", "q", "c"]}
    assert [node.path for node in trace.nodes] == ["a", "b", "b/p", "b/q", "c"]


def nested() -> StateGraph:
    inner = chain(("p", add(1, "p")), ("q", add(2, "q"))).compile()
    middle = chain(("inner", inner), ("m", add(4, "m"))).compile()
    return chain(("a", add(8, "a")), ("outer", middle))


def test_nodes_inside_subgraphs_are_substituted(execute):
    given = {"x": 0, "log": []}
    adapter = execute.adapter(nested())
    assert adapter.node_names == [
        "a",
        "outer",
        "outer/inner",
        "outer/inner/p",
        "outer/inner/q",
        "outer/m",
    ]
    trace = execute(nested(), given, {"outer/inner/q": add(100, "Q"), "outer/m": add(1000, "M")})
    assert trace.output["x"] == 8 + 1 + 100 + 1000
    assert trace.nodes[-1].path == "outer/m"
    assert execute(nested(), given).output == nested().compile().invoke(given)


def test_a_name_with_a_slash_is_a_node_before_it_is_a_path(execute):
    graph = chain(("a/b", add(1, "a/b")))
    assert execute(graph, {"x": 0, "log": []}, {"a/b": add(5, "new")}).output["log"] == ["new"]


def test_a_graph_called_by_a_function_runs_but_cannot_be_reached(execute):
    inner = chain(("p", add(1, "p"))).compile()

    def calls(state: State) -> State:
        return {"x": inner.invoke({"x": state["x"], "log": []})["x"]}

    graph = chain(("outer", calls), ("z", add(0, "z")))
    trace = execute(graph, {"x": 0, "log": []})
    assert [node.path for node in trace.nodes] == ["outer", "outer/p", "z"]
    with pytest.raises(ConfigurationError, match="substitute the whole node 'outer'"):
        execute(graph, {"x": 0}, {"outer/p": replaced})


def test_edges_policies_and_routes_of_the_node_stay(execute):
    tries = []

    def route(state: State) -> str:
        return "big" if state["x"] > 5 else END

    graph = StateGraph(State)
    graph.add_node("a", add(1, "a"), retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    graph.add_node("big", add(100, "big"))
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", route)

    def flaky(state: State) -> State:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("again")
        return {"x": 10, "log": ["flaky"]}

    trace = execute(graph, {"x": 0, "log": []}, {"a": flaky})
    assert trace.output == {"x": 110, "log": ["flaky", "big"]}
    assert trace.nodes[0].attempts == 3


def test_commands_and_sends_of_an_implementation_are_followed(execute):
    def jump(state: State) -> Command:
        return Command(goto="c", update={"log": ["jump"]})

    def fan(state: State) -> Command:
        return Command(goto=[Send("c", {"x": n}) for n in range(3)], update={"log": ["fan"]})

    graph = StateGraph(State)
    graph.add_node("a", lambda s: Command(goto="b"), destinations=("b", "c"))
    graph.add_node("b", add(10, "b"))
    graph.add_node("c", lambda s: {"log": [f"c{s['x']}"]})
    graph.add_edge(START, "a")
    assert execute(graph, {"x": 0, "log": []}, {"a": jump}).output["log"] == ["jump", "c0"]
    fanned = execute(graph, {"x": 0, "log": []}, {"a": fan})
    assert fanned.output["log"] == ["fan", "c0", "c1", "c2"]


class Narrow(TypedDict):
    x: int


class Model(BaseModel):
    x: int


@dataclass
class Data:
    x: int


def takes_narrow(state: Narrow) -> Any:
    return {"log": [sorted(state)]}


def takes_model(state: Model) -> Any:
    return {"log": [type(state).__name__]}


def takes_data(state: Data) -> Any:
    return {"log": [type(state).__name__]}


@pytest.mark.parametrize(
    ("implementation", "logged"),
    [
        (takes_narrow, ["x"]),
        (takes_model, "Model"),
        (takes_data, "Data"),
        (lambda state: {"log": [sorted(state)]}, ["log", "x"]),
    ],
)
def test_an_implementation_declares_its_own_input(execute, implementation, logged):
    assert execute(abc(), {"x": 0, "log": []}, {"b": implementation}).output["log"] == [
        "a",
        logged,
        "c",
    ]


def test_without_a_declaration_it_gets_the_input_of_the_original(execute):
    graph = abc()
    graph.add_node("d", takes_model)
    graph.add_edge("c", "d")
    trace = execute(graph, {"x": 0, "log": []}, {"d": lambda state: {"log": [state.x]}})
    assert trace.output["log"] == ["a", "b", "c", 111]


def test_an_input_key_that_the_state_lacks_is_an_error(execute):
    class Other(TypedDict):
        x: int
        lgo: list

    def takes_other(state: Other) -> Any:
        return {}

    takes_other.__annotations__["state"] = Other
    with pytest.raises(ConfigurationError, match=r"reads 'lgo'.* Did you mean 'log'"):
        execute.prepare(abc(), {"b": takes_other})


def takes_nothing():
    return {}


@pytest.mark.parametrize(
    ("implementation", "text"),
    [
        (Doubler, "is a class; pass an instance"),
        (takes_nothing, "cannot be called with the state"),
        (lambda state, k: {}, "missing a required argument: 'k'"),
        (5, "cannot be called"),
    ],
)
def test_an_implementation_that_does_not_fit_is_an_error(execute, implementation, text):
    with pytest.raises(ConfigurationError, match=text):
        execute.prepare(abc(), {"b": implementation})


def test_unknown_nodes_are_errors_on_every_level(execute):
    with pytest.raises(UnknownNodeError, match="Did you mean 'outer/inner/q'"):
        execute.prepare(nested(), {"outer/iner/q": replaced})
    with pytest.raises(
        UnknownNodeError, match=r"node 'a/q'.* The nodes of the graph: 'a', 'outer'"
    ):
        execute.prepare(nested(), {"a/q": replaced})
    with pytest.raises(ConfigurationError, match="keep one of them"):
        execute.prepare(nested(), {"outer": replaced, "outer/m": replaced})


def frozen(graph):
    """What must not change about a builder and its nodes."""
    return {
        "attributes": {key: copy.copy(value) for key, value in vars(graph).items()},
        "specs": {
            name: {field: getattr(spec, field) for field in spec.__dataclass_fields__}
            for name, spec in graph.nodes.items()
        },
    }


def identities(node):
    return {(field, id(value)) for field, value in vars(node).items()}


def test_the_users_objects_are_not_changed(execute):
    inner = chain(("p", add(1, "p"))).compile()
    builder = chain(("a", add(1, "a")), ("inner", inner))
    before = frozen(builder)
    variant = {"a": replaced, "inner/p": replaced}
    assert execute(builder, {"x": 1, "log": []}, variant).output["log"] == [
        "replaced",
        "replaced",
        "replaced",
    ]
    assert frozen(builder) == before
    assert builder.compiled is False

    compiled = builder.compile()
    attributes = dict(vars(compiled))
    nodes = {name: identities(node) for name, node in compiled.nodes.items()}
    deep = {name: identities(node) for name, node in inner.nodes.items()}
    given = {"x": 1, "log": []}
    execute(compiled, given, variant)
    assert dict(vars(compiled)) == attributes
    # LangGraph itself adds cached properties to nodes that run; what was there is unchanged.
    for name, node in nodes.items():
        assert node <= identities(compiled.nodes[name])
    for name, node in deep.items():
        assert node <= identities(inner.nodes[name])
    assert given == {"x": 1, "log": []}
    assert compiled.invoke(given)["log"] == ["a", "a", "p"]


def test_node_defaults_survive_any_number_of_compiles(execute):
    handled = []

    def on_error(state: State, error: NodeError) -> State:
        handled.append(error.node)
        return {"log": ["handled"]}

    def fails(state: State) -> State:
        raise ValueError("no")

    builder = chain(("a", add(1, "a")), ("b", add(10, "b")))
    builder.set_node_defaults(error_handler=on_error)
    for _ in range(2):
        adapter = execute.adapter(builder)
        assert adapter.node_names == ["a", "b"]
        trace = execute(builder, {"x": 0, "log": []}, {"b": fails})
        assert trace.status == "succeeded"
        assert trace.output["log"] == ["a", "handled"]
    assert handled == ["b", "b"]
    assert builder.compile().invoke({"x": 0, "log": []})["x"] == 11


def test_what_was_done_to_the_compiled_graph_stays(execute):
    compiled = abc().compile(name="mine").with_config({"configurable": {"factor": 3}})
    prepared = execute.prepare(compiled, {"b": with_config})
    assert prepared.graph.name == "mine"
    assert execute(compiled, {"x": 0, "log": []}, {"b": with_config}).output["x"] == 103


@tool
def lookup(word: str) -> str:
    """Look a word up."""
    return f"<{word}>"


def chat(*texts):
    class FakeModel(GenericFakeChatModel):
        def bind_tools(self, tools, **kwargs):
            return self

    call = {"name": "lookup", "args": {"word": "w"}, "id": "1", "type": "tool_call"}
    answers = [AIMessage("", tool_calls=[call]), *(AIMessage(text) for text in texts)]
    return FakeModel(messages=iter(answers))


AGENTS = [
    pytest.param(lambda *t: create_agent(chat(*t), [lookup]), "model", id="create_agent"),
    pytest.param(lambda *t: create_react_agent(chat(*t), [lookup]), "agent", id="react"),
]


@pytest.mark.filterwarnings("ignore:create_react_agent")
@pytest.mark.parametrize(("make", "model"), AGENTS)
def test_prebuilt_agents_run_at_the_top_nested_and_as_implementations(execute, make, model):
    def tools(state):
        return {"messages": [ToolMessage("no tool was run", tool_call_id="1")]}

    def last(trace):
        assert trace.error is None
        return [message.content for message in trace.output["messages"]][-2:]

    given = {"messages": [HumanMessage("hi")]}
    assert last(execute(make("done"), given)) == ["<w>", "done"]
    assert last(execute(make("done"), given, {"tools": tools}))[1] == "done"
    assert last(execute(make("done"), given, {"tools": tools}))[0] == "no tool was run"

    def nested_agent(*texts):
        return chain(("agent_node", make(*texts)), state=MessagesState)

    trace = execute(nested_agent("done"), given, {"agent_node/tools": tools})
    assert last(trace) == ["no tool was run", "done"]
    assert [node.path for node in trace.nodes] == [
        "agent_node",
        f"agent_node/{model}",
        "agent_node/tools",
        f"agent_node/{model}",
    ]
    plain = chain(("answer", lambda s: {"messages": [AIMessage("plain")]}), state=MessagesState)
    assert last(execute(plain, given, {"answer": make("as a node")})) == ["<w>", "as a node"]


def test_a_whole_other_graph_and_factories_with_params(execute):
    def build(amount, label="f"):
        return chain(("only", add(amount, label)))

    other = Variant("other", graph=chain(("other", add(7, "o"))), nodes={"other": replaced})
    assert execute(abc(), {"x": 1, "log": []}, other).output == {"x": 2, "log": ["replaced"]}
    made = Variant("made", params={"amount": 3})
    assert execute(build, {"x": 0, "log": []}, made).output == {"x": 3, "log": ["f"]}
    own = Variant("own", graph=build, params={"amount": 4, "label": "g"})
    assert execute(abc(), {"x": 0, "log": []}, own).output == {"x": 4, "log": ["g"]}


def test_graphs_are_loaded_from_references(execute):
    trace = execute("graphs:abc", {"x": 0, "log": []}, {"a": "graphs:compiled_abc"})
    assert trace.output["log"] == ["a", "b", "c", "b", "c"]


@pytest.mark.parametrize(
    ("graph", "variant", "text"),
    [
        (3, Variant("v"), "is a int; it has to be a StateGraph"),
        (lambda: 3, Variant("v"), "is a int; it has to be a StateGraph"),
        (abc(), Variant("v", params={"k": 1}), "is no factory that could take them"),
        (lambda depth: abc(), Variant("v"), r"Its signature is \(depth\)"),
        (lambda depth: abc(), Variant("v", params={"depht": 1}), "Did you mean 'depth'"),
        (lambda: 1 / 0, Variant("v"), "its factory raised ZeroDivisionError"),
        (StateGraph(State), Variant("v"), "LangGraph cannot compile the graph of workflow 'w'"),
        (abc(), Variant("v", graph="x"), "is not a reference"),
    ],
)
def test_graphs_that_cannot_be_loaded_are_errors(execute, graph, variant, text):
    with pytest.raises(ConfigurationError, match=text):
        execute.adapter(graph).check(variant)


def test_an_async_factory_is_told_to_be_awaited(execute):
    async def build():
        return abc()

    with pytest.raises(ConfigurationError, match="await it and pass its result"):
        execute.adapter(build).check(Variant("v"))


def test_one_adapter_prepares_a_name_once(execute):
    calls = []

    def build():
        calls.append(1)
        return abc()

    adapter = execute.adapter(build)
    variant = Variant("v")
    assert adapter.prepare(variant) is adapter.prepare(variant) is adapter.prepare(Variant("v"))
    assert calls == [1]
    with pytest.raises(ConfigurationError, match="two different variants are called 'v'"):
        adapter.prepare(Variant("v", nodes={"a": replaced}))


class Totals(TypedDict):
    total: Annotated[int, operator.add]


def test_plain_states_of_other_kinds_run(execute):
    graph = chain(("n", lambda s: {"total": 2}), state=Totals)
    assert execute(graph, {"total": 1}, {"n": lambda s: {"total": 5}}).output == {"total": 6}
    rooted = chain(("n", lambda s: [*s, 1]), state=list)
    assert execute(rooted, [0], {"n": lambda s: [*s, 2]}).output == [0, 2]
