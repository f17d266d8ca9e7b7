"""Markdown for the summary of a CI job: the verdict first, then the figures it rests on.

It stays below the megabyte that a job's summary may have: every list has a bound, and so have the
texts of users in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb.export._escape import code, shown
from wtb.export.findings import Findings, find

if TYPE_CHECKING:
    from wtb.comparison import Comparison
    from wtb.export._source import StoredBatch

__all__ = ["markdown", "verdict"]

VARIANTS_MAX = 100
"""So many variants are in the table."""

WARNINGS_MAX = 20
"""So many warnings are listed."""

_HEAD = (
    ("variant", ":--"),
    ("mean", "--:"),
    ("interval", ":-:"),
    ("difference", "--:"),
    ("interval", ":-:"),
    ("p", "--:"),
    ("won / tied / lost", ":-:"),
    ("coverage", "--:"),
    ("errors", "--:"),
)


def markdown(batch: "StoredBatch", comparison: "Comparison") -> str:
    """Return the report."""
    found = find(batch)
    title = batch.data["name"] or batch.data["workflow"]
    parts = [
        f"### {shown(title)}",
        verdict(comparison),
        _counted(batch, found),
        "\n".join(_table(comparison)),
        *_regressions(comparison),
        *_failures(batch, found),
        *_warnings(comparison.warnings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(comparison: "Comparison") -> str:
    """Return the one sentence that says what was found."""
    if comparison.metric is None:
        return "**Nothing can be compared**: no execution has a score."
    metric = code(comparison.metric)
    if len(comparison.variants) == 1:
        line = comparison.variants[0]
        return f"{code(line['name'])} has a mean {metric} of **{_interval(line)}**."
    if comparison.best is not None:
        best = comparison[comparison.best]
        return f"**{code(best['name'])} is the best variant** by {metric}: {_interval(best)}."
    if comparison.leader is None:
        return f"**No variant is best** by {metric}: too little of it is known."
    rivals = [code(one) for one in comparison.best_set if one != comparison.leader]
    named = ", ".join(rivals[:3]) + (f" and {len(rivals) - 3} more" if len(rivals) > 3 else "")
    why = f"cannot be told from {named}" if rivals else "may owe it to chance"
    return (
        f"**No variant is defensibly best**: {code(comparison.leader)} has the best mean {metric}, "
        f"and {why} at {comparison.confidence * 100:g} %."
    )


def _counted(batch: "StoredBatch", found: Findings) -> str:
    flaky = f" ({found.flaky} of them after a failed attempt)" if found.flaky else ""
    counts = [
        f"{count} {status.replace('_', ' ')}{flaky if status == 'succeeded' else ''}"
        for status, count in found.statuses.items()
    ]
    told = f": {', '.join(counts)}" if counts else ""
    return f"{found.statuses.total()} executions{told}. Batch <code>{batch.id}</code>."


def _table(comparison: "Comparison") -> Iterator[str]:
    yield _row(name for name, _ in _HEAD)
    yield _row(alignment for _, alignment in _HEAD)
    for line in comparison.variants[:VARIANTS_MAX]:
        yield _row(_cells(comparison, line))
    more = len(comparison.variants) - VARIANTS_MAX
    if more > 0:
        yield _row([f"and {more} more", *[""] * (len(_HEAD) - 1)])
    if comparison.baseline is not None and len(comparison.variants) > 1:
        yield ""
        correction = comparison.to_dict()["correction"].replace("_", "-")
        yield (
            f"Differences are to {code(comparison.baseline)}, case by case; intervals are at "
            f"{comparison.confidence * 100:g} %, p is corrected ({correction}), "
            f"{'larger' if comparison.direction == 'max' else 'smaller'} is better."
        )


def _cells(comparison: "Comparison", line: Mapping[str, Any]) -> Iterator[str]:
    name = code(line["name"])
    yield f"**{name}**" if line["name"] == comparison.best else name
    yield _number(line["mean"])
    yield _range(line)
    against: Mapping[str, Any] = line["vs_baseline"] or {}
    yield _number(against.get("difference"), sign=True)
    yield _range(against)
    yield _number(against.get("p_adjusted"))
    yield f"{against['wins']} / {against['ties']} / {against['losses']}" if against else ""
    yield f"{line['coverage'] * 100:.0f} %"
    yield str(line["errors"])


def _regressions(comparison: "Comparison") -> Iterator[str]:
    listed = comparison.to_dict()["regressions"]
    if not listed:
        return
    rows = [_row(("variant", "case", f"baseline {code(comparison.baseline or '')}", "variant's"))]
    rows.append(_row((":--", ":--", "--:", "--:")))
    rows += [
        _row(
            (
                code(one["variant"]),
                code(one["case_id"]),
                *map(_number, (one["baseline"], one["mean"])),
            )
        )
        for one in listed
    ]
    against = (one["vs_baseline"] or {} for one in comparison.variants)
    lost = sum(one.get("losses", 0) for one in against)
    title = f"{lost} {'result is' if lost == 1 else 'results are'} worse than the baseline's"
    yield _details(title, rows, lost - len(listed))


def _failures(batch: "StoredBatch", found: Findings) -> Iterator[str]:
    count = found.statuses["failed"] + found.statuses["timed_out"]
    if not count:
        return
    rows = [_row(("variant", "case", "execution", "error")), _row((":--",) * 4)]
    for one in found.failures:
        case = code(f"{one.case_id}[{one.repeat}]" if batch.repeats > 1 else one.case_id)
        rows.append(_row((code(one.variant), case, code(one.execution_id), shown(one.error))))
    yield _details(f"{count} executions failed", rows, count - len(found.failures))


def _details(title: str, rows: Sequence[str], more: int) -> str:
    rest = f"\n\nand {more} more" if more > 0 else ""
    table = "\n".join(rows)
    return f"<details>\n<summary>{title}</summary>\n\n{table}{rest}\n\n</details>"


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if not warnings:
        return
    lines = [f"- {shown(one)}" for one in warnings[:WARNINGS_MAX]]
    if len(warnings) > WARNINGS_MAX:
        lines.append(f"- and {len(warnings) - WARNINGS_MAX} more")
    yield "**Before you believe it:**\n\n" + "\n".join(lines)


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _interval(line: Mapping[str, Any]) -> str:
    return f"{_number(line['mean'])} {_range(line)}".strip()


def _range(line: Mapping[str, Any]) -> str:
    low, high = line.get("ci_low"), line.get("ci_high")
    return "" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _number(value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    # As many digits as tell something, and no exponent where numbers are of a usual size.
    return f"{value:{'+' if sign else ''}.4g}"
