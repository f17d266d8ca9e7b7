"""One HTML file of a batch: the parts in `assets/` with the data in them, compressed.

The page runs no script and no style but its own, whose hashes its Content-Security-Policy names,
and may load nothing. Data is text of base64 in blocks that are not run; the script puts what users
wrote on the page as text only.
"""

import base64
import hashlib
import html
import json
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, BinaryIO

from wtb._comparison_words import verdict
from wtb.report.collect import Collected
from wtb.report.details import pieces
from wtb.report.overview import overview

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["write_report"]

SCRIPTS = (
    "data.js", "format.js", "dom.js", "figures.js", "matrix.js", "plots.js", "colours.js",
    "cells.js", "rows.js", "heatmap.js", "values.js", "path.js", "side.js", "panel.js", "main.js",
)  # fmt: skip
"""In the order in which they need each other; together they are one script."""


STYLES = ("colours.css", "page.css", "matrix.css", "heatmap.css", "panel.css", "media.css")


def write_report(file: BinaryIO, collected: Collected, title: str | None) -> None:
    """Write a report.

    Args:
        file: Where to.
        collected: The batch.
        title: What the page is called; by default as the batch.
    """
    for part in _parts(collected, title):
        file.write(part.encode("ascii"))


def _parts(collected: Collected, title: str | None) -> "Iterable[str]":
    """Yield the file's text; all of it is ASCII."""
    style, script = _style(), _script()
    details, cases = [], []
    for numbers, content in pieces(collected):
        cases.append(numbers)
        details.append(_packed(content))
    shown = overview(collected, title, cases)
    filled = {
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape(shown["title"]),
        "verdict": html.escape(verdict(collected.primary.to_dict())),
        "style": style,
        "script": script,
        "overview": _packed(shown),
    }
    head, _, tail = _asset("report.html").partition("{{details}}")
    yield _ascii(_fill(head, filled))
    for number, text in enumerate(details):
        yield f'<script type="text/plain" id="piece-{number}">{text}</script>\n'
    yield _ascii(_fill(tail, filled))


def _fill(text: str, filled: dict[str, str]) -> str:
    """Put values into their places, none of them into another one."""
    parts = text.split("{{")
    rest = (part.partition("}}") for part in parts[1:])
    return parts[0] + "".join(filled[name] + after for name, _, after in rest)


def _packed(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate becomes the escape that JSON has for it.
    return base64.b64encode(zlib.compress(text.encode("utf-8", "backslashreplace"), 6)).decode()


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _style() -> str:
    return _checked_ascii("\n".join(map(_asset, STYLES)))


@cache
def _script() -> str:
    parts = "\n".join(_asset(name) for name in SCRIPTS)
    return _checked_ascii(f"(() => {{\n'use strict';\n{parts}\n}})();\n")


def _checked_ascii(text: str) -> str:
    """Return a text of our own, which has to be the same in any encoding for its hash to hold."""
    text.encode("ascii")
    return text


def _asset(name: str) -> str:
    return (files("wtb.report") / "assets" / name).read_text(encoding="utf-8")
