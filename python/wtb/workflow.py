"""A workflow: a graph, and the implementations registered for its nodes.

Knows nothing of LangGraph: the graph is only held here; `wtb.langgraph` loads and runs it.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, TypeVar

from wtb.errors import ConfigurationError, WorkflowImportError, did_you_mean, near_misses

__all__ = ["BASELINE", "Workflow", "as_workflow", "import_reference"]

BASELINE: Final = "baseline"
"""The name of a node's own implementation, and of the variant that substitutes nothing."""

Implementation = TypeVar("Implementation", bound=Callable[..., Any])


class Workflow:
    """A LangGraph graph under a name, with the implementations that its nodes may be given.

    Args:
        name: What the store calls the workflow.
        graph: A `StateGraph`, a compiled graph, a factory that returns one of them, or a
            `"module:attribute"` reference to any of these. It is never changed.
        memory: What LangGraph's `store` holds at the start of an execution. `"fresh"` gives each
            execution its own copy of the store that the graph was compiled with; `"shared"` lets
            all executions use that one store; a factory gives each execution the store it returns.

    Example:
        >>> workflow = Workflow("rag", "my_app.graph:build")
        >>> @workflow.variant("retriever", "dense")
        ... def retrieve_dense(state):
        ...     return {"documents": []}
        >>> list(workflow.variants["retriever"])
        ['dense']
    """

    def __init__(
        self, name: str, graph: object, *, memory: str | Callable[[], Any] = "fresh"
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a workflow needs a non-empty name, not {name!r}")
        if isinstance(graph, Workflow):
            raise ConfigurationError(
                f"workflow {name!r}: its graph is itself the workflow {graph.name!r}; "
                "pass that workflow where a workflow is asked for"
            )
        if not callable(memory) and memory not in ("fresh", "shared"):
            raise ConfigurationError(
                f"workflow {name!r}: memory is 'fresh', 'shared' or a factory, not {memory!r}"
            )
        self.name: str = name
        self.graph = graph
        self.memory = memory
        self._variants: dict[str, dict[str, Any]] = {}

    @property
    def reference(self) -> str | None:
        """The `"module:attribute"` that the graph was given as, or None when it is an object."""
        return self.graph if isinstance(self.graph, str) else None

    @property
    def variants(self) -> Mapping[str, Mapping[str, Any]]:
        """The registered implementations by node and name; a read-only view."""
        return MappingProxyType(
            {node: MappingProxyType(named) for node, named in self._variants.items()}
        )

    def variant(self, node: str, name: str) -> Callable[[Implementation], Implementation]:
        """Register the decorated function as an implementation of `node`; it stays as it is."""

        def register(implementation: Implementation) -> Implementation:
            self.register_variant(node, name, implementation)
            return implementation

        return register

    def register_variant(self, node: str, name: str, implementation: object) -> None:
        """Register an implementation of a node under a name.

        Args:
            node: The node's name; `"agent/tools"` names a node inside a subgraph.
            name: What variants call the implementation.
            implementation: A sync or async function, a callable object, a Runnable, a graph, or a
                `"module:function"` reference.

        Raises:
            ConfigurationError: The name is taken by another implementation or cannot be used. The
                same function defined again (a notebook cell run twice) replaces the former one.
        """
        if not isinstance(node, str) or not node:
            raise ConfigurationError(f"workflow {self.name!r}: {node!r} is not a node name")
        if not isinstance(name, str) or not name or ":" in name or name == BASELINE:
            raise ConfigurationError(
                f"workflow {self.name!r}, node {node!r}: {name!r} cannot name an implementation; "
                "use a non-empty text without ':' other than 'baseline', which is the graph's own"
            )
        named = self._variants.setdefault(node, {})
        former = named.get(name, implementation)
        if former is not implementation and not _same_definition(former, implementation):
            raise ConfigurationError(
                f"workflow {self.name!r}: node {node!r} has an implementation {name!r} already "
                f"({former!r}); give {implementation!r} another name"
            )
        named[name] = implementation

    def __repr__(self) -> str:
        registered = ", ".join(
            f"{node}: {' '.join(named)}" for node, named in self._variants.items()
        )
        graph = self.reference or type(self.graph).__name__
        return f"Workflow({self.name!r}, {graph}{', ' if registered else ''}{registered})"


class _AdoptedWorkflow(Workflow):
    """A graph that was passed where a workflow is asked for, so it has nothing registered."""


def as_workflow(workflow: object) -> Workflow:
    """Return a workflow as it is, and a bare graph (or a reference) as a workflow without variants.

    A reference may point to a `Workflow`, which is then returned.
    """
    if isinstance(workflow, Workflow):
        return workflow
    if isinstance(workflow, str):
        target = import_reference(workflow)
        return target if isinstance(target, Workflow) else _AdoptedWorkflow(workflow, workflow)
    given = getattr(workflow, "name", None) or getattr(workflow, "__name__", None)
    return _AdoptedWorkflow(given if isinstance(given, str) else "graph", workflow)


def is_adopted(workflow: Workflow) -> bool:
    """Whether the program passed a bare graph and no `Workflow`."""
    return isinstance(workflow, _AdoptedWorkflow)


def import_reference(reference: str, search_path: str | os.PathLike[str] | None = None) -> Any:
    """Import what a `"module:attribute.path"` reference names.

    Args:
        reference: For example `"my_app.graph:build"`.
        search_path: A directory to look for modules in first, and from then on, since nodes may
            import more while they run. By default only `sys.path` counts.

    Raises:
        WorkflowImportError: The reference is malformed, the module is not found or raises while
            it is imported, or it lacks the attribute.
    """
    module_name, _, path = reference.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *path.split(".")]):
        raise WorkflowImportError(
            f"{reference!r} is not a reference of the form 'module:attribute', "
            "for example 'my_app.graph:build'"
        )
    if search_path is not None and (directory := os.path.abspath(search_path)) not in sys.path:
        sys.path.insert(0, directory)
        importlib.invalidate_caches()
    found: Any = _import_module(module_name, reference)
    for name in path.split("."):
        if not hasattr(found, name):
            raise _missing_attribute(reference, found, name)
        found = getattr(found, name)
    return found


def _import_module(module_name: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # The module itself is missing, or a package above it; any other name is missing *in* it.
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise _missing_module(reference, error.name) from None
        raise _raising_module(reference, module_name, error) from error
    # A module that calls sys.exit() while it is imported must not end the bench.
    except (Exception, SystemExit) as error:
        raise _raising_module(reference, module_name, error) from error


def _missing_module(reference: str, missing: str) -> WorkflowImportError:
    parent, _, leaf = missing.rpartition(".")
    if parent:
        places: Sequence[str] = list(getattr(sys.modules.get(parent), "__path__", []))
    else:
        places = [entry or os.curdir for entry in sys.path]
    close = [f"{parent}.{one}" if parent else one for one in near_misses(leaf, _modules_in(places))]
    meant = f" Did you mean {' or '.join(repr(one) for one in close)}?" if close else ""
    return WorkflowImportError(
        f"cannot import {reference!r}: no module named {missing!r}.{meant} "
        f"Looked in: {', '.join(places) or 'a module that is no package'}. "
        "Install it, or start where it can be imported"
    )


def _modules_in(places: Sequence[str]) -> list[str]:
    names: list[str] = []
    for place in places:
        try:
            entries = sorted(Path(place).iterdir())
        except OSError:
            continue
        names.extend(entry.stem for entry in entries if entry.suffix == ".py" or entry.is_dir())
    return names


def user_traceback(error: BaseException, *own: str) -> str:
    """Return the traceback of an error of user code, without the frames of the files `own`."""
    frames = traceback.TracebackException.from_exception(error)
    # What the import machinery and the package do is no help to the person whose code raises.
    kept = [
        frame
        for frame in frames.stack
        if frame.filename not in own
        and not frame.filename.startswith("<frozen importlib")
        and Path(frame.filename).parent != Path(importlib.__file__).parent
    ]
    frames.stack = traceback.StackSummary.from_list(kept)
    return "".join(frames.format()).rstrip()


def _raising_module(reference: str, module_name: str, error: BaseException) -> WorkflowImportError:
    return WorkflowImportError(
        f"cannot import {reference!r}: module {module_name!r} was found, "
        f"but raised {type(error).__name__} while it was imported:\n\n"
        f"{user_traceback(error, __file__)}"
    )


def _missing_attribute(reference: str, holder: object, name: str) -> WorkflowImportError:
    public = [one for one in dir(holder) if not one.startswith("_")]
    where = getattr(holder, "__name__", type(holder).__name__)
    return WorkflowImportError(
        f"cannot import {reference!r}: {where!r} has no attribute {name!r}. "
        f"{did_you_mean(name, public, listed_as='its public names')}"
    )


def _same_definition(one: object, other: object) -> bool:
    def definition(thing: object) -> str:
        return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '<none>')}"

    # Lambdas, and functions made inside a function, share their names with different ones.
    return definition(one) == definition(other) and "<" not in definition(one)
