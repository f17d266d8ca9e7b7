"""Variants side by side, as the engine computed them."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Comparison"]


class Comparison:
    """Variants side by side: means, coverage, errors and durations.

    Means alone: no intervals and no tests are computed yet, and `warnings` says so. `best` is the
    one variant with the best mean, not one that is proven to be better.

    Attributes:
        metric: The primary metric; None when no execution has a score.
        direction: "max" when larger is better, "min" when smaller is.
        baseline: The variant that others are measured against.
        best: The one variant with the best mean; None when there is none or several share it.
        best_set: All variants that share the best mean.
        variants: One mapping for each variant, in the batch's order; see `to_dict`.
        warnings: What to know before believing any of it.
    """

    def __init__(self, data: Mapping[str, Any], text: str) -> None:
        self._data = dict(data)
        self._text = text
        self.metric: str | None = data["metric"]
        self.direction: str = data["direction"]
        self.baseline: str | None = data["baseline"]
        self.best: str | None = data["best"]
        self.best_set: Sequence[str] = data["best_set"]
        self.variants: Sequence[Mapping[str, Any]] = data["variants"]
        self.warnings: Sequence[str] = data["warnings"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: metric, direction, best, variants, warnings."""
        return dict(self._data)

    def __getitem__(self, variant: str) -> Mapping[str, Any]:
        """Return one variant's line.

        Raises:
            KeyError: There is no variant of that name; the text lists those that there are.
        """
        for line in self.variants:
            if line["name"] == variant:
                return line
        raise KeyError(
            f"no variant {variant!r}; there are {[one['name'] for one in self.variants]}"
        )

    @classmethod
    def parse(cls, data: str, text: str) -> "Comparison":
        """Read what the engine computed, and the table that it rendered."""
        return cls(json.loads(data), text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return (
            f"<Comparison of {len(self.variants)} variants by {self.metric or 'nothing'}, "
            f"best: {self.best}>"
        )

    def _repr_html_(self) -> str:
        names = [name for name, _ in self._data["metrics"]]
        head = "".join(
            f"<th>{html.escape(text)}</th>"
            for text in ("variant", *names, "coverage", "errors", "median s", "p95 s")
        )
        rows = "".join(self._html_row(line, names) for line in self.variants)
        notes = "".join(f"<li>{html.escape(text)}</li>" for text in self.warnings)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><ul>{notes}</ul>"

    def _html_row(self, line: Mapping[str, Any], names: Sequence[str]) -> str:
        name = html.escape(line["name"])
        if line["name"] == self.best:
            name = f"<strong>{name} (best mean)</strong>"
        durations = line["duration_s"] or {}
        cells = [
            *(_number(line["metrics"].get(metric)) for metric in names),
            f"{line['coverage']:.0%}",
            str(line["errors"]),
            _number(durations.get("median")),
            _number(durations.get("p95")),
        ]
        return (
            f"<tr><td style='text-align:left'>{name}</td>"
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
