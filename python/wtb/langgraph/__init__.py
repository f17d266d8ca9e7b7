"""The LangGraph adapter: loads graphs, puts variants into them, runs and records executions.

Only this package imports LangGraph. It stands on LangGraph's public API and never changes an
object of the user. It knows no scheduler and no worker. `WtbSaver` is the only part that knows a
store: it is a checkpointer for any LangGraph program.
"""

from wtb.langgraph.adapter import GraphAdapter
from wtb.langgraph.execution import PreparedGraph
from wtb.langgraph.saver import WtbSaver
from wtb.langgraph.trace import ErrorInfo, NodeTrace, Trace

__all__ = ["ErrorInfo", "GraphAdapter", "NodeTrace", "PreparedGraph", "Trace", "WtbSaver"]
