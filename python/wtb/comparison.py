"""Variants side by side, as the engine computed them."""

import copy
import importlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wtb import _comparison_html
from wtb._figures import plural
from wtb.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas
    import polars

__all__ = ["Comparison"]


class Comparison:
    """Variants side by side: means with intervals, each against the baseline, and who is best.

    Attributes:
        metric: The primary metric; None when no execution has a score.
        direction: "max" when larger is better, "min" when smaller is.
        confidence: How sure intervals and findings are, as 0.95.
        baseline: The variant that others are measured against.
        best: The variant that is better than each other one, as far as chance can be excluded; None
            when there is no such.
        leader: The variant with the best mean, on the cases that all have; None without a contest.
        best_set: The variants that cannot be told apart from the one with the best mean.
        variants: One mapping for each variant, in the batch's order; see `to_dict`.
        effects: What the choices on the axes of a grid do, each averaged over the other axes.
        warnings: What to know before believing any of it.
    """

    def __init__(self, data: Mapping[str, Any], text: str) -> None:
        self._data: dict[str, Any] = dict(data)
        self._text = text
        self.metric: str | None = data["metric"]
        self.direction: str = data["direction"]
        self.confidence: float = data["confidence"]
        self.baseline: str | None = data["baseline"]
        self.best: str | None = data["best"]
        self.leader: str | None = data["leader"]
        self.best_set: Sequence[str] = data["best_set"]
        self.variants: Sequence[Mapping[str, Any]] = data["variants"]
        self.effects: Sequence[Mapping[str, Any]] = data["effects"]
        self.warnings: Sequence[str] = data["warnings"]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data; `docs/comparison.md` lists the keys."""
        return copy.deepcopy(self._data)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return a data frame with a row for each variant.

        What is against the baseline is in columns `vs_baseline.*`, means of metrics in `metrics.*`.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        frame: pandas.DataFrame = _library("pandas").DataFrame(self._rows())
        return frame

    def to_polars(self) -> "polars.DataFrame":
        """Return a polars data frame with a row for each variant, as `to_pandas` does.

        Raises:
            ConfigurationError: polars is not installed.
        """
        frame: polars.DataFrame = _library("polars").DataFrame(
            self._rows(), infer_schema_length=None
        )
        return frame

    def _rows(self) -> list[dict[str, Any]]:
        rows = [_flat(line) for line in self.variants]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return [{name: row.get(name) for name in columns} for row in rows]

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
        count = plural(len(self.variants), "variant")
        return f"<Comparison of {count} by {self.metric or 'nothing'}, best: {self.best}>"

    def _repr_html_(self) -> str:
        return _comparison_html.render(self._data)


def _flat(line: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a line with nested mappings as columns `outer.inner`; lists stay."""
    flat: dict[str, Any] = {}
    for key, value in line.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        elif not (value is None and key in _NESTED):
            flat[f"{prefix}{key}"] = value
    return flat


_NESTED = ("vs_baseline", "cross_check", "reliability", "variance", "tokens", "duration_s")
"""Keys whose values are mappings, if there are any."""


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(f"{name} is not installed: pip install {name}") from error
