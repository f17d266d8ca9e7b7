"""What a node can learn about the execution it runs in, and the metrics it can log.

The context travels in a context variable. LangGraph carries it into the threads and tasks that it
starts itself; a thread that a node starts has to be given `contextvars.copy_context()`.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from pathlib import Path
from typing import Literal, NamedTuple

__all__ = ["Direction", "Metric", "RunContext", "activate", "current", "log_metric"]

Direction = Literal["max", "min"]


class Metric(NamedTuple):
    """A number that the workflow logged, and whether more of it is better."""

    value: float
    direction: Direction


class RunContext:
    """The execution that the calling node belongs to.

    Outside an execution `current()` gives an inert one: `active` is false, the names are None, the
    numbers are 0, and metrics go nowhere, so a workflow runs unchanged without the bench.

    Attributes:
        active: Whether there is an execution at all.
        execution_id: Id of the execution.
        variant: Name of the variant.
        case_id: Id of the test case.
        repeat: Which repeat of the case this is, from 0.
        attempt: Which try of the execution this is, from 1.
        seed: Seed of this case and repeat; the same for every variant.
        workspace: The directory of the execution's private files; None if it has none. With the
            process runner it is the working directory, too; threads of one program share theirs.
    """

    __slots__ = (
        "_is_cancelled",
        "_lock",
        "_metrics",
        "active",
        "attempt",
        "case_id",
        "execution_id",
        "repeat",
        "seed",
        "variant",
        "workspace",
    )

    def __init__(
        self,
        *,
        execution_id: str | None = None,
        variant: str | None = None,
        case_id: str | None = None,
        repeat: int = 0,
        attempt: int = 0,
        seed: int = 0,
        workspace: Path | None = None,
        is_cancelled: Callable[[], bool] | None = None,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.active = execution_id is not None
        self.execution_id = execution_id
        self.variant = variant
        self.case_id = case_id
        self.repeat = repeat
        self.attempt = attempt
        self.seed = seed
        self.workspace = workspace
        self._is_cancelled = is_cancelled
        self._metrics: dict[str, Metric] = dict(metrics or {})
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether this execution should stop; a long node polls it and returns early."""
        return self._is_cancelled is not None and self._is_cancelled()

    @property
    def metrics(self) -> dict[str, Metric]:
        """A copy of what was logged so far, in the order of the first logging."""
        with self._lock:
            return dict(self._metrics)

    def log_metric(self, name: str, value: float, *, direction: Direction = "max") -> None:
        """Record a metric here; see the function `log_metric`."""
        metric = _checked_metric(name, value, direction)
        if not self.active:
            return
        with self._lock:
            known = self._metrics.get(name)
            if known is not None and known.direction != direction:
                raise ValueError(
                    f"metric {name!r} was logged with direction {known.direction!r} before "
                    f"and now with {direction!r}; a metric has one direction"
                )
            self._metrics[name] = metric

    def __repr__(self) -> str:
        if not self.active:
            return "RunContext(inactive)"
        return (
            f"RunContext({self.execution_id}, variant={self.variant!r}, case={self.case_id!r}, "
            f"repeat={self.repeat}, attempt={self.attempt})"
        )


_INACTIVE = RunContext()
_current: ContextVar[RunContext] = ContextVar("wtb_run_context", default=_INACTIVE)


def current() -> RunContext:
    """Return the context of the execution that the caller runs in, or the inert one.

    Example:
        >>> current().active
        False
    """
    return _current.get()


def log_metric(name: str, value: float, *, direction: Direction = "max") -> None:
    """Log a number about the execution that the caller runs in; the last value of a name stays.

    Outside an execution the value is checked and then dropped.

    Args:
        name: Name of the metric.
        value: A finite real number.
        direction: "max" when more is better, "min" when less is.

    Raises:
        ValueError: The value is not a finite real number, the name is empty, or the direction is
            unknown or differs from an earlier one of the same execution.
    """
    _current.get().log_metric(name, value, direction=direction)


@contextmanager
def activate(context: RunContext) -> Iterator[RunContext]:
    """Make `context` the current one inside the `with` block."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


def _checked_metric(name: str, value: float, direction: Direction) -> Metric:
    if not isinstance(name, str) or not name:
        raise ValueError(f"a metric needs a non-empty name, not {name!r}")
    if direction not in ("max", "min"):
        raise ValueError(f"metric {name!r}: direction is 'max' or 'min', not {direction!r}")
    # numpy's scalars of other widths than float64 are no subclasses of float, but they register
    # as Real.
    if not isinstance(value, Real):
        raise ValueError(f"metric {name!r} must be a real number, not {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"metric {name!r} must be finite, not {value!r}")
    return Metric(number, direction)
