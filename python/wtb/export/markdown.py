"""Markdown for the summary of a CI job: the verdict first, then the figures it rests on.

It stays below the megabyte that a job's summary may have: every list has a bound, and so have the
texts of users in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb._comparison_words import legend, verdict
from wtb._figures import decimals_of, figure, interval, p_value, percent, plural
from wtb.export._escape import code, shown
from wtb.export.findings import Findings, find

if TYPE_CHECKING:
    from wtb.comparison import Comparison
    from wtb.export._source import StoredBatch

__all__ = ["markdown"]

VARIANTS_MAX = 100
"""So many variants are in the table."""

NAMED_MAX = 3
"""So many variants that cannot be told apart are named in the verdict."""

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
        f"**{verdict(comparison.to_dict(), mark=code, most=NAMED_MAX)}**",
        _counted(batch, found),
        "\n".join(_table(comparison)),
        *_regressions(comparison),
        *_failures(batch, found),
        *_warnings(comparison.warnings),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counted(batch: "StoredBatch", found: Findings) -> str:
    flaky = f" ({found.flaky} of them after a failed attempt)" if found.flaky else ""
    counts = [
        f"{count} {status.replace('_', ' ')}{flaky if status == 'succeeded' else ''}"
        for status, count in found.statuses.items()
    ]
    told = f": {', '.join(counts)}" if counts else ""
    return f"{plural(found.statuses.total(), 'execution')}{told}. Batch <code>{batch.id}</code>."


def _table(comparison: "Comparison") -> Iterator[str]:
    yield _row(name for name, _ in _HEAD)
    yield _row(alignment for _, alignment in _HEAD)
    lines = comparison.variants
    differences = (line["vs_baseline"]["difference"] for line in lines if line["vs_baseline"])
    decimals = decimals_of(line["mean"] for line in lines), decimals_of(differences)
    for line in lines[:VARIANTS_MAX]:
        yield _row(_cells(comparison, line, decimals))
    more = len(lines) - VARIANTS_MAX
    if more > 0:
        yield _row([f"and {more} more", *[""] * (len(_HEAD) - 1)])
    if comparison.metric is not None:
        correction = comparison.to_dict()["correction"].replace("_", "-")
        corrected = f"; p is corrected ({correction})" if len(lines) > 1 else ""
        yield ""
        yield (
            f"{legend(comparison.to_dict(), mark=code)}; intervals are at "
            f"{percent(comparison.confidence)} %{corrected}."
        )


def _cells(
    comparison: "Comparison", line: Mapping[str, Any], decimals: tuple[int, int]
) -> Iterator[str]:
    of_means, of_differences = decimals
    name = code(line["name"])
    yield f"**{name}**" if line["name"] == comparison.best else name
    yield figure(line["mean"], of_means)
    yield interval(line["ci_low"], line["ci_high"], of_means)
    against: Mapping[str, Any] = line["vs_baseline"] or {}
    yield figure(against.get("difference"), of_differences, signed=True)
    yield interval(against.get("ci_low"), against.get("ci_high"), of_differences, signed=True)
    yield p_value(against.get("p_adjusted")).replace("<", "&lt;")
    yield f"{against['wins']} / {against['ties']} / {against['losses']}" if against else ""
    yield f"{line['coverage'] * 100:.0f} %"
    yield str(line["errors"])


def _regressions(comparison: "Comparison") -> Iterator[str]:
    listed = comparison.to_dict()["regressions"]
    if not listed:
        return
    rows = [_row(("variant", "case", f"baseline {code(comparison.baseline or '')}", "variant's"))]
    rows.append(_row((":--", ":--", "--:", "--:")))
    decimals = decimals_of(one[name] for one in listed for name in ("baseline", "mean"))
    rows += [
        _row(
            (
                code(one["variant"]),
                code(one["case_id"]),
                figure(one["baseline"], decimals),
                figure(one["mean"], decimals),
            )
        )
        for one in listed
    ]
    against = (one["vs_baseline"] or {} for one in comparison.variants)
    lost = sum(one.get("losses", 0) for one in against)
    title = f"{plural(lost, 'result')} {'is' if lost == 1 else 'are'} worse than the baseline's"
    yield _details(title, rows, lost - len(listed))


def _failures(batch: "StoredBatch", found: Findings) -> Iterator[str]:
    count = found.statuses["failed"] + found.statuses["timed_out"]
    if not count:
        return
    rows = [_row(("variant", "case", "execution", "error")), _row((":--",) * 4)]
    for one in found.failures:
        case = code(f"{one.case_id}[{one.repeat}]" if batch.repeats > 1 else one.case_id)
        rows.append(_row((code(one.variant), case, code(one.execution_id), shown(one.error))))
    yield _details(f"{plural(count, 'execution')} failed", rows, count - len(found.failures))


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
