"""Elements of XML 1.0 as text: escaped, and without the characters that it cannot hold."""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

__all__ = ["element", "opening", "valid"]

_INVALID = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def valid(text: str) -> str:
    r"""Return a text with U+FFFD for each character that XML 1.0 has no way to write.

    Example:
        >>> valid("a\x00b\x1b[0m") == "a\ufffdb\ufffd[0m"
        True
    """
    return _INVALID.sub("\ufffd", text)


def opening(name: str, attributes: Mapping[str, str | int | None]) -> str:
    """Return an opening tag; attributes that are None are left out."""
    # A carriage return would be read as a line end.
    written = "".join(
        f" {key}={quoteattr(valid(str(value)), {chr(13): '&#13;'})}"
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>"


def element(
    name: str, attributes: Mapping[str, str | int | None] | None = None, text: str = ""
) -> str:
    """Return an element that holds a text."""
    inner = escape(valid(text), {"\r": "&#13;"})
    return f"{opening(name, attributes or {})}{inner}</{name}>"
