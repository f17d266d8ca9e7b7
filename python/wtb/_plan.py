"""From the arguments of a bench call to what the engine takes: checks, units, serialised cases."""

import math
import operator
import os
from collections.abc import Mapping, Sequence, Set
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wtb import _native, _values
from wtb._warn import warn_caller
from wtb.errors import ConfigurationError, NotFoundError, did_you_mean
from wtb.variants import Variant
from wtb.workflow import Workflow
from wtb.workspace import inputs_directory, workspace_spec

if TYPE_CHECKING:
    from wtb._job import Job
    from wtb._native import CaseTuple
    from wtb.cases import Case
    from wtb.evaluators import Evaluator
    from wtb.execution import Execution
    from wtb.runners import BatchTestRunner

DEFAULT_WORKERS = 8
LOSSES_MAX = 3
WINDOW_PER_WORKER = 4
WINDOW_MIN = 16
SEED_MAX = 2**32 - 1
COUNT_MAX = 2**31 - 1
SECONDS_MAX = 10**9
BACKOFF_MAX_S = 60
ERROR_POLICIES = ("zero", "exclude", "fail")
CHECKPOINTS = ("step", "exit", "off")


def store_url(store: str | Path | None) -> str:
    """Return the address of a store given as a directory, a file, a URL, or not at all."""
    if isinstance(store, str) and "://" in store:
        return store
    if store is None:
        store = ".wtb"
    if not isinstance(store, str | os.PathLike) or not os.fspath(store):
        raise ConfigurationError(
            f"store is a directory, a file, or a sqlite:/// or postgresql:// URL, not {store!r}; "
            "leave it out for the directory .wtb"
        )
    path = Path(store)
    if path.suffix not in (".db", ".sqlite", ".sqlite3"):
        path = path / "wtb.db"
    return f"sqlite:///{os.path.abspath(path)}"


def store_file(url: str) -> str | None:
    """Return the file of a store; None of one on a server."""
    if "://" in url and not url.startswith("sqlite:///"):
        return None
    return os.path.abspath(url.removeprefix("sqlite:///").partition("?")[0])


def objects_directory(object_store: str | Path | None) -> str | None:
    """Return the directory for large objects, if one is given."""
    if object_store is None:
        return None
    text = os.fspath(object_store) if isinstance(object_store, str | os.PathLike) else ""
    if not text or "://" in text:
        raise ConfigurationError(
            "object_store is a directory that all machines have under the same path, not "
            f"{object_store!r}; leave it out to keep large values where the store has them"
        )
    return os.path.abspath(text)


def workspaces_directory(store: str | Path | None) -> str:
    """Return where workspaces are made: beside a store in files, else in `.wtb`."""
    file = store_file(store_url(store))
    return os.path.abspath(".wtb/workspaces" if file is None else f"{file}/../workspaces")


def check_checkpoints(
    checkpoints: str, breakpoints: Sequence[str], on_interrupt: object, cases: "Sequence[Case]"
) -> None:
    """Refuse a mode that there is not, and without checkpoints what cannot do without them.

    Raises:
        ConfigurationError: See above.
    """
    if checkpoints not in CHECKPOINTS:
        raise ConfigurationError(
            f"checkpoints is {checkpoints!r}. "
            f"{did_you_mean(str(checkpoints), CHECKPOINTS, listed_as='it can be')}"
        )
    needing = {
        "breakpoints=": bool(breakpoints),
        "on_interrupt=": on_interrupt is not None,
        "answers of cases": any(case.answers is not None for case in cases),
    }
    for what, is_given in needing.items():
        if checkpoints == "off" and is_given:
            raise ConfigurationError(
                f"{what} need checkpoints to go on from: pass checkpoints='step' or 'exit'"
            )


def node_names(given: Sequence[str]) -> tuple[str, ...]:
    """Return names of nodes to stop before."""
    is_list = isinstance(given, Sequence | Set) and not isinstance(given, str)
    if not is_list or not all(isinstance(one, str) and one for one in given):
        raise ConfigurationError(f"breakpoints are a list of names of nodes, not {given!r}")
    return tuple(dict.fromkeys(given))


def check_progress(progress: object) -> None:
    """Refuse what cannot show a progress."""
    if progress is None or isinstance(progress, bool | _native.DisplayRef) or callable(progress):
        return
    raise ConfigurationError(
        f"progress is True, or a function that takes a Progress, not {progress!r}"
    )


def warn_of_inline_timeout(runner: "BatchTestRunner", timeout: float | None) -> None:
    """Say what a timeout means to the runner that cannot enforce it."""
    if runner.kind == "inline" and timeout is not None:
        warn_caller(
            "the inline runner notices a timeout between two nodes only; a node that hangs hangs "
            "the program. The thread runner ends the attempt at its deadline"
        )


def count(value: Any, what: str, least: int = 1, most: int = COUNT_MAX) -> int:
    """Return a whole number of things.

    Raises:
        ConfigurationError: It is no whole number, or out of bounds.
    """
    try:
        # numpy's integers have an index, floats have none.
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ConfigurationError(f"{what} is a whole number of at least {least}, not {value!r}")
    if number > most:
        raise ConfigurationError(f"{what} is at most {most}, not {number}")
    return number


def count_or_none(value: Any, what: str) -> int | None:
    """Return a whole number of things of at least one, or None."""
    return None if value is None else count(value, what)


def seconds(value: Any, what: str, *, zero: bool = False) -> float:
    """Return a number of seconds.

    Raises:
        ConfigurationError: It is no number, or out of bounds.
    """
    number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if math.isfinite(number) and (number > 0 or (zero and number == 0)):
        return min(number, SECONDS_MAX)
    bound = "of at least 0" if zero else "above 0"
    raise ConfigurationError(f"{what} is a number of seconds {bound}, not {value!r}")


def text_or_none(value: Any, what: str) -> str | None:
    """Return a text that is not empty, or None."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{what} is a text, not {value!r}")
    return storable(value, what)


def storable(text: str, what: str) -> str:
    """Return a text that can be stored as UTF-8.

    Raises:
        ConfigurationError: It holds lone surrogates.
    """
    if _values.printable(text) != text:
        raise ConfigurationError(f"{what}, {text!r}, holds characters that cannot be stored")
    return text


def findable(text: str, what: str) -> str:
    """Return a text that an id can be looked up by.

    Raises:
        NotFoundError: Nothing can have it, since it cannot be stored.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"the id of a {what} is a text, not {text!r}")
    if _values.printable(text) != text:
        raise NotFoundError(f"there is no {what} {text!r} in this store")
    return text


def worker_count(runner: "BatchTestRunner", asked: int | None) -> int:
    """Return how many attempts run at once: the runner's own number comes first."""
    asked = count_or_none(asked, "max_workers")
    own = count_or_none(runner.max_workers, "the runner's max_workers")
    if own and asked and own < asked:
        warn_caller(f"max_workers={asked} is more than the {runner.kind} runner has: {own} is used")
    return own or asked or DEFAULT_WORKERS


def checked_seed(seed: int) -> int:
    """Return a seed that every random number generator takes."""
    return count(seed, "seed", 0, SEED_MAX)


def milliseconds(value: float | None, what: str) -> int | None:
    """Return seconds as whole milliseconds, at least one."""
    return None if value is None else max(1, round(seconds(value, what) * 1000))


def limited(cases: "list[Case]", limit: int | None) -> "list[Case]":
    """Return the first `limit` cases."""
    return cases[: count_or_none(limit, "limit")]


def batch_spec(
    kind: str,
    workers: int,
    evaluators: "Sequence[Evaluator]",
    evaluator_timeout: float,
    *,
    front: Mapping[str, Any],
    checkpoints: str = "step",
    workspace: Mapping[str, Any] | None = None,
    metric: str | None = None,
    repeats: int = 1,
    timeout: float | None = None,
    retries: int = 0,
    backoff: float = 0.5,
    error: str = "zero",
    fail_fast: bool | int | float | None = None,
    window: int | None = None,
    seed: int = 0,
    losses_max: int = LOSSES_MAX,
    looks: int = 1,
) -> dict[str, Any]:
    """Return what is asked of a batch, as the engine keeps it.

    Raises:
        ConfigurationError: A setting cannot work.
    """
    if error not in ERROR_POLICIES:
        raise ConfigurationError(
            f"error is {error!r}. {did_you_mean(str(error), ERROR_POLICIES, listed_as='it can be')}"
        )
    return {
        "repeats": count(repeats, "repeats"),
        "losses_max": losses_max,
        "looks": count(looks, "looks"),
        "seed": checked_seed(seed),
        "runner": kind,
        "max_workers": workers,
        "timeout_ms": milliseconds(timeout, "timeout"),
        "retries": count(retries, "retries", 0),
        "backoff": {
            "initial_ms": round(min(seconds(backoff, "backoff", zero=True), BACKOFF_MAX_S) * 1000),
            "factor": 2.0,
            "max_ms": BACKOFF_MAX_S * 1000,
            "jitter": 0.5,
        },
        "fail_fast": _fail_fast(fail_fast),
        "error": error,
        "metric": text_or_none(metric, "metric"),
        "evaluators": [one.describe() for one in evaluators],
        "window": count_or_none(window, "window") or max(WINDOW_MIN, WINDOW_PER_WORKER * workers),
        "checkpoints": checkpoints,
        "workspace": workspace_spec(None) if workspace is None else workspace,
        "front": {**front, "evaluator_timeout": evaluator_timeout},
    }


def seconds_or_none(timeout_ms: int | None) -> float | None:
    """Return a stored time in seconds, if there is one."""
    return None if timeout_ms is None else timeout_ms / 1000


def case_rows(cases: "Sequence[Case]") -> "list[CaseTuple]":
    """Return cases with their values serialised.

    Raises:
        ConfigurationError: A value cannot be serialised: the case could not be run again.
    """
    rows: list[CaseTuple] = []
    for case in cases:
        for text in (case.id, case.group or "", *case.tags):
            storable(text, f"what names case {case.id!r}")
        refused: list[str] = []
        given = _values.dump(case.input, f"the input of case {case.id!r}", refused)
        expected = (
            None
            if case.expected is None
            else _values.dump(case.expected, f"what case {case.id!r} expects", refused)
        )
        answers = (
            None
            if case.answers is None
            else _values.dump(case.answers, f"the answers of case {case.id!r}", refused)
        )
        if refused:
            raise ConfigurationError(f"{refused[0]}; a case has to be stored to be run again")
        tags = list(case.tags)
        workspace = None
        if case.workspace is not None:
            workspace = inputs_directory(case.workspace, f"case {case.id!r}: ")
        rows.append((case.id, case.group, tags, given, expected, answers, workspace))
    return rows


def reference_of(given: object, workflow: Workflow) -> str | None:
    """Return the reference under which a later session finds the workflow again."""
    # A reference to a `Workflow` object brings its registered implementations with it.
    return given if isinstance(given, str) else workflow.reference


def name_of(variant: Variant) -> str:
    """Return a normalised variant's name."""
    return storable(variant.name or "baseline", "a variant's name")


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
    if isinstance(given, float):
        if 0.0 < given < 1.0:
            return {"fraction": given}
    elif isinstance(given, int) and 1 <= given <= COUNT_MAX:
        return {"count": given}
    raise ConfigurationError(
        f"fail_fast is True, a number of errors from 1, or a share between 0 and 1, not {given!r}"
    )
