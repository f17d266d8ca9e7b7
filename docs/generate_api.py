"""Writes docs/api.md: signatures and docstrings of the public names of `wtb`.

Signatures are taken from the source and not from the running interpreter, so that every version of
Python writes the same file. `api_reference()` returns the text, and `python/tests/test_docs.py`
compares it with the file.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import wtb
from wtb import evaluators

TARGET = Path(__file__).with_name("api.md")

GROUPS: dict[str, Sequence[str]] = {
    "The bench": ["TestBench", "register"],
    "Workflows and variants": ["Workflow", "Variant", "grid"],
    "Cases": ["Case", "load_cases"],
    "Batches and executions": [
        "Batch",
        "wtb.batch.Progress",
        "Execution",
        "NodeRecord",
        "wtb.execution.Attempt",
        "wtb.execution.ExecutionError",
        "wtb.execution.Interrupt",
        "Comparison",
        "ExecutionDiff",
        "Divergence",
    ],
    "Files": ["Workspace", "WorkspaceRecord", "FileEntry", "FileChange", "FilesDiff"],
    "Inside a node": ["current", "RunContext", "log_metric"],
    "Evaluators": [
        "evaluator",
        "Score",
        "wtb.evaluators.Evaluator",
        *(f"wtb.evaluators.{name}" for name in evaluators.BUILT_IN),
        "wtb.evaluators.pairwise_judge",
    ],
    "Evaluation": [
        "EvaluationEngine",
        "wtb.evaluators.ScoreTuple",
        "wtb.evaluators.PairwiseJudge",
        "wtb.evaluation.PairVerdicts",
        "wtb.evaluation.PairRecord",
        "wtb.evaluation.PairAnswer",
        "wtb.evaluation.agreement_of",
        "wtb.evaluation.Agreement",
    ],
    "Runners": [
        "BatchTestRunner",
        "SequentialBatchTestRunner",
        "ThreadPoolBatchTestRunner",
        "ProcessBatchTestRunner",
        "RayBatchTestRunner",
        "RayConfig",
        "ActorLifecycleManager",
        "ActorState",
        "VariantExecutionActor",
    ],
    "Batch tests": ["BatchTest", "VariantCombination", "BatchTestStatus"],
    "Events": ["EventBus", "Subscription", "Event", "AuditTrail"],
}
ERRORS = "Errors"

# Public for other modules of the package; users never call them.
INTERNAL = {
    "BatchTest.arguments",
    "BatchTest.begin",
    "BatchTest.finish",
    "Comparison.parse",
    "Evaluator.describe",
    "Evaluator.evaluate",
    "Evaluator.failed",
    "Evaluator.with_settings",
    "PairwiseJudge.is_swapped",
    "Progress.parse",
    "RunContext.__init__",
    "Subscription.finish",
    "Subscription.join",
    "Subscription.report_when_slow",
    "Subscription.start",
    "Subscription.wake",
    "Variant.describe",
    "Variant.title",
}

HEAD = """\
# Python API

<!-- Written by `python docs/generate_api.py`. -->

Everything here is imported from `wtb`, unless a longer name is given. All errors derive from
`WtbError`; `ConfigurationError` and what derives from it are raised before anything runs.
"""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example|Examples|Yields):$")
_ITEM = re.compile(r"^(\*{0,2}[\w.]+): (.*)$", re.DOTALL)


def api_reference() -> str:
    """Return the whole file."""
    errors = [name for name in wtb.__all__ if name.endswith("Error")]
    errors.sort(key=lambda name: (len(getattr(wtb, name).__mro__), name))
    missing = {*wtb.__all__} - {*errors, "__version__", "evaluators"}
    parts = [HEAD]
    for title, names in {**GROUPS, ERRORS: errors}.items():
        parts.append(f"## {title}\n")
        for name in names:
            missing.discard(name)
            parts.append("".join(_entry(name)))
    if missing:
        raise SystemExit(f"docs/generate_api.py: no group for {', '.join(sorted(missing))}")
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str) -> Iterator[str]:
    module_name, _, short = name.rpartition(".")
    found = getattr(importlib.import_module(module_name) if module_name else wtb, short)
    shown = name if module_name else f"wtb.{name}"
    yield f"### `{shown}`\n\n"
    node = _definition(inspect.getmodule(found), found.__qualname__)
    if isinstance(node, ast.ClassDef):
        if issubclass(found, Exception):
            yield f"Derives from `{found.__bases__[0].__name__}`.\n\n"
        elif constructor := _constructor(found, node):
            yield _code(f"{short}{constructor}")
        yield from _docstring(node)
        yield from _members(found)
    else:
        for overload in _overloads(inspect.getmodule(found), short) or [node]:
            yield _code(_signature(overload, short))
        yield from _docstring(node)


def _members(cls: type) -> Iterator[str]:
    """Yield methods and properties, those of base classes of the package included."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("wtb") or issubclass(base, Exception):
            continue
        owner = _definition(inspect.getmodule(base), base.__qualname__)
        for node in owner.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("_") or node.name in seen:
                continue
            if f"{cls.__name__}.{node.name}" in INTERNAL:
                continue
            seen.add(node.name)
            yield f"#### `{cls.__name__}.{node.name}`\n\n"
            decorators = {ast.unparse(one) for one in node.decorator_list}
            if "property" in decorators:
                returned = f": {ast.unparse(node.returns)}" if node.returns else ""
                yield _code(f"{node.name}{returned}")
            else:
                yield _code(_signature(node, node.name, bound="staticmethod" not in decorators))
            yield from _docstring(node)


def _constructor(cls: type, node: ast.ClassDef) -> str:
    """Return what follows the class's name where it is made; nothing where users make none."""
    if f"{cls.__name__}.__init__" in INTERNAL:
        return ""
    for base in cls.__mro__:
        if not base.__module__.startswith("wtb"):
            continue
        owner = _definition(inspect.getmodule(base), base.__qualname__)
        made = next((one for one in owner.body if _is_function(one, "__init__")), None)
        if made is not None:
            # The engine's handles are what the package itself makes these objects from.
            internal = any(one.arg in ("engine", "data", "row") for one in made.args.args)
            return "" if internal else f"({_arguments(made.args, bound=True)})"
    if any(ast.unparse(one).startswith("dataclass") for one in node.decorator_list):
        fields = list(_fields(node))
        # What has fields of the package's own is made by the package.
        return "" if any(one.startswith("_") for one in fields) else f"({', '.join(fields)})"
    return ""


def _fields(node: ast.ClassDef) -> Iterator[str]:
    keyword_only = False
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        default, settings = one.value, {}
        if isinstance(default, ast.Call) and ast.unparse(default.func) == "field":
            settings = {str(given.arg): given.value for given in default.keywords}
            default = settings.get("default")
        if "init" in settings and ast.unparse(settings["init"]) == "False":
            continue
        if "kw_only" in settings and not keyword_only:
            keyword_only = True
            yield "*"
        text = f"{one.target.id}: {_annotation(one.annotation)}"
        if default is not None:
            text += f" = {ast.unparse(default)}"
        elif "default_factory" in settings:
            text += " = ..."
        yield text


def _signature(
    node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, *, bound: bool = False
) -> str:
    keyword = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    returned = f" -> {_annotation(node.returns)}" if node.returns else ""
    return f"{keyword}{name}({_arguments(node.args, bound=bound)}){returned}"


def _arguments(arguments: ast.arguments, *, bound: bool) -> str:
    """Return the arguments as text; without `self` if the function is bound."""
    texts: list[str] = []
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for place, (one, default) in enumerate(zip(positional, defaults, strict=True)):
        texts.append(_argument(one, default))
        if place + 1 == len(arguments.posonlyargs):
            texts.append("/")
    if bound:
        texts = texts[1:]
    if arguments.vararg:
        texts.append(f"*{_argument(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        texts.append("*")
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        texts.append(_argument(one, default))
    if arguments.kwarg:
        texts.append(f"**{_argument(arguments.kwarg, None)}")
    return ", ".join(texts)


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    text = f"{one.arg}: {_annotation(one.annotation)}" if one.annotation else one.arg
    if default is None:
        return text
    return f"{text}{' = ' if one.annotation else '='}{ast.unparse(default)}"


def _annotation(node: ast.expr) -> str:
    # A whole annotation is quoted where its names are imported for type checkers only.
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node)


def _code(signature: str) -> str:
    """Return a code block; a long signature gets a line for each argument."""
    if len(signature) > 90 and "(" in signature:
        name, rest = signature.split("(", 1)
        inner, returned = rest.rsplit(")", 1)
        lines = "".join(f"    {one},\n" for one in _split(inner))
        signature = f"{name}(\n{lines}){returned}"
    return f"```python\n{signature}\n```\n\n"


def _split(arguments: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for place, character in enumerate(arguments):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(arguments[start:place].strip())
            start = place + 1
    return [*parts, arguments[start:].strip()]


def _docstring(node: ast.AST) -> Iterator[str]:
    """Yield a Google-style docstring as Markdown."""
    text = ast.get_docstring(node) or ""  # type: ignore[arg-type]
    title, lines = None, []
    for line in [*text.splitlines(), "End:"]:
        found = _SECTION.match(line)
        if found or line == "End:":
            yield _section(title, "\n".join(lines).strip("\n"))
            title, lines = (found[1] if found else None), []
        else:
            lines.append(line)


def _section(title: str | None, body: str) -> str:
    if not body.strip():
        return ""
    if title is None:
        return f"{body}\n\n"
    body = inspect.cleandoc(f"\n{body}")
    if title.startswith("Example"):
        # What a comment for doctest stood on alone is an empty continuation now.
        lines = re.sub(r" *# doctest: .*", "", body).splitlines()
        shown = "\n".join(line for line in lines if line != "...")
        return f"```pycon\n{shown}\n```\n\n"
    if title in ("Returns", "Yields"):
        return f"**{title}:** {_joined(body)}\n\n"
    items = re.split(r"\n(?=\S)", body)
    listed = (f"- {_item(_joined(item))}\n" for item in items)
    return f"**{title}:**\n\n{''.join(listed)}\n"


def _item(text: str) -> str:
    found = _ITEM.match(text)
    return f"`{found[1]}`: {found[2]}" if found else text


def _joined(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def _is_function(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _overloads(module: ModuleType | None, name: str) -> list[ast.FunctionDef]:
    return [
        node
        for node in _tree(module).body
        if isinstance(node, ast.FunctionDef)
        and node.name == name
        and any(ast.unparse(one) == "overload" for one in node.decorator_list)
    ]


def _definition(module: ModuleType | None, qualified: str) -> ast.ClassDef | ast.FunctionDef:
    found = [
        node
        for node in _tree(module).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == qualified
    ]
    return found[-1]


@cache
def _tree(module: ModuleType | None) -> ast.Module:
    return ast.parse(inspect.getsource(module))  # type: ignore[arg-type]


if __name__ == "__main__":
    TARGET.write_text(api_reference(), encoding="utf-8")
