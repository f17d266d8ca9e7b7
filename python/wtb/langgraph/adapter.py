"""What a worker uses of this package: checks variants and cases, and prepares graphs."""

from types import TracebackType
from typing import Any

from wtb.errors import ConfigurationError
from wtb.langgraph.execution import PreparedGraph
from wtb.langgraph.isolation import isolated, store_factory
from wtb.langgraph.loading import load_graph, node_paths
from wtb.langgraph.loops import LoopRunner
from wtb.langgraph.schema import check_input
from wtb.langgraph.substitution import substitute
from wtb.variants import Variant, resolve_implementation
from wtb.workflow import Workflow


class GraphAdapter:
    """A workflow's graphs, for one worker thread.

    Every worker has its own adapter, so that factories run once per worker and variant, and no
    graph of ours is shared between threads. What the workflow itself holds is shared.

    Example:
        >>> adapter = GraphAdapter(workflow)                                      # doctest: +SKIP
        >>> prepared = adapter.prepare(variant)                                   # doctest: +SKIP
        >>> prepared.execute({"q": "?"}, run=run, cancelled=lambda: False).output # doctest: +SKIP
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self._loops = LoopRunner()
        self._prepared: dict[str | None, PreparedGraph] = {}
        self._nodes: dict[str | None, list[str]] = {}

    @property
    def node_names(self) -> list[str]:
        """The baseline graph's nodes in graph order; `"agent/tools"` for one inside a subgraph."""
        return node_paths(load_graph(self.workflow, Variant()))

    def nodes_of(self, variant: Variant) -> list[str]:
        """Return the nodes of the variant's graph before they are substituted, in graph order.

        Raises:
            WtbError: The variant cannot be applied; the same error as `check` raises.
        """
        self.prepare(variant)
        return self._nodes[variant.name]

    def check(self, variant: Variant) -> None:
        """Find everything that is wrong with a variant, without running a node.

        Raises:
            WtbError: Of the type that says what is wrong.
        """
        self.prepare(variant).settings()

    def check_case(self, variant: Variant, case_id: str, input: object) -> list[str]:  # noqa: A002
        """Check that a case's input fits the variant's graph.

        Returns:
            The keys of the input that the graph does not know and will ignore.

        Raises:
            InvalidCaseError: The input lacks a key or has the wrong form.
        """
        return check_input(self.prepare(variant).input_keys, case_id, input)

    def prepare(self, variant: Variant) -> PreparedGraph:
        """Return the variant's graph, building it at the first call for a variant of this name.

        Raises:
            WtbError: The variant cannot be applied; the same error as `check` raises.
        """
        prepared = self._prepared.get(variant.name)
        if prepared is None:
            prepared = self._prepared[variant.name] = self._build(variant)
        elif prepared.variant is not variant and prepared.variant != variant:
            raise ConfigurationError(
                f"two different variants are called {variant.name!r}; give one another name"
            )
        return prepared

    def close(self) -> None:
        """End the event loop that async graphs ran on; the adapter is not used afterwards."""
        self._loops.close()

    def __enter__(self) -> "GraphAdapter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _build(self, variant: Variant) -> PreparedGraph:
        graph = load_graph(self.workflow, variant)
        self._nodes[variant.name] = node_paths(graph)
        chosen: dict[str, Any] = {}
        for node, choice in variant.nodes.items():
            implementation = resolve_implementation(self.workflow, node, choice)
            if implementation is not None:
                chosen[node] = implementation
        graph = substitute(graph, chosen, variant.title)
        make_store = store_factory(self.workflow, graph)
        return PreparedGraph(
            isolated(graph, self.workflow, variant), variant, make_store, self._loops
        )
