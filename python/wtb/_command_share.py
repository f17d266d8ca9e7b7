"""Performs the verbs that write a batch to files: `report` and `export`."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wtb import _native
from wtb._command_ground import Asked, opened, reading
from wtb._interrupt import cleaning_up
from wtb._staged import STDOUT, Staged
from wtb.errors import ConfigurationError
from wtb.export import Destination, destination, export_batch
from wtb.export._destination import BINARY, COMPARING, TABULAR, format_of

if TYPE_CHECKING:
    from wtb.bench import TestBench

__all__ = ["export", "report"]


def report(request: "_native.RequestRef", asked: Asked) -> int:
    """Write a batch as one HTML page."""
    from wtb.report import collect, write_report

    path = _named(asked["path"])

    def write(bench: "TestBench", files: Staged) -> None:
        chosen = {name: asked[name] for name in ("baseline", "metric")}
        found = collect(bench, asked["batch"], **chosen)
        file = files.open_output() if path is None else files.open(path)
        write_report(file, found, asked["title"])

    return _perform(request, asked, [path], write)


def export(request: "_native.RequestRef", asked: Asked) -> int:
    """Write a batch as tables, a report of tests, Markdown or a bundle."""
    destinations = _destinations(asked)
    for one in destinations:
        if one.path is None and one.kind in BINARY and os.isatty(STDOUT):
            raise ConfigurationError(
                f"{one.kind} is no text for a terminal: send it to a file or to a program"
            )

    def write(bench: "TestBench", files: Staged) -> None:
        export_batch(files, bench, asked["batch"], destinations)

    return _perform(request, asked, [one.path for one in destinations], write)


def _perform(
    request: "_native.RequestRef",
    asked: Asked,
    paths: Sequence[Path | None],
    write: "Callable[[TestBench, Staged], None]",
) -> int:
    """Write files, and say which."""
    output = asked["output"]
    to_output = None in paths
    if to_output and output["json"]:
        raise ConfigurationError(
            "`--json` prints which files were written, and `-o -` writes one in its place: "
            "leave one of them away"
        )
    try:
        with cleaning_up(), opened(asked) as bench:
            with Staged() as files, reading(request):
                write(bench, files)
            if to_output or (output["quiet"] and not output["json"]):
                return 0
            return request.render(bench._core.engine, _written(files.paths))
    except BrokenPipeError:
        # As of all that the command prints: who has read enough is content.
        return 0


def _destinations(asked: Asked) -> list[Destination]:
    """Return where to write, each with those of the options that its format takes."""
    # A metric that stands in the environment is for those formats that compare.
    flags = {**asked, "metric": _unless_setting(asked)}
    kinds = []
    for one in asked["destinations"]:
        path = _named(one["path"])
        kinds.append((path, format_of(path, one["format"])))
    for name, default, formats in (
        ("what", ["executions"], TABULAR),
        ("baseline", None, COMPARING),
        ("metric", None, COMPARING),
    ):
        if flags[name] != default and not any(kind in formats for _, kind in kinds):
            raise ConfigurationError(
                f"--{name} is for {', '.join(formats)}, and nothing of that is written"
            )
    return [
        destination(
            path,
            kind,
            asked["what"] if kind in TABULAR else "executions",
            asked["baseline"] if kind in COMPARING else None,
            asked["metric"] if kind in COMPARING else None,
        )
        for path, kind in kinds
    ]


def _unless_setting(asked: Asked) -> str | None:
    """Return the metric that the command line names."""
    metric: str | None = asked["metric"]
    return None if metric == asked["output"]["metric"] else metric


def _named(path: str) -> Path | None:
    """Return the file that is meant; None for standard output, which is called `-`."""
    return None if path == os.path.join(os.getcwd(), "-") else Path(path)


def _written(paths: Iterable[Path]) -> str:
    files = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]
    return json.dumps({"written": files})
