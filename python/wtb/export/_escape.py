"""Names and texts of users inside Markdown: shown as they are, and never taken for markup."""

import re

from wtb.export._xml import valid

__all__ = ["code", "shown"]

NAME_CHARACTERS_MAX = 120
"""Names are cut to so many characters in a Markdown report."""

TEXT_CHARACTERS_MAX = 300
"""So are other texts of users."""

_MARKUP = re.compile(
    r"[\\`*{}\[\]<>|~&@$]|^[#+\-=]|^[0-9](?=[0-9]*[.)])"
    # Underscores within words, and colons around none, mean nothing.
    r"|(?<!\w)_|_(?!\w)|:(?=[\w+-]+:)"
)
_SPACES = re.compile(r"\s+")


def shown(text: str, limit: int = TEXT_CHARACTERS_MAX) -> str:
    """Return a text in one line, with all that Markdown or HTML could take for markup escaped.

    Example:
        >>> shown("a|b <i>")
        'a&#124;b &#60;i&#62;'
    """
    line = _SPACES.sub(" ", valid(text)).strip()
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    # References of characters mean the same in tables, in HTML, and in every dialect.
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)


def code(name: str) -> str:
    """Return a name as code.

    Example:
        >>> code("top_k=5|10")
        '<code>top_k=5&#124;10</code>'
    """
    return f"<code>{shown(name, NAME_CHARACTERS_MAX)}</code>"
