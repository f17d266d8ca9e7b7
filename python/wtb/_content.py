"""The version of a function by its content: a hash of what decides what it returns.

It sees the function's source, its defaults, what its closure holds, and what the function names of
its own module: functions, classes, and constants in capitals. It does not see what is called in
other modules, nor what an object of the user's holds: of one that is called it sees the class and
the plain attributes, of a dataclass the fields.
"""

import ast
import dataclasses
import functools
import hashlib
import inspect
import linecache
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from tokenize import TokenError
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeVar

from wtb._content_parts import (
    MAPPINGS,
    PLAIN,
    called_by,
    class_source,
    constants_of,
    full_name,
    functions_of,
    held_in,
    members_of,
    named_by,
    wrapped_by,
)

__all__ = ["Lines", "content_version", "lines_of"]

DEPTH_MAX = 50
"""What is nested deeper than this is told apart by its type only."""

_DIGEST_BYTES = 8
_T = TypeVar("_T")

Lines = tuple[str, Sequence[str]]
"""A file's name and its lines."""


def lines_of(function: object) -> Lines | None:
    """Return the file that a function was loaded from, as it is now: it may change later."""
    found = called_by(function)
    return None if found is None else (found.__code__.co_filename, _read(found))


def content_version(parts: Iterable[object], lines: Lines | None) -> str:
    """Return 16 hexadecimal digits, in every process the same ones for the same content.

    Args:
        parts: Functions and plain values.
        lines: What `lines_of` gave when the first function was loaded.
    """
    text = _Content(lines).of_all(list(parts))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
    return digest.hexdigest()


class _Content:
    """Writes values as texts that say what they hold."""

    def __init__(self, lines: Lines | None) -> None:
        self._lines = lines
        # What is met again, perhaps by itself, is named by the order of the first time.
        self._met: dict[FunctionType | type, int] = {}
        self._around: list[int] = []
        # The functions that are being written, each within the one that leads to it.
        self._within: list[FunctionType] = []
        self._trees: dict[str, ast.Module] = {}

    def of(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"enum:{self.of(type(value))}:{value.name}:{self.of(value.value)}"
        if isinstance(value, PLAIN):
            return f"{type(value).__name__}:{value!r}"
        if isinstance(value, FunctionType):
            return self._of_function(value)
        if isinstance(value, re.Pattern):
            return f"pattern:{value.pattern!r}:{value.flags}"
        if isinstance(value, ModuleType):
            return f"module:{value.__name__}"
        if isinstance(value, type):
            return self._of_class(value)
        if id(value) in self._around or len(self._around) >= DEPTH_MAX:
            return f"again:{full_name(type(value))}"
        with _inside(self._around, id(value)):
            return self._of_parts(value)

    def of_all(self, values: Iterable[object]) -> str:
        return f"[{', '.join(map(self.of, values))}]"

    def _of_parts(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            # JSON, through which a later session gets arguments, knows no tuples.
            return self.of_all(value)
        if isinstance(value, set | frozenset):
            return f"set:{sorted(map(self._alone, value))}"
        if isinstance(value, MAPPINGS):
            return self._of_mapping(value)
        if isinstance(value, functools.partial):
            return f"partial:{self.of_all((value.func, value.args, value.keywords))}"
        if isinstance(value, MethodType):
            kind = self._of_called_class(type(value.__self__))
            plain = self._of_mapping(constants_of(value.__self__))
            return f"method:{self.of(value.__func__)}:{kind}:{plain}"
        return self._of_object(value)

    def _of_mapping(self, value: Mapping[Any, Any]) -> str:
        keys = sorted(((self._alone(key), key) for key in value), key=lambda pair: pair[0])
        return f"dict:{sorted((text, self.of(value[key])) for text, key in keys)}"

    def _alone(self, value: object) -> str:
        """Write what stands in no order of its own as if nothing stood beside it."""
        other = _Content(self._lines)
        other._met, other._around, other._within = {**self._met}, self._around, self._within
        other._trees = self._trees
        return other.of(value)

    def _of_object(self, value: object) -> str:
        if (wrapped := wrapped_by(value)) is not None:
            return f"object:{full_name(type(value))}:{self.of(wrapped)}"
        if dataclasses.is_dataclass(value):
            fields = (one.name for one in dataclasses.fields(value))
            held = self._of_mapping({one: getattr(value, one) for one in fields})
            return f"object:{self.of(type(value))}:{held}"
        if (called := called_by(value)) is None:
            return f"object:{full_name(type(value))}"
        kind = self._of_called_class(type(value))
        return f"object:{kind}:{self.of(called)}:{self._of_mapping(constants_of(value))}"

    def _of_called_class(self, kind: type) -> str:
        """Write the class of an object that is called, which decides what the call does."""
        functions = (one for member in vars(kind).values() for one in functions_of(member))
        own = next((one for one in functions if one.__module__ == kind.__module__), None)
        if own is None:
            return self.of(kind)
        with _inside(self._within, own):
            return self.of(kind)

    def _of_function(self, function: FunctionType) -> str:
        if function in self._met:
            return f"function:{self._met[function]}"
        self._met[function] = len(self._met)
        code = function.__code__
        held = dict(zip(code.co_freevars, map(held_in, function.__closure__ or ()), strict=True))
        parts = (function.__defaults__, function.__kwdefaults__, held, named_by(function))
        with _inside(self._within, function):
            return f"function:{self._source(function)}:{self.of_all(parts)}"

    def _of_class(self, kind: type) -> str:
        """Write a class of the module that the function around it is of; of another, the name."""
        around = self._within[-1] if self._within else None
        if around is None or kind.__module__ != around.__module__:
            return f"type:{full_name(kind)}"
        if kind in self._met:
            return f"class:{self._met[kind]}"
        self._met[kind] = len(self._met)
        file, lines = around.__code__.co_filename, self._lines_around(around)
        if file not in self._trees:
            self._trees[file] = _parsed(lines)
        source = class_source(kind, self._trees[file], lines)
        members = members_of(kind, file if source else None)
        return f"class:{source or kind.__qualname__}:{self.of_all((kind.__bases__, members))}"

    def _source(self, function: FunctionType) -> str:
        code = function.__code__
        # Several lambdas may stand in one statement.
        if code.co_name == "<lambda>":
            return self._of_code(code)
        try:
            block = inspect.getblock(self._lines_around(function)[code.co_firstlineno - 1 :])
        except (TokenError, SyntaxError):
            block = []
        return textwrap.dedent("".join(block)) or self._of_code(code)

    def _lines_around(self, function: FunctionType) -> Sequence[str]:
        """Return the lines of the file that a function is in, as they were when it was loaded."""
        name, lines = self._lines or ("", ())
        return lines if name == function.__code__.co_filename else _read(function)

    def _of_code(self, code: CodeType) -> str:
        constants = [
            self._of_code(one) if isinstance(one, CodeType) else self.of(one)
            for one in code.co_consts
        ]
        return f"code:{code.co_code.hex()}:{code.co_names}:{code.co_varnames}:{constants}"


@contextmanager
def _inside(around: list[_T], value: _T) -> Iterator[None]:
    around.append(value)
    try:
        yield
    finally:
        around.pop()


def _read(function: FunctionType) -> list[str]:
    linecache.checkcache(function.__code__.co_filename)
    return linecache.getlines(function.__code__.co_filename, function.__globals__)


def _parsed(lines: Sequence[str]) -> ast.Module:
    try:
        return ast.parse("".join(lines))
    # The file is no longer what was loaded, or no file of Python's.
    except (SyntaxError, ValueError):
        return ast.Module([], [])
