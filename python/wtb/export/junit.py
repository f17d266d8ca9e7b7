"""JUnit XML in Jenkins' dialect: a suite for each variant, a test case for each case and repeat.

What failed or timed out is a failure; what has no outcome is skipped. Attempts before a success
are `flakyFailure`s; after a failure, the first one is the `failure` and later ones are
`rerunFailure`s, as Maven's Surefire writes them. Scores are properties of their test cases.
"""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from wtb._records import when
from wtb.export._xml import element, opening

if TYPE_CHECKING:
    from wtb._records import Attempt, ExecutionError
    from wtb.execution import Execution
    from wtb.export._source import StoredBatch

__all__ = ["write_junit"]

SUITE_BYTES_MAX = 16 * 2**20
"""A suite that takes more is kept in a temporary file until its head is known, not in memory."""

QUESTION_CHARACTERS_MAX = 1_000
"""The questions of an interrupted execution are cut to so many characters."""

DISAGREES = "repeats_disagree"
"""The property that names the metrics, 0 or 1, in which a case's repeats differ."""


def write_junit(file: IO[bytes], batch: "StoredBatch") -> None:
    """Write the report."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    with tempfile.SpooledTemporaryFile(SUITE_BYTES_MAX) as suites:
        of_variants = {name: Counter[str]() for name in batch.variants}
        for name, executions in itertools.groupby(batch.executions(), lambda one: one.variant):
            seconds += _write_suite(suites, batch, name, executions, of_variants[name])
        for own in of_variants.values():
            counts.update(own)
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
        name = batch.data["name"] or batch.data["workflow"]
        attributes = {"name": name, "time": f"{seconds:.6f}", **_counted(counts)}
        # The dialect has no count of skipped ones here.
        del attributes["skipped"]
        file.write(f"{opening('testsuites', attributes)}\n".encode())
        _copy(suites, file)
        file.write(b"</testsuites>\n")


def _write_suite(
    file: IO[bytes],
    batch: "StoredBatch",
    variant: str,
    executions: "Iterator[Execution]",
    counts: Counter[str],
) -> float:
    """Write the suite of a variant; returns how long its executions took, in seconds."""
    seconds = 0.0
    with tempfile.SpooledTemporaryFile(SUITE_BYTES_MAX) as cases:
        for _, of_case in itertools.groupby(executions, lambda one: one.case_id):
            repeats = list(of_case)
            disagreeing = _disagreeing(repeats)
            for one in repeats:
                seconds += one.duration_s or 0.0
                counts["tests"] += 1
                counts["failures"] += one.status in _FAILED
                counts["skipped"] += one.status in _SKIPPED
                for line in _test_case(batch, one, disagreeing):
                    cases.write(f"{line}\n".encode())
        started = when(batch.data["started_at"])
        attributes = {
            "name": variant,
            **_counted(counts),
            "time": f"{seconds:.6f}",
            "timestamp": None if started is None else started.strftime("%Y-%m-%dT%H:%M:%S"),
            "package": batch.data["workflow"],
        }
        file.write(f"{opening('testsuite', attributes)}\n".encode())
        properties = {"batch": batch.id, "workflow": batch.data["workflow"]}
        file.write(("\n".join(_properties(properties)) + "\n").encode())
        _copy(cases, file)
        file.write(b"</testsuite>\n")
    return seconds


def _test_case(batch: "StoredBatch", one: "Execution", disagreeing: Sequence[str]) -> Iterator[str]:
    name = f"{one.case_id}[{one.repeat}]" if batch.repeats > 1 else one.case_id
    yield opening(
        "testcase",
        {
            "name": name,
            "classname": f"{one.workflow}.{one.variant}",
            "time": f"{one.duration_s or 0.0:.6f}",
        },
    )
    properties = {"execution": one.id, "status": one.status}
    properties |= {f"score:{metric}": repr(value) for metric, value in one._counted.items()}
    for score in one.score_records:
        if score["error"] is not None:
            properties[f"score_error:{score['name']}"] = score["error"]
    if disagreeing:
        properties[DISAGREES] = ", ".join(disagreeing)
    yield from _properties(properties)
    yield from _outcome(one)
    yield "</testcase>"


def _outcome(one: "Execution") -> Iterator[str]:
    if one.status in _SKIPPED:
        yield element("skipped", {"message": _why_skipped(one)})
        return
    failed = [attempt for attempt in one.attempts if attempt.status in _FAILED]
    if one.status not in _FAILED:
        yield from (_rerun("flakyFailure", attempt) for attempt in failed)
        return
    first = failed[0].error if failed else one.error
    yield element("failure", _told(first, one.status), _trace(first))
    yield from (_rerun("rerunFailure", attempt) for attempt in failed[1:])
    if one.stdout:
        yield element("system-out", text=one.stdout)
    if one.stderr:
        yield element("system-err", text=one.stderr)


def _rerun(kind: str, attempt: "Attempt") -> str:
    error = attempt.error
    inner = element("stackTrace", text=_trace(error)) if _trace(error) else ""
    return f"{opening(kind, _told(error, attempt.status))}{inner}</{kind}>"


def _told(error: "ExecutionError | None", status: str) -> Mapping[str, str]:
    if error is None:
        return {"type": status, "message": ""}
    where = f"node {error.node!r}: " if error.node else ""
    return {"type": error.type, "message": f"{where}{error.message}"}


def _trace(error: "ExecutionError | None") -> str:
    if error is None:
        return ""
    return error.traceback or str(error)


def _why_skipped(one: "Execution") -> str:
    if one.status != "interrupted":
        return _SKIPPED[one.status]
    asked = "; ".join(repr(question.value) for question in one.interrupts)
    asked = asked[:QUESTION_CHARACTERS_MAX]
    return f"{_SKIPPED[one.status]}: {asked}" if asked else _SKIPPED[one.status]


def _disagreeing(repeats: "Sequence[Execution]") -> list[str]:
    """Return the metrics that are 0 in some repeats and 1 in others, and nothing else."""
    found: dict[str, set[float]] = {}
    for one in repeats:
        for metric, value in one._counted.items():
            found.setdefault(metric, set()).add(value)
    return [metric for metric, values in found.items() if values == {0.0, 1.0}]


def _properties(properties: Mapping[str, str]) -> Iterator[str]:
    yield "<properties>"
    for name, value in properties.items():
        yield element("property", {"name": name, "value": value})
    yield "</properties>"


def _counted(counts: Counter[str]) -> dict[str, str | int | None]:
    kinds = ("tests", "failures", "errors", "skipped")
    return {kind: counts[kind] for kind in kinds}


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(0)
    while piece := source.read(2**20):
        target.write(piece)


_FAILED = ("failed", "timed_out")

_SKIPPED = {
    "queued": "not run",
    "running": "still running",
    "cancelled": "cancelled",
    "paused": "paused",
    "interrupted": "interrupted by a question",
}
"""Why an execution of a status is skipped."""
