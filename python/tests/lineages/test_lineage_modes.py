"""When checkpoints are written: after each step, at the end, or not at all."""

import threading

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from lineage_graphs import Breaks, abc, add, ask, chain

import wtb
from wtb import Case
from wtb.errors import CheckpointNotFoundError, ConfigurationError, WtbError


def test_what_there_is_in_each_mode(bench):
    def there(mode, graph):
        execution = bench.run(graph, {"x": 0}, checkpoints=mode)
        return [one.node for one in bench.checkpoints(execution)]

    assert there("step", abc()) == [None, None, "a", "b", "c"]
    assert there("exit", abc()) == ["a, b, c"]
    assert there("off", abc()) == []
    assert there("exit", chain(a=add("a"), breaks=Breaks())) == ["a"]
    assert there("exit", chain(a=add("a"), ask=ask)) == ["a"]


@pytest.mark.parametrize("end", ["succeeds", "fails", "asks"])
def test_exit_keeps_what_langgraph_keeps(bench, end):
    def make():
        last = {"succeeds": add("b"), "fails": Breaks(), "asks": ask}[end]
        return chain(a=add("a"), last=last)

    graph = make().compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "memory"}}
    try:
        graph.invoke({"x": 0, "log": []}, thread, durability="exit")
    except ValueError:
        assert end == "fails"
    (kept,) = [*graph.get_state_history(thread)]
    execution = bench.run(make(), {"x": 0, "log": []}, checkpoints="exit")
    (mine,) = bench.checkpoints(execution)
    assert (mine.values, mine.next, mine.step) == (kept.values, kept.next, kept.metadata["step"])


def test_exit_goes_on_from_the_end(bench):
    ran, breaks = [], Breaks()
    graph = chain(a=add("a", ran), breaks=breaks, ask=ask, b=add("b", ran))
    execution = bench.run(graph, {"x": 0}, checkpoints="exit")
    assert execution.status == "failed"
    breaks.broken = False
    execution = bench.resume(execution)
    assert execution.status == "interrupted"
    fork = bench.fork(execution)
    assert bench.resume(fork, answer="fork").output["log"] == ["a", "breaks", "fork", "b"]
    end = bench.resume(execution, answer="me")
    assert end.output["log"] == ["a", "breaks", "me", "b"]
    assert ran == ["a", "b", "b"]
    back = bench.rollback(end, at=bench.checkpoints(end)[0])
    assert back.state["log"] == ["a"]


def test_off_refuses_what_needs_checkpoints(bench, refused):
    batch = {"variants": [{}], "test_cases": [{"x": 0}], "checkpoints": "off"}
    with refused(ConfigurationError, "breakpoints"):
        bench.run(abc(), {"x": 0}, checkpoints="off", breakpoints=["b"])
    with refused(ConfigurationError, "breakpoints"):
        bench.run_batch(abc(), **batch, breakpoints=["b"])
    with refused(ConfigurationError, "on_interrupt"):
        bench.run_batch(abc(), **batch, on_interrupt=lambda question: 1)
    with refused(ConfigurationError, "answers"):
        bench.run_batch(abc(), **{**batch, "test_cases": [Case({"x": 0}, answers=[1])]})
    for wrong in ("steps", "", None, True, 1):
        with refused(ConfigurationError):
            bench.run(abc(), {"x": 0}, checkpoints=wrong)
        with refused(ConfigurationError):
            bench.run_batch(abc(), **{**batch, "checkpoints": wrong})


def test_without_checkpoints_there_is_nowhere_to_go(bench, refused):
    failed = bench.run(chain(a=add("a"), breaks=Breaks()), {"x": 0}, checkpoints="off")
    asked = bench.run(chain(a=add("a"), ask=ask), {"x": 0}, checkpoints="off")
    (cell,) = bench.run_batch(
        chain(breaks=Breaks()), variants=[{}], test_cases=[{"x": 0}], checkpoints="off"
    ).results
    assert (failed.status, asked.status) == ("failed", "interrupted")
    assert [one.value for one in asked.interrupts] == ["who?"]
    for execution in (failed, asked, cell):
        assert bench.checkpoints(execution) == []
        assert execution.thread_id is None
        for call in (bench.fork, lambda one: bench.rollback(one, before="a")):
            with refused(CheckpointNotFoundError, "checkpoints"):
                call(execution)
        for given in ({}, {"update": {"x": 1}}):
            with refused(WtbError, "checkpoints"):
                bench.resume(execution, **given)
    with refused(WtbError, "checkpoints"):
        bench.resume(asked, answer="me")
    with refused(WtbError, "checkpoints"):
        bench.retry(failed, from_checkpoint=True)


def test_each_step_is_stored_before_the_next_one_begins(bench):
    seen = []

    def looks(label):
        def node(state):
            steps = bench.checkpoints(wtb.current().execution_id)
            seen.append((steps[-1].values["log"], steps[-1].next))
            return {"log": [label]}

        return node

    bench.run(chain(a=looks("a"), b=looks("b"), c=looks("c")), {"log": []})
    assert seen == [([], ("a",)), (["a"], ("b",)), (["a", "b"], ("c",))]


def test_what_cannot_be_stored_fails_no_execution_but_is_not_gone_on_from(bench, refused):
    lock = threading.Lock()

    def locks(state):
        return {"y": lock, "log": ["locks"]}

    def frees(state):
        assert state["y"] is lock
        return {"y": 1, "log": ["frees"]}

    execution = bench.run(chain(a=add("a"), locks=locks, frees=frees, b=add("b")), {"x": 0})
    assert (execution.status, execution.output["log"]) == (
        "succeeded",
        ["a", "locks", "frees", "b"],
    )
    assert "'y'" in " ".join(execution.warnings) or "lock" in " ".join(execution.warnings)
    back = bench.rollback(execution, after="locks")
    with refused(WtbError, "y"):
        bench.resume(back, update={"x": 1})
    end = bench.resume(back)
    assert (end.status, end.error.type.rpartition(".")[2]) == ("failed", "NotResumableError")
    assert "'y'" in end.error.message
    for where in ("a", "frees"):
        bench.rollback(execution, after=where)
        assert bench.resume(execution).output["log"] == ["a", "locks", "frees", "b"]


def test_questions_and_answers_that_cannot_be_stored(bench):
    def asks(state):
        return {"log": [type(interrupt(threading.Lock())).__name__]}

    execution = bench.run(chain(a=add("a"), asks=asks), {"x": 0})
    assert (execution.status, len(execution.interrupts)) == ("interrupted", 1)
    assert execution.warnings
    (found,) = bench.run_batch(
        chain(a=add("a"), asks=asks),
        variants=[{}],
        test_cases=[{"x": 0}],
        on_interrupt=lambda question: threading.Lock(),
    ).results
    assert found.status in ("succeeded", "failed", "interrupted")


def test_attempts_on_event_loops_share_a_few_threads(bench):
    async def node(state):
        return {"x": state["x"] + 1}

    cases = [{"x": number, "log": []} for number in range(30)]
    batch = bench.run_batch(chain(a=node, b=node), variants=[{}], test_cases=cases)
    assert [one.output["x"] for one in batch.results] == [number + 2 for number in range(30)]
    waiting = [one for one in threading.enumerate() if one.name.startswith("wtb-saver")]
    assert 1 <= len(waiting) <= 4
