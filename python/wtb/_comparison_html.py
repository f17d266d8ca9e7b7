"""A comparison as HTML for notebooks: a table with intervals drawn beside their figures."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wtb._comparison_words import legend, verdict
from wtb._figures import NONE, decimals_of, duration, figure, interval, p_value, percent

__all__ = ["render"]

WIDTH = 160
"""Width of a drawn interval in pixels."""


def render(data: Mapping[str, Any]) -> str:
    """Return a comparison's plain data as an HTML fragment without scripts or outside parts."""
    names = [name for name, _ in data["metrics"]]
    confidence = f"{percent(data['confidence'])} %"
    head = ["", "variant", *names[:1]]
    if names:
        head += [f"{confidence} interval", "P(best)"]
    head += ["difference", f"{confidence} interval", "p", "won/tied/lost", *names[1:]]
    head += ["n", "coverage", "errors", "median", "p95"]
    cells = "".join(f"<th scope='col'>{html.escape(text)}</th>" for text in head)
    table = _Table(data)
    rows = "".join(table.row(line) for line in data["variants"])
    notes = "".join(f"<li>{html.escape(text)}</li>" for text in data["warnings"])
    return (
        f"<table><caption>{html.escape(verdict(data))}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{rows}</tbody></table><p>{html.escape(legend(data))}</p><ul>{notes}</ul>"
    )


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


class _Table:
    """The rows of a comparison, whose columns share their scale and their decimals."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        lines = data["variants"]
        self._data = data
        self._names = [name for name, _ in data["metrics"]]
        self._scale = _Scale(lines)
        self._decimals = decimals_of(line["mean"] for line in lines)
        self._decimals_against = decimals_of(
            line["vs_baseline"]["difference"] for line in lines if line["vs_baseline"]
        )
        self._decimals_of = {
            name: decimals_of(line["metrics"].get(name) for line in lines) for name in self._names
        }

    def row(self, line: Mapping[str, Any]) -> str:
        """Return the row of a variant."""
        name = html.escape(line["name"])
        if line["name"] == self._data["best"]:
            name = f"<strong>{name}</strong>"
        star = "*" if line["name"] in self._data["best_set"] else ""
        row = "".join(f"<td>{cell}</td>" for cell in self._cells(line))
        header = f"<th scope='row' style='text-align:left'>{name}</th>"
        return f"<tr><td>{star}</td>{header}{row}</tr>"

    def _cells(self, line: Mapping[str, Any]) -> Iterator[str]:
        if self._names:
            yield figure(line["mean"], self._decimals)
            yield self._interval(line)
            yield figure(line["p_best"], 2)
        versus = line["vs_baseline"] or {}
        decimals = self._decimals_against
        yield figure(versus.get("difference"), decimals, signed=True)
        yield interval(versus.get("ci_low"), versus.get("ci_high"), decimals, signed=True)
        yield html.escape(p_value(versus.get("p_adjusted")))
        yield f"{versus['wins']}/{versus['ties']}/{versus['losses']}" if versus else NONE
        for metric in self._names[1:]:
            yield figure(line["metrics"].get(metric), self._decimals_of[metric])
        yield str(line["n"])
        yield f"{line['coverage']:.0%}"
        yield str(line["errors"])
        durations = line["duration_s"] or {}
        yield duration(durations.get("median"))
        yield duration(durations.get("p95"))

    def _interval(self, line: Mapping[str, Any]) -> str:
        text = interval(line["ci_low"], line["ci_high"], self._decimals)
        if line["ci_low"] is None:
            return f"<span title='{html.escape(line['method'])}'>{text}</span>"
        low, high, mean = (self._scale(line[key]) for key in ("ci_low", "ci_high", "mean"))
        return (
            f"<svg width='{WIDTH}' height='12' role='img' aria-label='{text}'>"
            f"<line x1='{low}' x2='{high}' y1='6' y2='6' stroke='currentColor' stroke-width='2'/>"
            f"<circle cx='{mean}' cy='6' r='4' fill='currentColor'/></svg><br>{text}"
        )
