"""The tokens of an execution, by model and by node."""

from graphs import GIVEN, abc, chain
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import MessagesState


def usage_of(total):
    return {
        "input_tokens": total - 1,
        "output_tokens": 1,
        "total_tokens": total,
        "input_token_details": {"cache_read": 2},
    }


def model(name, *totals):
    return GenericFakeChatModel(
        messages=iter(
            AIMessage("ok", usage_metadata=usage_of(n), response_metadata={"model_name": name})
            for n in totals
        )
    )


def counted(calls, total, read):
    return {
        "calls": calls,
        "input_tokens": total - calls,
        "output_tokens": calls,
        "total_tokens": total,
        "input_token_details": {"cache_read": read},
    }


def test_tokens_are_counted_by_model_and_by_node_once(execute):
    small, big, hidden = model("small", 10, 20), model("big", 100), model("big", 300)

    def two_calls(state):
        return {"messages": [small.invoke("a"), small.invoke("b")]}

    def not_in_the_state(state):
        hidden.invoke("c")
        return {}

    inner = chain(("p", lambda s: {"messages": [big.invoke("d")]}), state=MessagesState).compile()
    graph = chain(
        ("two", two_calls), ("hidden", not_in_the_state), ("inner", inner), state=MessagesState
    )
    trace = execute(graph, {"messages": [HumanMessage("hi")]})
    assert trace.error is None
    assert trace.usage == {"small": counted(2, 30, 4), "big": counted(2, 400, 4)}
    by_path = {node.path: node.usage for node in trace.nodes}
    assert by_path == {
        "two": {"small": counted(2, 30, 4)},
        "hidden": {"big": counted(1, 300, 2)},
        "inner": {},
        "inner/p": {"big": counted(1, 100, 2)},
    }


def test_messages_made_without_langchains_models_are_counted_too(execute):
    def raw(state):
        return {
            "messages": [
                AIMessage("x", usage_metadata=usage_of(50), response_metadata={"model": "raw"})
            ]
        }

    def returns_them_again(state):
        return {"messages": state["messages"]}

    graph = chain(("raw", raw), ("again", returns_them_again), state=MessagesState)
    old = AIMessage("before", usage_metadata=usage_of(999))
    trace = execute(graph, {"messages": [old]})
    assert trace.usage == {"raw": counted(1, 50, 2)}
    assert trace.nodes[1].usage == {}


def test_calls_without_usage_are_counted_as_calls(execute):
    plain = GenericFakeChatModel(messages=iter([AIMessage("x")]))
    text = FakeListLLM(responses=["t"])

    def node(state):
        plain.invoke("a")
        text.invoke("b")
        return {}

    trace = execute(abc(), GIVEN, {"b": node})
    assert trace.usage == {"unknown": {"calls": 2}}
    assert trace.nodes[1].usage == {"unknown": {"calls": 2}}


def test_only_what_was_told_is_counted(execute):
    told = AIMessage("x", usage_metadata=usage_of(7))
    mixed = GenericFakeChatModel(messages=iter([AIMessage("x"), told, AIMessage("x")]))

    def node(state):
        for _ in range(3):
            mixed.invoke("a")
        return {}

    trace = execute(abc(), GIVEN, {"b": node})
    assert trace.usage == {"unknown": {**counted(1, 7, 2), "calls": 3}}


def test_streamed_calls_and_failed_calls(execute):
    class Failing(GenericFakeChatModel):
        def _generate(self, *args, **kwargs):
            raise ConnectionError("429")

    def node(state):
        for _ in model("m", 5).stream("a"):
            pass
        Failing(messages=iter([])).invoke("b")

    trace = execute(abc(), GIVEN, {"b": node})
    assert trace.error.type == "ConnectionError"
    assert sum(counts["calls"] for counts in trace.usage.values()) == 1
