"""A comparison as HTML for notebooks: a table with intervals drawn beside their figures."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["render"]

WIDTH = 160
"""Width of a drawn interval in pixels."""


def render(data: Mapping[str, Any]) -> str:
    """Return a comparison's plain data as an HTML fragment without scripts or outside parts."""
    names = [name for name, _ in data["metrics"]]
    percent = f"{data['confidence'] * 100:g} %"
    head = ["", "variant", *names[:1]]
    if names:
        head += [f"{percent} interval", "P(best)"]
    head += ["difference", f"{percent} interval", "p", "won/tied/lost", *names[1:]]
    head += ["n", "coverage", "errors", "median s", "p95 s"]
    cells = "".join(f"<th scope='col'>{html.escape(text)}</th>" for text in head)
    scale = _Scale(data["variants"])
    rows = "".join(_row(line, data, names, scale) for line in data["variants"])
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in data["warnings"])
    return (
        f"<table><caption>{html.escape(_verdict(data))}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{rows}</tbody></table><ul>{notes}</ul>"
    )


def _verdict(data: Mapping[str, Any]) -> str:
    looks = f" over all {data['looks']} looks" if data["looks"] > 1 else ""
    sure = f"at {data['confidence'] * 100:g} %{looks}"
    if data["best"] is not None:
        return f"best: {data['best']}, better than each other variant {sure}"
    if len(data["best_set"]) > 1:
        return f"no best: {', '.join(data['best_set'])} cannot be told apart {sure}"
    return "no best"


class _Scale:
    """Maps values to pixels, over all intervals of a comparison."""

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        keys = ("ci_low", "ci_high", "mean")
        values = [line[key] for line in lines for key in keys if line[key] is not None]
        self.low: float = min(values, default=0.0)
        self.high: float = max(values, default=1.0)

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return round(4 + (WIDTH - 8) * ((value - self.low) / span if span else 0.5), 1)


def _row(
    line: Mapping[str, Any], data: Mapping[str, Any], names: Sequence[str], scale: _Scale
) -> str:
    versus = line["vs_baseline"] or {}
    durations = line["duration_s"] or {}
    name = html.escape(line["name"])
    if line["name"] == data["best"]:
        name = f"<strong>{name}</strong>"
    cells = ["*" if line["name"] in data["best_set"] else ""]
    if names:
        cells += [_number(line["mean"]), _interval(line, scale), _number(line["p_best"])]
    cells += [
        _number(versus.get("difference"), signed=True),
        _ends(versus),
        _number(versus.get("p_adjusted")),
        f"{versus['wins']}/{versus['ties']}/{versus['losses']}" if versus else "-",
        *(_number(line["metrics"].get(metric)) for metric in names[1:]),
        str(line["n"]),
        f"{line['coverage']:.0%}",
        str(line["errors"]),
        _number(durations.get("median")),
        _number(durations.get("p95")),
    ]
    row = "".join(f"<td>{cell}</td>" for cell in cells[1:])
    header = f"<th scope='row' style='text-align:left'>{name}</th>"
    return f"<tr><td>{cells[0]}</td>{header}{row}</tr>"


def _interval(line: Mapping[str, Any], scale: _Scale) -> str:
    if line["ci_low"] is None:
        return f"<span title='{html.escape(line['method'])}'>-</span>"
    low, high, mean = (scale(line[key]) for key in ("ci_low", "ci_high", "mean"))
    text = _ends(line)
    return (
        f"<svg width='{WIDTH}' height='12' role='img' aria-label='{text}'>"
        f"<line x1='{low}' x2='{high}' y1='6' y2='6' stroke='currentColor' stroke-width='2'/>"
        f"<circle cx='{mean}' cy='6' r='4' fill='currentColor'/></svg><br>{text}"
    )


def _ends(figures: Mapping[str, Any]) -> str:
    if figures.get("ci_low") is None:
        return "-"
    return f"[{_number(figures['ci_low'])}, {_number(figures['ci_high'])}]"


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.4g}" if signed else f"{value:.4g}"
