"""The version of a function by its content: a hash of what decides what it returns.

It sees the function's source, its defaults, what its closure holds, and what the function names of
its own module: functions, and constants in capitals. It does not see what is called in other
modules, nor what an object of the user's holds: of one that is called it sees the plain attributes,
of a dataclass the fields.
"""

import dataclasses
import functools
import hashlib
import inspect
import linecache
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from tokenize import TokenError
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["Lines", "content_version", "lines_of"]

DEPTH_MAX = 50
"""What is nested deeper than this is told apart by its type only."""

_DIGEST_BYTES = 8
_PLAIN = bool | int | float | complex | str | bytes | None

Lines = tuple[str, Sequence[str]]
"""A file's name and its lines."""


def lines_of(function: object) -> Lines | None:
    """Return the file that a function was loaded from, as it is now: it may change later."""
    found = _called(function)
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
        # A function that is met again, perhaps by itself, is named by the order of the first time.
        self._functions: dict[FunctionType, int] = {}
        self._around: list[int] = []

    def of(self, value: Any) -> str:
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__}:{value!r}"
        if isinstance(value, FunctionType):
            return self._of_function(value)
        if isinstance(value, re.Pattern):
            return f"pattern:{value.pattern!r}:{value.flags}"
        if isinstance(value, ModuleType):
            return f"module:{value.__name__}"
        if id(value) in self._around or len(self._around) >= DEPTH_MAX:
            return f"again:{_name(type(value))}"
        with self._inside(value):
            return self._of_parts(value)

    def of_all(self, values: Iterable[object]) -> str:
        return f"[{', '.join(map(self.of, values))}]"

    @contextmanager
    def _inside(self, value: object) -> Iterator[None]:
        self._around.append(id(value))
        try:
            yield
        finally:
            self._around.pop()

    def _of_parts(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            # JSON, through which a later session gets arguments, knows no tuples.
            return self.of_all(value)
        if isinstance(value, set | frozenset):
            return f"set:{sorted(map(self.of, value))}"
        if isinstance(value, dict):
            return self._of_mapping(value)
        if isinstance(value, functools.partial):
            return f"partial:{self.of_all((value.func, value.args, value.keywords))}"
        if isinstance(value, MethodType):
            plain = self._of_mapping(_constants(value.__self__))
            return f"method:{self.of(value.__func__)}:{_name(type(value.__self__))}:{plain}"
        if isinstance(value, type):
            return f"type:{_name(value)}"
        return self._of_object(value)

    def _of_mapping(self, value: Mapping[Any, Any]) -> str:
        return f"dict:{sorted((self.of(key), self.of(one)) for key, one in value.items())}"

    def _of_object(self, value: object) -> str:
        name = f"object:{_name(type(value))}"
        if (wrapped := _wrapped(value)) is not None:
            return f"{name}:{self.of(wrapped)}"
        if dataclasses.is_dataclass(value):
            fields = (one.name for one in dataclasses.fields(value))
            return f"{name}:{self._of_mapping({one: getattr(value, one) for one in fields})}"
        if (called := _called(value)) is None:
            return name
        return f"{name}:{self.of(called)}:{self._of_mapping(_constants(value))}"

    def _of_function(self, function: FunctionType) -> str:
        if function in self._functions:
            return f"function:{self._functions[function]}"
        self._functions[function] = len(self._functions)
        code = function.__code__
        held = dict(zip(code.co_freevars, map(_held, function.__closure__ or ()), strict=True))
        parts = (function.__defaults__, function.__kwdefaults__, held, _named(function))
        return f"function:{self._source(function)}:{self.of_all(parts)}"

    def _source(self, function: FunctionType) -> str:
        code = function.__code__
        # Several lambdas may stand in one statement.
        if code.co_name == "<lambda>":
            return self._of_code(code)
        name, lines = self._lines or ("", ())
        if name != code.co_filename:
            lines = _read(function)
        try:
            block = inspect.getblock(lines[code.co_firstlineno - 1 :])
        except (TokenError, SyntaxError):
            block = []
        return textwrap.dedent("".join(block)) or self._of_code(code)

    def _of_code(self, code: CodeType) -> str:
        constants = [
            self._of_code(one) if isinstance(one, CodeType) else self.of(one)
            for one in code.co_consts
        ]
        return f"code:{code.co_code.hex()}:{code.co_names}:{code.co_varnames}:{constants}"


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _called(value: Any) -> FunctionType | None:
    """Return the Python function that runs when something is called."""
    while isinstance(value, functools.partial | MethodType):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    if not isinstance(value, FunctionType):
        value = inspect.getattr_static(type(value), "__call__", None)
    return value if isinstance(value, FunctionType) else None


def _wrapped(value: object) -> FunctionType | None:
    """Return the function that `functools.cache`, an evaluator and the like were made of."""
    found = inspect.getattr_static(value, "__wrapped__", None)
    return found if isinstance(found, FunctionType) else None


def _read(function: FunctionType) -> list[str]:
    linecache.checkcache(function.__code__.co_filename)
    return linecache.getlines(function.__code__.co_filename, function.__globals__)


def _held(cell: Any) -> object:
    try:
        return cell.cell_contents
    # A name that the enclosing function has not given a value yet.
    except ValueError:
        return None


def _named(function: FunctionType) -> dict[str, object]:
    """Return what a function names of its own module, but for what may change as the program runs.

    What is imported is not of its module; a constant is, wherever it was defined.
    """
    found: dict[str, object] = {}
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        own = value if isinstance(value, FunctionType) else _wrapped(value)
        if isinstance(own, FunctionType) and own.__module__ == function.__module__:
            found[name] = own
        elif name.isupper() and _is_constant(value):
            found[name] = value
    return found


def _names(code: CodeType) -> set[str]:
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return {*code.co_names}.union(*map(_names, inner))


def _constants(value: object) -> dict[str, object]:
    """Return the plain attributes of an object."""
    own = vars(value) if hasattr(value, "__dict__") else {}
    return {name: one for name, one in own.items() if _is_constant(one)}


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_constant, value))
    return isinstance(value, _PLAIN)
