"""One execution: what it gives back, how it fails, what stops it, and where it runs."""

import asyncio
import random
import time

import numpy
import pytest
from bench_graphs import build, chain, negate, workflow
from langgraph.types import interrupt
from stores import store_at

import wtb
from wtb.errors import ExecutionFailedError, WorkflowNotBoundError


def test_an_execution_gives_back_what_the_graph_returned(bench):
    execution = bench.run(build(), {"x": 1})
    assert execution.succeeded
    assert execution.raise_for_status() is execution
    assert execution.output == {"x": 2, "y": 20}
    assert execution.input == {"x": 1}
    assert execution.variant == "baseline"
    assert execution.batch_id is None
    assert execution.expected is None
    assert [node.node for node in execution.nodes] == ["prepare", "answer"]
    assert execution.nodes[1].input == {"x": 2}
    assert execution.nodes[1].output == {"y": 20}
    assert [attempt.status for attempt in execution.attempts] == ["succeeded"]


def test_the_seeds_call_with_initial_state_by_name(bench):
    assert bench.run(build(), initial_state={"x": 1}).output["y"] == 20


@pytest.mark.parametrize("graph", [build, build().compile(), "bench_graphs:build", workflow])
def test_a_workflow_comes_in_many_forms(bench, graph):
    assert bench.run(graph, {"x": 1}).output["y"] == 20


def test_a_variant_of_a_single_execution(bench):
    execution = bench.run(workflow, {"x": 1}, variant={"answer": "negated"})
    assert execution.output["y"] == -2
    assert execution.variant == "answer=negated"


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_a_failure_is_returned_and_names_the_node(bench, runner):
    execution = bench.run(workflow, {"x": 2}, variant={"answer": "failing"}, runner=runner)
    assert execution.status == "failed"
    assert (execution.error.node, execution.error.type) == ("answer", "ValueError")
    assert "fail_on_two" in execution.error.traceback
    assert execution.output is None
    assert [node.status for node in execution.nodes] == ["succeeded", "failed"]
    with pytest.raises(ExecutionFailedError, match="node 'answer': ValueError: two is too much"):
        execution.raise_for_status()


@pytest.mark.parametrize("runner", ["inline", "thread"])
@pytest.mark.parametrize(
    "raised", [SystemExit(3), GeneratorExit(), BaseException("b"), ValueError("\ud800")]
)
def test_whatever_a_node_raises_is_a_failure_of_the_execution(bench, runner, raised):
    def node(state):
        raise raised

    execution = bench.run(chain(node=node), {"x": 1}, runner=runner)
    assert execution.status == "failed"
    assert execution.error.node == "node"
    assert execution.error.type == type(raised).__name__


def test_a_keyboard_interrupt_that_a_thread_raises_is_no_ctrl_c(bench):
    def node(state):
        raise KeyboardInterrupt

    execution = bench.run(chain(node=node), {"x": 1}, runner="thread")
    assert (execution.status, execution.error.type) == ("failed", "KeyboardInterrupt")


def test_ctrl_c_ends_an_inline_execution_at_once(bench):
    def node(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(chain(node=node), {"x": 1})
    (execution,) = bench.executions()
    assert execution.status == "cancelled"


@pytest.mark.parametrize("returned", [42, "text", [1], object()])
def test_garbage_from_a_node_is_a_failure_of_the_execution(bench, returned):
    execution = bench.run(chain(node=lambda state: returned), {"x": 1})
    assert execution.status == "failed"
    assert execution.error.node == "node"


def test_inline_warns_of_a_timeout_and_stops_between_nodes(bench):
    ran = []

    def slow(state):
        time.sleep(1.5)
        ran.append("slow")
        return {"x": 1}

    def after(state):
        ran.append("after")
        return {"x": 2}

    with pytest.warns(RuntimeWarning, match="between two nodes only") as warned:
        execution = bench.run(chain(slow=slow, after=after), {"x": 0}, timeout=1)
    assert warned[0].filename == __file__
    assert execution.status == "timed_out"
    assert execution.error.type == "TimeoutError"
    assert ran == ["slow"]


def test_a_thread_that_hangs_is_timed_out_at_its_deadline(bench, released):
    execution = bench.run(
        chain(node=lambda state: released.wait()), {"x": 0}, timeout=0.05, runner="thread"
    )
    assert execution.status == "timed_out"
    assert not released.is_set()


def test_the_seed_reaches_all_generators_and_the_node(bench):
    def node(state):
        drawn = (random.random(), float(numpy.random.random()), wtb.current().seed)
        return {"y": list(drawn)}

    def drawn(seed):
        return bench.run(chain(node=node), {"x": 1}, seed=seed).output["y"]

    assert drawn(7) == drawn(7)
    assert drawn(7)[2] == 7
    assert drawn(7)[0] != drawn(8)[0]
    assert drawn(7)[1] != drawn(8)[1]


def test_config_and_context_reach_the_node(bench):
    def node(state, config, runtime):
        return {"y": [config["configurable"]["k"], runtime.context["who"]]}

    node.__annotations__ = {"config": "RunnableConfig", "runtime": "Runtime"}

    def read(state, config):
        return {"y": config["configurable"]["k"]}

    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    node.__annotations__ = {"config": RunnableConfig, "runtime": Runtime}
    execution = bench.run(
        chain(node=node), {"x": 1}, config={"configurable": {"k": 5}}, context={"who": "me"}
    )
    assert execution.raise_for_status().output["y"] == [5, "me"]


def test_questions_of_a_node_are_shown(bench):
    execution = bench.run(chain(node=lambda state: {"y": interrupt("sure?")}), {"x": 1})
    assert execution.status == "interrupted"
    assert [question.value for question in execution.interrupts] == ["sure?"]


def test_async_nodes_run_like_others(bench):
    async def node(state):
        await asyncio.sleep(0)
        return {"y": state["x"]}

    for runner in ("inline", "thread"):
        assert bench.run(chain(node=node), {"x": 3}, runner=runner).output["y"] == 3


def test_a_failed_single_execution_is_retried_as_it_was(bench):
    calls = []

    def node(state):
        calls.append(wtb.current().attempt)
        if len(calls) == 1:
            raise ValueError("once")
        return {"y": "second"}

    first = bench.run(build(), {"x": 1}, variant={"answer": node}, config={"tags": ["t"]})
    assert first.status == "failed"
    again = bench.retry(first)
    assert (again.id, again.status, again.output["y"]) == (first.id, "succeeded", "second")
    assert [attempt.status for attempt in again.attempts] == ["failed", "succeeded"]
    assert calls == [1, 2]
    assert bench.retry(again).attempts_made == 2


def test_a_later_session_retries_what_it_can_run_as_it_was(bench, tmp_path):
    failed = bench.run(chain(node=lambda state: 1 / 0), {"x": 2}, config={"tags": ["t"]})
    with wtb.TestBench(store_at(tmp_path / "store")) as later:
        with pytest.raises(WorkflowNotBoundError, match="pass workflow= again"):
            later.retry(failed.id)
        assert later.execution(failed.id).attempts_made == 1
        again = later.retry(failed.id, workflow=chain(node=negate))
        assert (again.id, again.status, again.attempts_made) == (failed.id, "succeeded", 2)
