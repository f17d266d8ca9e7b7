"""The tables of an export: their columns, and the rows that an execution has in each.

Names, kinds and order of columns are stable: new ones are added at the end. `docs/export.md` lists
them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from wtb.errors import ConfigurationError, did_you_mean
from wtb.export._texts import plain_value

if TYPE_CHECKING:
    from wtb._records import ExecutionError, NodeRecord
    from wtb.execution import Execution

__all__ = ["TABLES", "Column", "Table", "chosen", "is_flaky"]

Kind = Literal["text", "integer", "number", "boolean", "time", "json"]
"""What a column holds, if it holds anything; "json" is a user value as JSON data."""

Row = Mapping[str, Any]

_INT64 = 2**63 - 1


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name.
        kind: What it holds.
    """

    name: str
    kind: Kind


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its name.
        columns: Its columns, in order.
        rows: Gives the rows of one execution.
    """

    name: str
    columns: Sequence[Column]
    rows: "Callable[[Execution], Iterator[Row]]"


def chosen(what: str | Sequence[str]) -> list[Table]:
    """Return the tables that are asked for.

    Args:
        what: A name, several, or "all".

    Raises:
        ConfigurationError: There is no table of that name, or none is named.
    """
    names = [what] if isinstance(what, str) else list(what)
    for name in names:
        if name == "all":
            continue
        if name not in TABLES:
            raise ConfigurationError(
                f"there is no table {name!r}. "
                f"{did_you_mean(str(name), [*TABLES, 'all'], listed_as='the tables')}"
            )
    if not names:
        raise ConfigurationError("what names no table: give one, several, or 'all'")
    return [TABLES[name] for name in (TABLES if "all" in names else dict.fromkeys(names))]


def is_flaky(execution: "Execution") -> bool:
    """Whether it succeeded after an attempt that failed or timed out."""
    if not execution.succeeded or execution.attempts_made < 2:
        return False
    return any(one.status in ("failed", "timed_out") for one in execution.attempts)


def _execution_rows(one: "Execution") -> Iterator[Row]:
    case = one._case
    yield {
        **_identity(one),
        "batch_id": one.batch_id,
        "workflow": one.workflow,
        "case_group": case and case[1],
        "case_tags": case and case[2],
        "seed": one.seed,
        "status": one.status,
        "attempts": one.attempts_made,
        "flaky": is_flaky(one),
        "dead_letter": one.dead_letter,
        "created_at": one.created_at,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "duration_s": one.duration_s,
        **_tokens(one.usage),
        **_error(one.error),
        "error_node": None if one.error is None else one.error.node,
        "scores": dict(one.scores),
        "metrics": dict(one.metrics),
        "input": plain_value(one.input),
        "expected": plain_value(one.expected),
        "output": plain_value(one.output),
        "warnings": list(one.warnings),
    }


def _node_rows(one: "Execution") -> Iterator[Row]:
    for node in one.nodes:
        yield {**_identity(one), **_node(node)}


def _node(node: "NodeRecord") -> Row:
    return {
        "attempt": node.attempt,
        "position": node.order,
        "node": node.node,
        "step": node.step,
        "status": node.status,
        "calls": node.calls,
        "started_at": node.started_at,
        "duration_s": node.duration_s,
        **_tokens(node.usage),
        **_error(node.error),
        "input": plain_value(node.input),
        "output": plain_value(node.output),
    }


def _score_rows(one: "Execution") -> Iterator[Row]:
    for score in one.score_records:
        names = ("value", "direction", "source", "version", "reason", "error")
        kept = {name: score[name] for name in names}
        yield {**_identity(one), "metric": score["name"], **kept}


def _usage_rows(one: "Execution") -> Iterator[Row]:
    for model, counts in one.usage.items():
        known = {name: _count(counts.get(name)) for name in ("calls", *_TOKENS)}
        detail = {name: part for name, part in counts.items() if name not in known}
        yield {**_identity(one), "model": model, **known, "detail": plain_value(detail)}


def _identity(one: "Execution") -> Row:
    return {
        "execution_id": one.id,
        "variant": one.variant,
        "case_id": one.case_id,
        "repeat": one.repeat,
    }


def _tokens(usage: Mapping[str, Any]) -> Row:
    """Return the tokens of all models by kind; None where no model told them."""
    sums: dict[str, int | None] = {}
    for name in _TOKENS:
        told = [_count(counts.get(name)) for counts in usage.values()]
        known = [count for count in told if count is not None]
        sums[name] = sum(known) if known else None
    return sums


def _count(value: object) -> int | None:
    """Return a count as a whole number; providers' own metadata may hold anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _INT64 else None


def _error(error: "ExecutionError | None") -> Row:
    if error is None:
        return {"error_type": None, "error_message": None, "error_traceback": None}
    return {
        "error_type": error.type,
        "error_message": error.message,
        "error_traceback": error.traceback,
    }


_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


def _columns(written: str) -> list[Column]:
    """Return columns from `name:kind` pairs."""
    pairs = (one.split(":") for one in written.split())
    return [Column(name, kind) for name, kind in pairs]  # type: ignore[arg-type]


_IDENTITY = "execution_id:text variant:text case_id:text repeat:integer "
_TOKEN_COLUMNS = "input_tokens:integer output_tokens:integer total_tokens:integer "
_ERROR_COLUMNS = "error_type:text error_message:text error_traceback:text "

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "executions",
            _columns(
                _IDENTITY + "batch_id:text workflow:text case_group:text case_tags:json "
                "seed:integer status:text attempts:integer flaky:boolean dead_letter:boolean "
                "created_at:time started_at:time finished_at:time duration_s:number "
                + _TOKEN_COLUMNS
                + _ERROR_COLUMNS
                + "error_node:text scores:json metrics:json input:json expected:json output:json "
                "warnings:json"
            ),
            _execution_rows,
        ),
        Table(
            "nodes",
            _columns(
                _IDENTITY + "attempt:integer position:integer node:text step:integer status:text "
                "calls:integer started_at:time duration_s:number "
                + _TOKEN_COLUMNS
                + _ERROR_COLUMNS
                + "input:json output:json"
            ),
            _node_rows,
        ),
        Table(
            "scores",
            _columns(
                _IDENTITY + "metric:text value:number direction:text source:text version:text "
                "reason:text error:text"
            ),
            _score_rows,
        ),
        Table(
            "usage",
            _columns(_IDENTITY + "model:text calls:integer " + _TOKEN_COLUMNS + "detail:json"),
            _usage_rows,
        ),
    )
}
"""The tables by name."""
