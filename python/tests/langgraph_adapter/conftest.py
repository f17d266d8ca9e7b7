"""Executes graphs through the adapter, the way a worker does."""

from dataclasses import dataclass

import pytest

from wtb.context import RunContext
from wtb.langgraph import GraphAdapter
from wtb.variants import Variant
from wtb.workflow import Workflow


@dataclass
class Executor:
    """Adapters that are closed after the test."""

    adapters: list

    def adapter(self, graph, **options):
        workflow = graph if isinstance(graph, Workflow) else Workflow("w", graph, **options)
        self.adapters.append(GraphAdapter(workflow))
        return self.adapters[-1]

    def prepare(self, graph, variant=None, **options):
        if variant is None or isinstance(variant, dict):
            variant = Variant("v", nodes=variant)
        return self.adapter(graph, **options).prepare(variant)

    def __call__(self, graph, given, variant=None, *, cancelled=lambda: False, **options):
        memory = {"memory": options.pop("memory")} if "memory" in options else {}
        run = options.pop("run", None) or RunContext(
            execution_id="e_1", variant="v", case_id="c", attempt=1, seed=7
        )
        prepared = self.prepare(graph, variant, **memory)
        return prepared.execute(given, run=run, cancelled=cancelled, **options)


@pytest.fixture
def execute():
    executor = Executor([])
    yield executor
    for adapter in executor.adapters:
        adapter.close()
