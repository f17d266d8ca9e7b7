"""Shared by the tests of the examples: their folders on the path, and small helpers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import StateGraph

EXAMPLES = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(EXAMPLES / name) for name in ("ml_pipeline", "retrieval", "llm")]


@pytest.fixture
def cases() -> Callable[[str], list[dict[str, Any]]]:
    """Read the cases of an example by its folder."""

    def read(example: str) -> list[dict[str, Any]]:
        lines = (EXAMPLES / example / "cases.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    return read


@pytest.fixture
def replaced() -> Callable[..., Any]:
    """Compile a graph with other functions for some of its nodes."""

    def build(graph: Any, **nodes: Callable[..., Any]) -> Any:
        compiled = graph.compile()
        for name, function in nodes.items():
            scratch: Any = StateGraph(graph.state_schema)
            scratch.add_node(name, function)
            scratch.set_entry_point(name)
            bound = scratch.compile().nodes[name].bound
            compiled.nodes[name] = compiled.nodes[name].copy({"bound": bound})
        return compiled

    return build


@pytest.fixture
def stored() -> Callable[[Any], Any]:
    """Send a value through LangGraph's serializer and back."""
    serializer = JsonPlusSerializer()
    return lambda value: serializer.loads_typed(serializer.dumps_typed(value))
