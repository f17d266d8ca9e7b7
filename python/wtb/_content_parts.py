"""What functions, classes and objects are made of, as far as their versions by content see it."""

import ast
import dataclasses
import functools
import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import CodeType, FunctionType, MappingProxyType, MethodType
from typing import Any, get_args

__all__ = [
    "MAPPINGS",
    "PLAIN",
    "called_by",
    "class_source",
    "constants_of",
    "full_name",
    "functions_of",
    "held_in",
    "members_of",
    "named_by",
    "wrapped_by",
]

PLAIN = (
    bool | int | float | complex | Decimal | Fraction | str | bytes | range
    | date | time | timedelta | PurePath | None
)  # fmt: skip
MAPPINGS = (dict, MappingProxyType)
_DATA = (
    *get_args(PLAIN), *MAPPINGS, list, tuple, set, frozenset, re.Pattern, Enum, type,
    functools.partial,
)  # fmt: skip


def full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def called_by(value: Any) -> FunctionType | None:
    """Return the Python function that runs when something is called."""
    while isinstance(value, functools.partial | MethodType):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    if not isinstance(value, FunctionType):
        value = inspect.getattr_static(type(value), "__call__", None)
    return value if isinstance(value, FunctionType) else None


def wrapped_by(value: object) -> FunctionType | None:
    """Return the function that `functools.cache`, an evaluator and the like were made of."""
    found = inspect.getattr_static(value, "__wrapped__", None)
    return found if isinstance(found, FunctionType) else None


def held_in(cell: Any) -> object:
    try:
        return cell.cell_contents
    # A name that the enclosing function has not given a value yet.
    except ValueError:
        return None


def named_by(function: FunctionType) -> dict[str, object]:
    """Return what a function names of its own module, but for what may change as the program runs.

    What is imported is not of its module; a constant is, wherever it was defined.
    """
    found: dict[str, object] = {}
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        own = value if isinstance(value, FunctionType | type) else wrapped_by(value)
        if own is not None and own.__module__ == function.__module__:
            found[name] = own
        elif name.isupper() and _is_data(value):
            found[name] = value
    return found


def _names(code: CodeType) -> set[str]:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return {*code.co_names}.union(*map(_names, inner))


def _is_data(value: object) -> bool:
    """Whether it can be told by what it holds; what is within a container need not be."""
    return dataclasses.is_dataclass(value) or isinstance(value, _DATA)


def constants_of(value: object) -> dict[str, object]:
    """Return the plain attributes of an object."""
    own = vars(value) if hasattr(value, "__dict__") else {}
    return {name: one for name, one in own.items() if _is_constant(one)}


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, PLAIN)


def class_source(kind: type, tree: ast.Module, lines: Sequence[str]) -> str:
    """Return the lines that define a class, with its decorators; nothing if they are not there."""
    names = [one for one in kind.__qualname__.split(".") if one != "<locals>"]
    found = [
        "".join(lines[min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1 : end])
        for node, end in _definitions(tree, names)
    ]
    return textwrap.dedent("".join(found))


def _definitions(tree: ast.AST, names: Sequence[str]) -> Iterator[tuple[ast.ClassDef, int | None]]:
    """Yield the definitions of what has such a qualified name: one, or one in each branch."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _definitions(node, names)
        elif node.name == names[0] and len(names) > 1:
            yield from _definitions(node, names[1:])
        elif node.name == names[0] and isinstance(node, ast.ClassDef):
            yield node, node.end_lineno


def members_of(kind: type, file: str | None) -> dict[str, object]:
    """Return the functions, inner classes and plain attributes of a class.

    Args:
        kind: The class.
        file: Only functions of this file are meant, not those that a decorator made.
    """
    found: dict[str, object] = {}
    for name, value in vars(kind).items():
        own = [one for one in functions_of(value) if file in (None, one.__code__.co_filename)]
        # What Python itself keeps with a class differs from version to version.
        is_users = not (name.startswith("_") and name.endswith("_"))
        if own:
            found[name] = own
        elif is_users and (isinstance(value, type) or _is_constant(value)):
            found[name] = value
    return found


def functions_of(member: object) -> list[FunctionType]:
    """Return the functions that a member of a class is made of."""
    if isinstance(member, staticmethod | classmethod):
        parts: list[object] = [member.__func__]
    elif isinstance(member, property):
        parts = [member.fget, member.fset, member.fdel]
    elif isinstance(member, functools.cached_property):
        parts = [member.func]
    else:
        parts = [member if isinstance(member, FunctionType) else wrapped_by(member)]
    return [one for one in parts if isinstance(one, FunctionType)]
