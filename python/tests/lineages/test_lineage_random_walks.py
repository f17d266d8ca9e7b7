"""Whatever is done to an execution, one thing after the other, it stands where LangGraph stands."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import InvalidUpdateError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from lineage_graphs import State, add
from oracle import assert_ends_alike, plain
from stores import store_at

from wtb import TestBench
from wtb.errors import ConfigurationError

STOPS = ["turn"]
DOINGS = st.one_of(
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("update"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["rollback", "fork"]), st.integers(0, 30)),
    st.tuples(st.just("answer"), st.text(max_size=3)),
)


def build():
    """Turns, of which each second one asks, beside a node that runs at the same time."""
    graph = StateGraph(State)
    graph.add_node("turn", add("turn"))
    graph.add_node("beside", lambda state: {"log": ["beside"]})
    graph.add_node(
        "ask", lambda state: {"log": [interrupt("?") if state["x"] % 2 == 0 else "no question"]}
    )
    graph.add_edge(START, "turn")
    graph.add_edge("turn", "ask")
    graph.add_edge("turn", "beside")
    graph.add_conditional_edges("ask", lambda state: "turn" if state["x"] < 5 else "__end__")
    return graph


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with TestBench(store_at(tmp_path_factory.mktemp("walks"))) as bench:
        yield bench


class Model:
    """LangGraph's own thread. Where it was put back to, it goes on from there by its id."""

    def __init__(self):
        self.graph = build().compile(checkpointer=InMemorySaver())
        self.at = {"configurable": {"thread_id": "model"}}
        self.run({"x": 0, "log": []})

    @property
    def state(self):
        return self.graph.get_state(self.at)

    def run(self, given):
        self.graph.invoke(given, self.at, interrupt_before=STOPS)
        self.at = {"configurable": {"thread_id": "model"}}

    def update(self, values):
        self.at = self.graph.update_state(self.at, values)

    def line(self):
        """The checkpoints that led to where it stands; a replay begins with one of its own."""
        found, at = [], self.state.config
        while at is not None:
            one = self.graph.checkpointer.get_tuple(at)
            if one.metadata["source"] != "fork":
                found.append(one.config)
            at = one.parent_config
        return found[::-1]


@settings(max_examples=30, deadline=None, suppress_health_check=[*HealthCheck])
@given(doings=st.lists(DOINGS, min_size=1, max_size=8))
def test_any_walk_through_a_history(shared, doings):
    model = Model()
    execution = shared.run(build(), {"x": 0, "log": []}, breakpoints=STOPS)
    sources = []
    for doing, how in doings:
        asks = execution.status == "interrupted"
        places = [one for one in shared.checkpoints(execution) if not one.path]
        is_back = doing in ("rollback", "fork")
        if is_back:
            line = model.line()
            assert len(line) == len(places)
            place = how % (len(places) - 1) + 1
            if doing == "fork":
                fork = shared.fork(execution, at=places[place])
                sources.append((fork, fork.status, plain(fork.state)))
            model.at = line[place]
            execution = shared.rollback(execution, at=places[place])
        elif doing == "answer" and asks:
            model.run(Command(resume={model.state.interrupts[0].id: how}))
            execution = shared.resume(execution, answer={execution.interrupts[0].id: how})
        elif doing == "update" and execution.status != "succeeded":
            try:
                model.update({"log": [how]})
            except InvalidUpdateError as error:
                # It is not clear which of several nodes has returned it.
                with pytest.raises(ConfigurationError, match=str(error)):
                    shared.resume(execution, update={"log": [how]})
                continue
            model.run(None)
            execution = shared.resume(execution, update={"log": [how]})
        elif doing == "resume" and execution.status != "succeeded":
            model.run(None)
            execution = shared.resume(execution)
        told = model.state
        assert_ends_alike(execution.state, told.values)
        next_ones = shared.checkpoints(execution)[-1].next
        assert set(next_ones) == {one.name for one in told.tasks}
        if not is_back and execution.status != "paused":
            assert [one.value for one in execution.interrupts] == [
                one.value for one in told.interrupts
            ]
    for one, status, state in sources:
        now = shared.execution(one.id)
        assert (now.status, plain(now.state)) == (status, state)
