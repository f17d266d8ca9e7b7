"""Warnings that point at the line of the user's program that led to them."""

import sys
import warnings
from pathlib import Path

__all__ = ["warn_caller"]

_PACKAGE = str(Path(__file__).parent)
# The command has no other caller that a warning could point at.
_COMMAND = str(Path(__file__).parent / "_command.py")


def warn_caller(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn, as from the code that called the package, through however many of its functions."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and _is_inside(frame.f_code.co_filename):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(filename: str) -> bool:
    return filename.startswith(_PACKAGE) and filename != _COMMAND
