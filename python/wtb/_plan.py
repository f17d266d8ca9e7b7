"""From the arguments of a bench call to what the engine takes: checks, units, serialised cases."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtb import _values
from wtb.errors import ConfigurationError
from wtb.variants import Variant
from wtb.workflow import Workflow

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import CaseTuple
    from wtb.cases import Case
    from wtb.evaluators import Evaluator
    from wtb.execution import Execution
    from wtb.runners import BatchTestRunner

DEFAULT_WORKERS = 8
WINDOW_PER_WORKER = 4
WINDOW_MIN = 16
SEED_MAX = 2**32 - 1


def store_url(store: str | Path | None) -> str:
    """Return the address of a store given as a directory, a file, a URL, or not at all."""
    if isinstance(store, str) and "://" in store:
        return store
    path = Path(store) if store is not None else Path(".wtb")
    if path.suffix not in (".db", ".sqlite", ".sqlite3"):
        path = path / "wtb.db"
    return f"sqlite:///{os.path.abspath(path)}"


def check_checkpoints(checkpoints: str) -> None:
    """Refuse what is not built."""
    if checkpoints != "off":
        raise ConfigurationError(
            f"checkpoints={checkpoints!r}: checkpoints are not built yet; pass checkpoints='off'"
        )


def warn_of_inline_timeout(runner: "BatchTestRunner", timeout: float | None) -> None:
    """Say what a timeout means to the runner that cannot enforce it."""
    if runner.kind == "inline" and timeout is not None:
        warnings.warn(
            "the inline runner notices a timeout between two nodes only; a node that hangs hangs "
            "the program. The thread runner ends the attempt at its deadline",
            RuntimeWarning,
            stacklevel=4,
        )


def worker_count(runner: "BatchTestRunner", asked: int | None) -> int:
    """Return how many attempts run at once."""
    if asked is not None and asked < 1:
        raise ConfigurationError(f"max_workers has to be at least 1, not {asked}")
    return runner.max_workers or asked or DEFAULT_WORKERS


def checked_seed(seed: int) -> int:
    """Return a seed that every random number generator takes."""
    if not isinstance(seed, int) or not 0 <= seed <= SEED_MAX:
        raise ConfigurationError(f"seed has to be an integer from 0 to 2**32 - 1, not {seed!r}")
    return seed


def milliseconds(seconds: float | None, what: str) -> int | None:
    """Return seconds as whole milliseconds, at least one."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise ConfigurationError(f"{what} is a number of seconds above 0, not {seconds!r}")
    return max(1, round(seconds * 1000))


def limited(cases: "list[Case]", limit: int | None) -> "list[Case]":
    """Return the first `limit` cases."""
    if limit is None:
        return cases
    if limit < 1:
        raise ConfigurationError(f"limit has to be at least 1, not {limit}")
    return cases[:limit]


def batch_spec(
    kind: str,
    workers: int,
    evaluators: "Sequence[Evaluator]",
    evaluator_timeout: float,
    *,
    front: Mapping[str, Any],
    metric: str | None = None,
    repeats: int = 1,
    timeout: float | None = None,
    retries: int = 0,
    backoff: float = 0.5,
    error: str = "zero",
    fail_fast: bool | int | float | None = None,
    window: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return what is asked of a batch, as the engine keeps it.

    Raises:
        ConfigurationError: A setting cannot work.
    """
    for what, value, least in (("repeats", repeats, 1), ("retries", retries, 0)):
        if not isinstance(value, int) or value < least:
            raise ConfigurationError(f"{what} is a whole number of at least {least}, not {value!r}")
    if error not in ("zero", "exclude", "fail"):
        raise ConfigurationError(f"error is 'zero', 'exclude' or 'fail', not {error!r}")
    if window is not None and window < 1:
        raise ConfigurationError(f"window has to be at least 1, not {window}")
    if not backoff >= 0:
        raise ConfigurationError(f"backoff is a number of seconds of at least 0, not {backoff!r}")
    return {
        "repeats": repeats,
        "seed": checked_seed(seed),
        "runner": kind,
        "max_workers": workers,
        "timeout_ms": milliseconds(timeout, "timeout"),
        "retries": retries,
        "backoff": {
            "initial_ms": min(round(backoff * 1000), 60_000),
            "factor": 2.0,
            "max_ms": 60_000,
            "jitter": 0.5,
        },
        "fail_fast": _fail_fast(fail_fast),
        "error": error,
        "metric": metric,
        "evaluators": [one.describe() for one in evaluators],
        "window": window or max(WINDOW_MIN, WINDOW_PER_WORKER * workers),
        "front": {**front, "evaluator_timeout": evaluator_timeout},
    }


def case_rows(cases: "Sequence[Case]") -> "list[CaseTuple]":
    """Return cases with their values serialised.

    Raises:
        ConfigurationError: A value cannot be serialised: the case could not be run again.
    """
    rows: list[CaseTuple] = []
    for case in cases:
        refused: list[str] = []
        given = _values.dump(case.input, f"the input of case {case.id!r}", refused)
        expected = (
            None
            if case.expected is None
            else _values.dump(case.expected, f"what case {case.id!r} expects", refused)
        )
        if refused:
            raise ConfigurationError(f"{refused[0]}; a case has to be stored to be run again")
        rows.append((case.id, case.group, list(case.tags), given, expected))
    return rows


def reference_of(given: object, workflow: Workflow) -> str | None:
    """Return the reference under which a later session finds the workflow again."""
    # A reference to a `Workflow` object brings its registered implementations with it.
    return given if isinstance(given, str) else workflow.reference


def name_of(variant: Variant) -> str:
    """Return a normalised variant's name."""
    return variant.name or "baseline"


def check_new_names(job: "Job", variants: Sequence[Variant], cases: "Sequence[Case]") -> None:
    """Refuse variants and cases whose names a batch has already."""
    taken = {name_of(one) for one in job.variants} & {name_of(one) for one in variants}
    if taken:
        raise ConfigurationError(
            f"the batch has a variant {min(taken)!r} already; give the new one another name"
        )
    known = {one.id for one in job.cases} & {one.id for one in cases}
    if known:
        raise ConfigurationError(
            f"the batch has a case {min(known)!r} already; to run it more often add repeats"
        )


def is_retried(execution: "Execution", errors_only: bool) -> bool:
    """Whether `retry` runs an execution again."""
    if errors_only:
        return execution.status in ("failed", "timed_out", "cancelled")
    return execution.status not in ("queued", "running")


def _fail_fast(given: bool | int | float | None) -> dict[str, float] | None:
    if given is None or given is False:
        return None
    if given is True:
        return {"count": 1}
    if isinstance(given, int) and given >= 1:
        return {"count": given}
    if isinstance(given, float) and 0.0 < given < 1.0:
        return {"fraction": given}
    raise ConfigurationError(
        f"fail_fast is True, a number of errors from 1, or a share between 0 and 1, not {given!r}"
    )
