"""What a trace says about the nodes, errors, interrupts and tokens of an execution."""

import sys
import threading
import time
from typing import TypedDict

import pytest
from graphs import State, abc, add, chain
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt

from wtb.context import RunContext, current, log_metric
from wtb.errors import ConfigurationError
from wtb.langgraph.trace import MAX_TRACEBACK
from wtb.variants import Variant

GIVEN = {"x": 0, "log": []}


def statuses(trace):
    return [(node.path, node.status) for node in trace.nodes]


def test_every_node_is_recorded_with_times_input_and_output(execute):
    def slow(state: State) -> State:
        time.sleep(0.02)
        return {"x": 5, "log": ["slow"]}

    before = time.time()
    trace = execute(abc(), GIVEN, {"b": slow})
    node = trace.nodes[1]
    assert (node.path, node.step, node.order, node.status, node.attempts) == (
        "b",
        2,
        1,
        "succeeded",
        1,
    )
    assert node.input == {"x": 1, "log": ["a"]}
    assert node.output == {"x": 5, "log": ["slow"]}
    assert node.duration_s >= 0.02
    assert before <= trace.nodes[0].started_at <= node.started_at <= time.time()


def test_a_fan_out_gives_one_record_for_each_task(execute):
    graph = StateGraph(State)
    graph.add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("worker", lambda s: {"log": [s["x"] * 10]})
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", lambda s: [Send("worker", {"x": n}) for n in range(5)])
    trace = execute(graph, GIVEN)
    workers = [node for node in trace.nodes if node.path == "worker"]
    assert sorted((node.input["x"], node.output["log"]) for node in workers) == [
        (n, [n * 10]) for n in range(5)
    ]
    assert {node.step for node in workers} == {2}
    assert [node.order for node in trace.nodes] == list(range(6))


def test_loops_give_one_record_for_each_round(execute):
    graph = chain(("a", add(1, "a")))
    graph.add_conditional_edges("a", lambda s: "a" if s["x"] < 3 else END)
    trace = execute(graph, GIVEN)
    assert [(node.path, node.step) for node in trace.nodes] == [("a", 1), ("a", 2), ("a", 3)]


def test_tries_are_counted_until_success_and_until_giving_up(execute):
    tries = []

    def flaky(state: State) -> State:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError(f"try {len(tries)}")
        return {"log": ["ok"]}

    def build(attempts):
        graph = StateGraph(State)
        policy = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=attempts)
        graph.add_node("a", flaky, retry_policy=policy)
        graph.add_edge(START, "a")
        return graph

    node = execute(build(5), GIVEN).nodes[0]
    assert (node.status, node.attempts, node.error) == ("succeeded", 3, None)
    tries.clear()
    trace = execute(build(2), GIVEN)
    assert (trace.nodes[0].status, trace.nodes[0].attempts) == ("failed", 2)
    assert trace.error.message.startswith("try 2")


def fails(state):
    raise ValueError("no such document")


def test_the_failing_node_is_named_with_the_users_traceback(execute):
    trace = execute(abc(), GIVEN, {"b": fails})
    assert (trace.status, trace.output) == ("failed", None)
    assert trace.state == {"x": 1, "log": ["a"]}
    assert statuses(trace) == [("a", "succeeded"), ("b", "failed")]
    error = trace.error
    assert (error.type, error.message, error.node) == ("ValueError", "no such document", "b")
    assert error.retryable
    assert "in fails" in error.traceback
    assert "site-packages/langgraph" not in error.traceback
    assert trace.nodes[1].error == error


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "by a function"])
def test_the_innermost_node_is_named_inside_subgraphs(execute, called):
    inner = chain(("p", add(1, "p")), ("q", fails)).compile()
    outer = (lambda state: inner.invoke(state)) if called else inner
    trace = execute(chain(("outer", outer), ("z", add(1, "z"))), GIVEN)
    assert trace.error.node == "outer/q"
    assert statuses(trace) == [("outer", "failed"), ("outer/p", "succeeded"), ("outer/q", "failed")]


def test_a_failing_task_of_a_fan_out_is_named(execute):
    def worker(state):
        if state["x"] == 2:
            raise RuntimeError("task 2")
        return {"log": [state["x"]]}

    graph = StateGraph(State)
    graph.add_node("worker", worker)
    graph.add_conditional_edges(START, lambda s: [Send("worker", {"x": n}) for n in range(4)])
    trace = execute(graph, GIVEN)
    assert (trace.error.node, trace.error.message) == ("worker", "task 2")
    failed = [node for node in trace.nodes if node.status == "failed"]
    assert [node.input for node in failed] == [{"x": 2}]


class Strict(TypedDict):
    x: int


@pytest.mark.parametrize("garbage", ["text", 5, ["a"], object()])
def test_a_node_that_returns_garbage_is_named(execute, garbage):
    trace = execute(abc(), GIVEN, {"b": lambda state: garbage})
    assert trace.error.type == "langgraph.errors.InvalidUpdateError"
    assert trace.error.node == "b"


def test_a_route_that_raises_is_an_error_of_its_node(execute):
    graph = chain(("a", add(1, "a")), ("b", add(1, "b")))
    graph.add_conditional_edges("b", fails)
    assert execute(graph, GIVEN).error.node == "b"


def test_two_writes_of_one_key_are_an_error_of_no_single_node(execute):
    graph = StateGraph(Strict)
    for name in "ab":
        graph.add_node(name, lambda s: {"x": 1})
        graph.add_edge(START, name)
    error = execute(graph, {"x": 0}).error
    assert error.type == "langgraph.errors.InvalidUpdateError"
    assert error.node is None


def test_too_many_steps_are_a_failure(execute):
    graph = chain(("a", add(1, "a")))
    graph.add_edge("a", "a")
    trace = execute(graph, GIVEN, config={"recursion_limit": 4})
    assert trace.error.type == "langgraph.errors.GraphRecursionError"
    assert trace.state["x"] == len(trace.nodes) == 4


def test_errors_that_another_try_cannot_change_are_marked(execute):
    def undefined(state):
        return nowhere  # noqa: F821

    def absent(state):
        import module_that_is_nowhere  # noqa: F401

    assert not execute(abc(), GIVEN, {"b": undefined}).error.retryable
    assert not execute(abc(), GIVEN, {"b": absent}).error.retryable


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, StopIteration, BaseException])
def test_exceptions_beyond_exception_cost_the_execution_only(execute, kind, parallel):
    def leaves(state):
        raise kind("out")

    graph = abc()
    if parallel:
        graph.add_node("d", lambda s: {"log": ["d"]})
        graph.add_edge("a", "d")
    trace = execute(graph, GIVEN, {"b": leaves})
    assert trace.status == "failed"
    assert trace.error.node == "b"
    assert trace.nodes[1].path in "bd"
    failed = next(node for node in trace.nodes if node.path == "b")
    assert failed.error.type == kind.__name__


def interrupted_by_keyboard(state):
    raise KeyboardInterrupt


def test_ctrl_c_on_the_main_thread_comes_out(execute):
    with pytest.raises(KeyboardInterrupt):
        execute(abc(), GIVEN, {"b": interrupted_by_keyboard})


def test_keyboard_interrupt_raised_on_another_thread_is_a_failure(execute):
    traces = []
    thread = threading.Thread(
        target=lambda: traces.append(execute(abc(), GIVEN, {"b": interrupted_by_keyboard}))
    )
    thread.start()
    thread.join()
    assert traces[0].error.type == "KeyboardInterrupt"
    # In a step of several nodes LangGraph runs them on threads of its own.
    graph = abc()
    graph.add_node("d", lambda s: {"log": ["d"]})
    graph.add_edge("a", "d")
    assert execute(graph, GIVEN, {"b": interrupted_by_keyboard}).error.node == "b"


def test_tracebacks_are_bounded_and_keep_the_end(execute):
    def deep(state, depth=400):
        if depth == 0:
            raise ValueError("x" * 10_000)
        return (deep if depth % 2 else other)(state, depth - 1)

    def other(state, depth):
        return deep(state, depth)

    error = execute(abc(), GIVEN, {"b": deep}).error
    assert MAX_TRACEBACK < len(error.traceback) < MAX_TRACEBACK + 100
    assert error.traceback.endswith("x\n") or "During task" in error.traceback[-200:]


def test_an_exception_whose_text_raises_is_still_recorded(execute):
    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError("mute")

    def node(state):
        raise MuteError

    error = execute(abc(), GIVEN, {"b": node}).error
    assert error.message == "<its text cannot be made: RuntimeError>"
    assert error.node == "b"


def test_cancelling_stops_before_the_next_node(execute):
    stop = threading.Event()

    def stopping(state):
        stop.set()
        return {"x": 50}

    trace = execute(abc(), GIVEN, {"b": stopping}, cancelled=stop.is_set)
    assert trace.status == "cancelled"
    assert statuses(trace) == [("a", "succeeded"), ("b", "succeeded")]
    assert (trace.output, trace.state["x"], trace.error) == (None, 50, None)


@pytest.mark.parametrize("called", [False, True], ids=["as a node", "by a function"])
def test_cancelling_reaches_into_subgraphs_past_retries_and_handlers(execute, called):
    stop = threading.Event()
    runs = []

    def p(state):
        runs.append("p")
        stop.set()
        return {"x": 1}

    inner = chain(("p", p), ("q", lambda s: runs.append("q"))).compile()

    def calls(state):
        try:
            return inner.invoke(state)
        except Exception:
            return {"x": 99}

    graph = StateGraph(State)
    graph.add_node("outer", calls if called else inner, retry_policy=RetryPolicy())
    graph.add_edge(START, "outer")
    trace = execute(graph, GIVEN, cancelled=stop.is_set)
    assert trace.status == "cancelled"
    assert statuses(trace) == [("outer", "cancelled"), ("outer/p", "succeeded")]
    assert runs == ["p"]


def test_nothing_runs_when_it_is_cancelled_beforehand(execute):
    trace = execute(abc(), GIVEN, cancelled=lambda: True)
    assert (trace.status, trace.nodes) == ("cancelled", [])


def test_questions_are_told_with_their_ids(execute):
    def ask(state):
        return {"x": interrupt({"question": state["x"]})}

    trace = execute(abc(), GIVEN, {"b": ask})
    assert trace.status == "interrupted"
    assert [value for value, _ in trace.interrupts] == [{"question": 1}]
    assert all(isinstance(key, str) and key for _, key in trace.interrupts)
    assert trace.output == {"x": 1, "log": ["a"]}
    assert statuses(trace) == [("a", "succeeded"), ("b", "interrupted")]
    assert trace.error is None


def test_questions_of_parallel_nodes_and_subgraphs_are_all_told(execute):
    inner = chain(("p", lambda s: {"log": [interrupt("inner")]})).compile()
    graph = StateGraph(State)
    graph.add_node("one", lambda s: {"log": [interrupt("one")]})
    graph.add_node("two", inner)
    graph.add_edge(START, "one")
    graph.add_edge(START, "two")
    trace = execute(graph, GIVEN)
    assert sorted(value for value, _ in trace.interrupts) == ["inner", "one"]
    assert ("two/p", "interrupted") in statuses(trace)


@pytest.mark.parametrize("breakpoint_", [{"interrupt_before": ["b"]}, {"interrupt_after": ["a"]}])
def test_breakpoints_of_the_compiled_graph_interrupt(execute, breakpoint_):
    trace = execute(abc().compile(**breakpoint_), GIVEN)
    assert (trace.status, trace.interrupts) == ("interrupted", [])
    assert statuses(trace) == [("a", "succeeded")]
    inside = chain(("outer", abc().compile(**breakpoint_)), ("z", add(1, "z")))
    trace = execute(inside, GIVEN)
    assert trace.status == "interrupted"
    assert ("z", "succeeded") not in statuses(trace)


def test_a_command_to_the_parent_is_no_failure(execute):
    inner = chain(("p", lambda s: Command(graph=Command.PARENT, goto="z", update={"x": 7})))
    graph = StateGraph(State)
    graph.add_node("outer", inner.compile())
    graph.add_node("z", lambda s: {"log": [s["x"]]})
    graph.add_edge(START, "outer")
    trace = execute(graph, GIVEN)
    assert trace.output == {"x": 7, "log": [7]}
    assert {status for _, status in statuses(trace)} == {"succeeded"}


def test_the_whole_state_is_kept_beside_a_narrow_output(execute):
    class Answer(TypedDict):
        x: int

    graph = chain(("a", add(1, "a")), output_schema=Answer)
    trace = execute(graph, GIVEN)
    assert trace.output == {"x": 1}
    assert trace.state == {"x": 1, "log": ["a"]}
    same = execute(abc(), GIVEN)
    assert same.state is same.output


def test_nodes_served_from_the_cache_are_told(execute):
    graph = StateGraph(State)
    graph.add_node("a", lambda s: {"x": 1})
    graph.add_node("b", add(10, "b"), cache_policy=CachePolicy())
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    prepared = execute.prepare(graph.compile(cache=InMemoryCache()))

    def once():
        return prepared.execute(
            dict(GIVEN), run=RunContext(execution_id="e"), cancelled=lambda: False
        )

    first, second = once(), once()
    assert statuses(first) == [("a", "succeeded"), ("b", "succeeded")]
    assert statuses(second) == [("a", "succeeded"), ("b", "cached")]
    cached = second.nodes[1]
    assert (cached.attempts, cached.step, cached.order) == (0, 2, 1)
    assert cached.input == {"x": 1, "log": []}
    assert cached.output == {"x": 11, "log": ["b"]}
    assert second.output == first.output


def test_cached_nodes_inside_subgraphs_are_told(execute):
    inner = StateGraph(State)
    inner.add_node("p", add(1, "p"), cache_policy=CachePolicy())
    inner.add_edge(START, "p")
    graph = chain(("outer", inner.compile(cache=InMemoryCache())), ("z", add(1, "z")))
    prepared = execute.prepare(graph)
    for status in ("succeeded", "cached"):
        trace = prepared.execute(
            dict(GIVEN), run=RunContext(execution_id="e"), cancelled=lambda: False
        )
        assert ("outer/p", status) in statuses(trace)
        assert trace.output["x"] == 2


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
    assert sum(counts["calls"] for counts in trace.usage.values()) == 2
    assert sum(counts["total_tokens"] for counts in trace.usage.values()) == 0


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


class Seen(BaseCallbackHandler):
    def __init__(self):
        self.names = []

    def on_chain_start(self, serialized, inputs, *, name=None, metadata=None, **kwargs):
        self.names.append(name)
        self.metadata = metadata


@pytest.mark.parametrize(
    "wrap", [lambda h: [h], lambda h: CallbackManager([h], inheritable_handlers=[h])]
)
def test_the_users_callbacks_tags_and_metadata_pass_through(execute, wrap):
    seen, mine = Seen(), Seen()
    given = wrap(seen)
    config = {"callbacks": given, "metadata": {"team": "a"}, "tags": ["t"], "run_name": "r"}
    trace = execute(abc(), GIVEN, Variant("v", config={"callbacks": [mine]}), config=config)
    assert trace.status == "succeeded"
    assert seen.names == mine.names == ["r", "a", "b", "c"]
    assert seen.metadata["team"] == "a"
    assert len(getattr(given, "handlers", given)) == 1


def test_the_variants_config_and_context_lie_over_the_benchs(execute):
    def node(state, config, runtime: Runtime):
        inner = config["configurable"]
        return {"log": [inner["a"], inner["b"], inner["c"], runtime.context]}

    variant = Variant(
        "v", nodes={"b": node}, config={"a": 1, "configurable": {"b": 2}}, context={"k": 1}
    )
    trace = execute(
        abc(),
        GIVEN,
        variant,
        config={"configurable": {"a": 9, "b": 9, "c": 9}},
        context={"k": 9, "l": 9},
    )
    assert trace.output["log"] == ["a", 1, 2, 9, {"k": 1, "l": 9}, "c"]


def test_the_variants_recursion_limit_wins_even_when_it_is_the_default(execute):
    graph = chain(("a", add(1, "a")))
    graph.add_edge("a", "a")
    variant = Variant("v", config={"recursion_limit": 25})
    assert len(execute(graph, GIVEN, variant, config={"recursion_limit": 60}).nodes) == 25


@pytest.mark.parametrize("key", ["thread_id", "checkpoint_id", "checkpoint_ns"])
def test_keys_that_belong_to_the_bench_are_refused(execute, key):
    with pytest.raises(ConfigurationError, match=f"sets '{key}'"):
        execute(abc(), GIVEN, config={"configurable": {key: "1"}})
    with pytest.raises(ConfigurationError, match=f"variant 'v': config sets '{key}'"):
        execute.adapter(abc()).check(Variant("v", config={key: "1"}))


def test_a_context_that_cannot_be_overlaid_is_refused(execute):
    with pytest.raises(ConfigurationError, match="cannot be laid over"):
        execute(abc(), GIVEN, Variant("v", context={"k": 1}), context=object())


def test_nodes_see_their_execution_on_every_thread(execute):
    def node(state):
        log_metric(f"m{state['x']}", state["x"])
        return {"log": [(current().execution_id, current().seed)]}

    graph = StateGraph(State)
    graph.add_node("worker", node)
    graph.add_conditional_edges(START, lambda s: [Send("worker", {"x": n}) for n in range(4)])
    run = RunContext(execution_id="e_9", seed=11)
    trace = execute(graph, GIVEN, run=run)
    assert trace.output["log"] == [("e_9", 11)] * 4
    assert {name: metric.value for name, metric in run.metrics.items()} == {
        f"m{n}": n for n in range(4)
    }
    assert not current().active


def test_an_execution_inside_a_node_of_another_graph_is_its_own(execute):
    inner = []

    def node(state):
        inner.append(execute(abc(), GIVEN))
        return {"log": ["outer"]}

    trace = execute(chain(("n", node)), GIVEN)
    assert [node.path for node in inner[0].nodes] == ["a", "b", "c"]
    assert [node.path for node in trace.nodes] == ["n"]
    assert sys.exc_info() == (None, None, None)
