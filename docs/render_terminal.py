"""Draws what a terminal shows as SVG: text with colours on stdin, the picture on stdout.

Usage: `wtb run bench.toml --color always 2>&1 | python docs/render_terminal.py "$ make demo"`.
The picture brings its own background, so it looks the same on light and dark pages.
"""

import html
import re
import sys
from collections.abc import Iterator

FONT = "ui-monospace, 'SFMono-Regular', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND, TEXT, DIM = "#161b22", "#d6dde5", "#8b98a5"
COLOURS = {"31": "#ff8a80", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "36": "#76e3ea"}
SIZE, WIDTH, HEIGHT, MARGIN = 14, 8.43, 21, 22

_ESCAPE = re.compile(r"\x1b\[([\d;]*)m")


def spans(line: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a line, each with the SVG attributes of its colour."""
    codes: list[str] = []
    parts = _ESCAPE.split(line)
    for place, part in enumerate(parts):
        if place % 2:
            given = [code for code in part.split(";") if code not in ("", "0")]
            codes = [*codes, *given] if given else []
        elif part:
            yield part, attributes(codes)


def attributes(codes: list[str]) -> str:
    """Return the attributes for terminal codes."""
    colour = next((COLOURS[code] for code in codes if code in COLOURS), None)
    fill = colour or (DIM if "2" in codes else TEXT)
    weight = ' font-weight="600"' if "1" in codes else ""
    return f'fill="{fill}"{weight}'


def words(line: str) -> Iterator[str]:
    """Yield the words of a line, each where a terminal has it, whatever the font's letters are."""
    column = 0
    for part, style in spans(line):
        for word in re.finditer(r"\S+(?: \S+)*", part):
            x = MARGIN + (column + word.start()) * WIDTH
            fitted = f'textLength="{len(word[0]) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
            yield f'<tspan x="{x:.1f}" {fitted} {style}>{html.escape(word[0])}</tspan>'
        column += len(part)


def picture(lines: list[str], title: str) -> str:
    """Return the SVG."""
    columns = max(len(_ESCAPE.sub("", line)) for line in lines)
    width = round(columns * WIDTH + 2 * MARGIN)
    height = len(lines) * HEIGHT + 2 * MARGIN + 14
    dots = "".join(
        f'<circle cx="{MARGIN + 4 + 18 * place}" cy="18" r="5" fill="#3d444d"/>'
        for place in range(3)
    )
    rows = []
    for number, line in enumerate(lines):
        y = MARGIN + 14 + (number + 1) * HEIGHT - 5
        rows.append(f'<text y="{y}">{"".join(words(line))}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" font-family="{FONT}" font-size="{SIZE}" role="img">\n'
        f"<title>{html.escape(title)}</title>\n"
        f'<rect width="{width}" height="{height}" rx="9" fill="{BACKGROUND}"/>\n{dots}\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    prompt = sys.argv[1] if len(sys.argv) > 1 else "$"
    shown = [line.rstrip("\n").rstrip() for line in sys.stdin]
    sys.stdout.write(picture([f"\x1b[1m{prompt}\x1b[0m", *shown], "Output of " + prompt))
