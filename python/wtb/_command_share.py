"""Performs the verbs that write a batch to files: `report` and `export`."""

import json
from collections.abc import Iterable
from pathlib import Path

from wtb import _native
from wtb._command_ground import Asked, opened, reading

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
            for destination in asked["destinations"]:
                paths += bench.export(
                    asked["batch"],
                    destination["path"],
                    format=destination["format"],
                    what=asked["what"],
                    baseline=asked["baseline"],
                    metric=asked["metric"],
                )
        return request.render(bench._core.engine, _written(paths))


def _written(paths: Iterable[Path]) -> str:
    files = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]
    return json.dumps({"written": files})
