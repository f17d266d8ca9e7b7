"""What the calls of a bench take, where several of them take the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Required, TypedDict

from wtb._drive import ProgressLike
from wtb.cases import Case
from wtb.runners import BatchTestRunner
from wtb.variants import VariantLike
from wtb.workspace import WorkspaceLike

__all__ = ["Again", "BatchArguments", "ResumeArguments", "SingleArguments"]


class BatchArguments(TypedDict, total=False):
    """What a batch is made of; `TestBench.run_batch` says what each means."""

    variants: Required[Sequence[VariantLike]]
    test_cases: Required[Sequence[Case | Mapping[str, Any]]]
    evaluators: Sequence[Any]
    metric: str | None
    repeats: int
    runner: str | BatchTestRunner
    max_workers: int | None
    timeout: float | None
    retries: int
    backoff: float
    error: Literal["zero", "exclude", "fail"]
    fail_fast: bool | int | float | None
    limit: int | None
    window: int | None
    evaluator_timeout: float
    config: Mapping[str, Any] | None
    context: Any
    name: str | None
    seed: int
    checkpoints: Literal["step", "exit", "off"]
    breakpoints: Sequence[str]
    on_interrupt: Callable[..., Any] | str | None
    progress: ProgressLike
    isolation: Literal["fresh", "warm"] | None
    workspace: WorkspaceLike | None


class SingleArguments(TypedDict):
    """What a single execution is made of; `TestBench.run` says what each means."""

    variant: VariantLike | None
    config: Mapping[str, Any] | None
    context: Any
    timeout: float | None
    seed: int
    checkpoints: str
    breakpoints: Sequence[str]
    workspace: WorkspaceLike | None


class ResumeArguments(TypedDict, total=False):
    """How a batch is taken up; `TestBench.resume_batch` says what each means."""

    workflow: object
    variants: Sequence[VariantLike] | None
    evaluators: Sequence[Any] | None
    config: Mapping[str, Any] | None
    context: Any
    on_interrupt: Callable[..., Any] | str | None
    runner: str | BatchTestRunner | None
    max_workers: int | None
    progress: ProgressLike


class Again(NamedTuple):
    """What a program passes again of a stored batch; None leaves it to the store."""

    workflow: object = None
    variants: Sequence[VariantLike] | None = None
    evaluators: Sequence[Any] | None = None
    config: Mapping[str, Any] | None = None
    context: Any = None
    on_interrupt: Callable[..., Any] | str | None = None
