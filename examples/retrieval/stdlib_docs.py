"""The corpus: the documentation of Python's own standard library, which every machine has.

Docstrings are parsed out of the source files with `ast`. No module is imported, so reading the
corpus runs nobody's code. Modules, and the public classes and functions at their top level, become
entries; methods, private modules and modules written in C do not. Nothing is searched here.
"""

import ast
import functools
import re
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED = {
    "distutils",
    "encodings",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
_lock = threading.Lock()


@dataclass(frozen=True)
class Entry:
    """One documented symbol."""

    name: str
    """Dotted and absolute: `tempfile.TemporaryDirectory`."""
    kind: str
    """`module`, `class` or `function`."""
    text: str

    @property
    def summary(self) -> str:
        """The first sentence."""
        paragraph = " ".join(self.text.split("\n\n", 1)[0].split())
        return re.split(r"(?<=[.!?])\s", paragraph, maxsplit=1)[0]


def corpus() -> dict[str, Entry]:
    """All entries by name; built by the first caller while the other threads wait for it."""
    with _lock:
        return _read_corpus()


@functools.cache
def _read_corpus() -> dict[str, Entry]:
    root = Path(sysconfig.get_path("stdlib"))
    return {entry.name: entry for path in _sources(root) for entry in _entries(root, path)}


def _sources(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name == "__init__.py":
            yield path
        elif path.name.startswith("_") or path.name in SKIPPED:
            continue
        elif path.suffix == ".py":
            yield path
        elif (path / "__init__.py").is_file():
            yield from _sources(path)


def _entries(root: Path, path: Path) -> Iterator[Entry]:
    module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(path.read_bytes())
    exported = _exported(tree)
    if text := ast.get_docstring(tree):
        yield Entry(module, "module", text)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        private = node.name.startswith("_") or (exported and node.name not in exported)
        text = ast.get_docstring(node)
        if text and not private:
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            yield Entry(f"{module}.{node.name}", kind, text)


def _exported(tree: ast.Module) -> set[str]:
    """Return the names that the module writes into its `__all__`, if it has one."""
    names: set[str] = set()
    for statement in tree.body:
        parts = list(ast.walk(statement))
        if any(isinstance(part, ast.Name) and part.id == "__all__" for part in parts):
            names |= {str(part.value) for part in parts if isinstance(part, ast.Constant)}
    return names


def words(text: str) -> list[str]:
    """Split prose and identifiers alike: `get_close_matches` and `TempFile` come apart."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)]


def stems(text: str) -> list[str]:
    """Return the words without their endings: `deleted` and `deleting` both become `delet`."""
    return [_stem(word) for word in words(text)]


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "y", "s", "e"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            return stem
    return word
