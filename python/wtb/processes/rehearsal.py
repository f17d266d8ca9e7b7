"""A rehearsal in the template: a graph of our own is run once, as attempts are.

What LangGraph and the interpreter find out at their first graph (types, signatures, specialised
bytecode) is then there in every fork. No code of the user's is called, and no thread is left.
"""

from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph

from wtb.context import RunContext
from wtb.langgraph.adapter import GraphAdapter
from wtb.variants import Variant
from wtb.workflow import Workflow


class _State(TypedDict, total=False):
    value: int


def rehearse() -> None:
    """Build and run a graph, with the bench's recording and with a checkpointer."""
    graph: Any = StateGraph(_State)
    for name in ("first", "second"):
        graph.add_node(name, lambda state: {"value": state["value"] + 1})
    graph.set_entry_point("first")
    graph.add_edge("first", "second")
    graph.set_finish_point("second")
    with GraphAdapter(Workflow("rehearsal", graph)) as adapter:
        run = RunContext(execution_id="rehearsal")
        prepared = adapter.prepare(Variant("baseline"))
        prepared.execute({"value": 0}, run=run, cancelled=lambda: False)
    config: Any = {"configurable": {"thread_id": "rehearsal"}}
    saved = graph.compile(checkpointer=InMemorySaver())
    saved.invoke({"value": 0}, config, durability="sync")
