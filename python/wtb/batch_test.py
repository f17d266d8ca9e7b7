"""The seeds' words for a batch: `BatchTest`, `VariantCombination`, `BatchTestStatus`."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from wtb.cases import Case
from wtb.errors import ConfigurationError
from wtb.variants import Variant

if TYPE_CHECKING:
    from wtb.batch import Batch
    from wtb.execution import Execution

__all__ = ["BatchTest", "BatchTestStatus", "VariantCombination"]


class BatchTestStatus(StrEnum):
    """Where a batch test stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass
class VariantCombination:
    """A named choice of implementations.

    Attributes:
        name: What results call it.
        variants: Node to the name of an implementation that the workflow has registered.
    """

    name: str
    variants: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class BatchTest:
    """A batch as the seeds write it: filled in by `runner.run_batch_test(batch_test)`.

    Attributes:
        name: The batch's name.
        workflow_id: Name of a workflow registered with the runner or by `wtb.register`.
        variant_combinations: What to compare.
        workflow: The workflow itself, instead of `workflow_id`.
        initial_state: The one case, when there are no test cases.
        test_cases: The cases.
        parallel_count: How many attempts run at once.
        metric: The primary metric.
        status: Where it stands.
        results: The executions, by combination, case and repeat.
        comparison_matrix: Mean of every metric for every combination, and the scores by case.
        best_combination_name: The combination that is defensibly better than each other one; None
            when there is no such.
    """

    name: str
    workflow_id: str | None = None
    variant_combinations: Sequence[VariantCombination] = ()
    workflow: object = None
    initial_state: Mapping[str, Any] | None = None
    test_cases: Sequence[Case | Mapping[str, Any]] | None = None
    parallel_count: int = 1
    metric: str | None = None
    id: str = field(default_factory=lambda: f"bt_{secrets.token_hex(8)}")
    status: BatchTestStatus = BatchTestStatus.PENDING
    results: Sequence["Execution"] = ()
    comparison_matrix: Mapping[str, Any] | None = None
    best_combination_name: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what `TestBench.start_batch` is called with.

        Raises:
            ConfigurationError: It names no workflow.
        """
        if self.workflow is None and not self.workflow_id:
            raise ConfigurationError(
                f"batch test {self.name!r} names no workflow: give workflow_id= or workflow="
            )
        cases: Sequence[Case | Mapping[str, Any]] | None = self.test_cases
        if cases is None:
            cases = [Case(dict(self.initial_state or {}), id="initial_state")]
        return {
            "name": self.name,
            "variants": [
                Variant(one.name, nodes=one.variants) for one in self.variant_combinations
            ],
            "test_cases": cases,
            "max_workers": self.parallel_count,
            "metric": self.metric,
        }

    def begin(self, batch: "Batch") -> None:
        """Take over that the batch runs."""
        self.status = BatchTestStatus(batch.status)

    def finish(self, batch: "Batch") -> None:
        """Take over the batch's results."""
        self.status = BatchTestStatus(batch.status)
        self.results = batch.results
        self.comparison_matrix = batch.comparison_matrix
        self.best_combination_name = batch.best_combination_name
