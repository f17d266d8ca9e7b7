"""What reaches the nodes: callbacks, config, context, and the execution that they are in."""

import pytest
from graphs import GIVEN, State, abc, add, chain
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from wtb.context import RunContext, current, log_metric
from wtb.errors import ConfigurationError
from wtb.variants import Variant


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
