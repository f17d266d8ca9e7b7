"""Performs the verbs that write a batch to files: `report` and `export`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wtb import _native
from wtb._command_ground import Asked, opened, reading
from wtb.errors import ConfigurationError
from wtb.export import COMPARING, TABULAR, format_of

__all__ = ["export", "report"]


def report(request: "_native.RequestRef", asked: Asked) -> int:
    """Write a batch as one HTML page."""
    with opened(asked) as bench:
        with reading(request):
            path = bench.report(
                asked["batch"],
                asked["path"],
                baseline=asked["baseline"],
                metric=asked["metric"],
                title=asked["title"],
            )
        return request.render(bench._core.engine, _written([path]))


def export(request: "_native.RequestRef", asked: Asked) -> int:
    """Write a batch as tables, a report of tests, Markdown or a bundle."""
    paths: list[Path] = []
    with opened(asked) as bench:
        with reading(request):
            for path, options in _destinations(asked):
                paths += bench.export(asked["batch"], path, **options)
        return request.render(bench._core.engine, _written(paths))


def _destinations(asked: Asked) -> list[tuple[Path, dict[str, Any]]]:
    """Return where to write, each with those of the options that its format takes."""
    found: list[tuple[Path, dict[str, Any]]] = []
    for destination in asked["destinations"]:
        path = Path(destination["path"])
        kind = format_of(path, destination["format"])
        options: dict[str, Any] = {"format": kind}
        if kind in TABULAR:
            options["what"] = asked["what"]
        if kind in COMPARING:
            options |= {"baseline": asked["baseline"], "metric": asked["metric"]}
        found.append((path, options))
    for name, default, formats in (
        ("what", ["executions"], TABULAR),
        ("baseline", None, COMPARING),
    ):
        if asked[name] != default and not any(one["format"] in formats for _, one in found):
            raise ConfigurationError(
                f"--{name} is for {', '.join(formats)}, and nothing of that is written"
            )
    return found


def _written(paths: Iterable[Path]) -> str:
    files = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]
    return json.dumps({"written": files})
