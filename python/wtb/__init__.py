"""Workflow Test Bench: run a LangGraph workflow over variants x cases x repeats, and compare.

Example:
    >>> import wtb
    >>> with wtb.TestBench() as bench:                                      # doctest: +SKIP
    ...     batch = bench.run_batch(
    ...         "my_app.graph:build",
    ...         variants=[{}, {"retriever": "my_app.retrieval:dense"}],
    ...         test_cases=wtb.load_cases("cases.jsonl"),
    ...         evaluators=[wtb.evaluators.exact_match("answer")],
    ...     )
    ...     print(batch.comparison)

Importing the package is cheap: LangGraph is imported when a graph is first touched.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wtb import evaluators as evaluators
    from wtb._native import __version__ as __version__
    from wtb.batch import Batch as Batch
    from wtb.batch_test import BatchTest as BatchTest
    from wtb.batch_test import BatchTestStatus as BatchTestStatus
    from wtb.batch_test import VariantCombination as VariantCombination
    from wtb.bench import TestBench as TestBench
    from wtb.cases import Case as Case
    from wtb.cases import load_cases as load_cases
    from wtb.comparison import Comparison as Comparison
    from wtb.context import RunContext as RunContext
    from wtb.context import current as current
    from wtb.context import log_metric as log_metric
    from wtb.diff import Divergence as Divergence
    from wtb.diff import ExecutionDiff as ExecutionDiff
    from wtb.errors import AmbiguousIdError as AmbiguousIdError
    from wtb.errors import BatchBusyError as BatchBusyError
    from wtb.errors import CheckpointNotFoundError as CheckpointNotFoundError
    from wtb.errors import ConfigurationError as ConfigurationError
    from wtb.errors import EvaluatorError as EvaluatorError
    from wtb.errors import ExecutionFailedError as ExecutionFailedError
    from wtb.errors import ForkedProcessError as ForkedProcessError
    from wtb.errors import GateError as GateError
    from wtb.errors import InvalidCaseError as InvalidCaseError
    from wtb.errors import InvalidTransitionError as InvalidTransitionError
    from wtb.errors import NotFoundError as NotFoundError
    from wtb.errors import StoreError as StoreError
    from wtb.errors import StoreVersionError as StoreVersionError
    from wtb.errors import UnknownNodeError as UnknownNodeError
    from wtb.errors import UnknownVariantError as UnknownVariantError
    from wtb.errors import UnknownWorkflowError as UnknownWorkflowError
    from wtb.errors import WorkerCrashedError as WorkerCrashedError
    from wtb.errors import WorkerError as WorkerError
    from wtb.errors import WorkflowImportError as WorkflowImportError
    from wtb.errors import WorkflowNotBoundError as WorkflowNotBoundError
    from wtb.errors import WorkspaceError as WorkspaceError
    from wtb.errors import WtbError as WtbError
    from wtb.evaluation import EvaluationEngine as EvaluationEngine
    from wtb.evaluators import Score as Score
    from wtb.evaluators import evaluator as evaluator
    from wtb.events import AuditTrail as AuditTrail
    from wtb.events import Event as Event
    from wtb.events import EventBus as EventBus
    from wtb.events import Subscription as Subscription
    from wtb.execution import Execution as Execution
    from wtb.execution import NodeRecord as NodeRecord
    from wtb.files import FileChange as FileChange
    from wtb.files import FileEntry as FileEntry
    from wtb.files import FilesDiff as FilesDiff
    from wtb.ray import ActorLifecycleManager as ActorLifecycleManager
    from wtb.ray import ActorState as ActorState
    from wtb.ray import RayBatchTestRunner as RayBatchTestRunner
    from wtb.ray import RayConfig as RayConfig
    from wtb.ray import VariantExecutionActor as VariantExecutionActor
    from wtb.registry import register as register
    from wtb.runners import BatchTestRunner as BatchTestRunner
    from wtb.runners import ProcessBatchTestRunner as ProcessBatchTestRunner
    from wtb.runners import SequentialBatchTestRunner as SequentialBatchTestRunner
    from wtb.runners import ThreadPoolBatchTestRunner as ThreadPoolBatchTestRunner
    from wtb.variants import Variant as Variant
    from wtb.variants import grid as grid
    from wtb.workflow import Workflow as Workflow
    from wtb.workspace import Workspace as Workspace
    from wtb.workspace import WorkspaceRecord as WorkspaceRecord

_HOMES = {
    "ActorLifecycleManager": "wtb.ray",
    "ActorState": "wtb.ray",
    "RayBatchTestRunner": "wtb.ray",
    "RayConfig": "wtb.ray",
    "VariantExecutionActor": "wtb.ray",
    "AmbiguousIdError": "wtb.errors",
    "AuditTrail": "wtb.events",
    "Batch": "wtb.batch",
    "BatchBusyError": "wtb.errors",
    "BatchTest": "wtb.batch_test",
    "BatchTestRunner": "wtb.runners",
    "BatchTestStatus": "wtb.batch_test",
    "Case": "wtb.cases",
    "Comparison": "wtb.comparison",
    "ConfigurationError": "wtb.errors",
    "Divergence": "wtb.diff",
    "EvaluationEngine": "wtb.evaluation",
    "EvaluatorError": "wtb.errors",
    "Event": "wtb.events",
    "EventBus": "wtb.events",
    "Execution": "wtb.execution",
    "ExecutionDiff": "wtb.diff",
    "ExecutionFailedError": "wtb.errors",
    "ForkedProcessError": "wtb.errors",
    "GateError": "wtb.errors",
    "InvalidCaseError": "wtb.errors",
    "InvalidTransitionError": "wtb.errors",
    "NodeRecord": "wtb.execution",
    "CheckpointNotFoundError": "wtb.errors",
    "NotFoundError": "wtb.errors",
    "RunContext": "wtb.context",
    "Score": "wtb.evaluators",
    "ProcessBatchTestRunner": "wtb.runners",
    "SequentialBatchTestRunner": "wtb.runners",
    "StoreError": "wtb.errors",
    "StoreVersionError": "wtb.errors",
    "Subscription": "wtb.events",
    "TestBench": "wtb.bench",
    "ThreadPoolBatchTestRunner": "wtb.runners",
    "UnknownNodeError": "wtb.errors",
    "UnknownVariantError": "wtb.errors",
    "UnknownWorkflowError": "wtb.errors",
    "Variant": "wtb.variants",
    "VariantCombination": "wtb.batch_test",
    "Workflow": "wtb.workflow",
    "FileChange": "wtb.files",
    "FileEntry": "wtb.files",
    "FilesDiff": "wtb.files",
    "Workspace": "wtb.workspace",
    "WorkspaceError": "wtb.errors",
    "WorkspaceRecord": "wtb.workspace",
    "WorkflowImportError": "wtb.errors",
    "WorkflowNotBoundError": "wtb.errors",
    "WtbError": "wtb.errors",
    "__version__": "wtb._native",
    "current": "wtb.context",
    "evaluator": "wtb.evaluators",
    "grid": "wtb.variants",
    "load_cases": "wtb.cases",
    "log_metric": "wtb.context",
    "register": "wtb.registry",
}

__all__ = [*sorted(_HOMES), "evaluators"]


def __getattr__(name: str) -> Any:
    if name == "evaluators":
        return importlib.import_module("wtb.evaluators")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'wtb' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
