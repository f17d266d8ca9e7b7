"""Packs jobs and cases so that workers can unpack them.

What can be imported travels by name, everything else (what a script or a notebook defines) by
value. Both go from a live program to its own workers only: nothing of it is stored.
"""

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cloudpickle  # type: ignore[import-untyped]  # it has no type hints

from wtb.errors import ConfigurationError
from wtb.processes.preload import is_of_user
from wtb.workflow import Workflow, import_reference

if TYPE_CHECKING:
    from wtb._job import Job

__all__ = ["Packed", "pack", "pack_plain"]


@dataclass(frozen=True)
class Packed:
    """A job, ready for workers.

    Attributes:
        job: The job without its cases.
        cases: The cases, in their order.
        modules: Names of the modules whose functions and classes the job names or brings along.
    """

    job: bytes
    cases: list[bytes]
    modules: frozenset[str]


def pack(job: "Job") -> Packed:
    """Pack a job.

    Raises:
        ConfigurationError: Something of it cannot be sent to another process.
    """
    if not job.graph_nodes:
        # One that was made of another.
        job.check_variants()
    names = _names()
    modules: set[str] = set()
    own = replace(job, cases=(), _checked=[])
    own.graph_nodes = job.graph_nodes
    packed = _dumped(own, names, modules, f"workflow {job.workflow.name!r} or one of its variants")
    # Cases are many and as a rule plain data.
    cases = [_dumped(case, names, modules, f"case {case.id!r}") for case in job.cases]
    return Packed(packed, cases, frozenset(modules))


def named_workflow(reference: str, registered: Mapping[str, Mapping[str, Any]]) -> Workflow:
    """Return, in a worker, a workflow that has a name, with all that was registered in the program.

    Its module need not be the only one that registers implementations.
    """
    workflow: Workflow = import_reference(reference)
    for node, named in registered.items():
        for name, implementation in named.items():
            if name not in workflow.variants.get(node, {}):
                workflow.register_variant(node, name, implementation)
    return workflow


def check_nodes(job: "Job", variant: int, nodes: Sequence[str]) -> None:
    """Refuse, in a worker, a graph with other nodes than it has in the program.

    Raises:
        ConfigurationError: Something has changed the graph after its module was imported.
    """
    known = job.graph_nodes[variant]
    if sorted(nodes) != sorted(known):
        raise ConfigurationError(
            f"the graph of workflow {job.workflow.name!r} has the nodes {', '.join(known)} in the "
            f"program, and {', '.join(nodes)} where a worker imports it: change it in the module "
            "that defines it, or pass a factory"
        )


def pack_plain(job: "Job") -> Packed:
    """Pack a job as JSON, for a program in any language; `docs/worker-protocol.md` names the keys.

    Raises:
        ConfigurationError: A case holds what JSON cannot.
    """
    own = {
        "workflow": job.workflow.name,
        "variants": [variant.describe() for variant in job.variants],
        "checkpoints": job.checkpoints,
    }
    packed = _plain(own, f"workflow {job.workflow.name!r} or one of its variants")
    cases = [
        _plain({"id": case.id, "input": case.input}, f"the input of case {case.id!r}")
        for case in job.cases
    ]
    return Packed(packed, cases, frozenset())


def _plain(what: object, named: str) -> bytes:
    try:
        return json.dumps(what, allow_nan=False, ensure_ascii=False).encode()
    # Also text with half of a pair of surrogates, and what holds itself.
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{named} cannot be given to the program of 'command', which takes JSON "
            f"({type(error).__name__}: {error})"
        ) from error


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no type hints
    def __init__(self, file: io.BytesIO, names: Mapping[int, str], modules: set[str]) -> None:
        super().__init__(file)
        self._names = names
        self._modules = modules

    def reducer_override(self, obj: Any) -> Any:
        reference = self._names.get(id(obj))
        if reference is not None:
            self._modules.add(reference.partition(":")[0])
            if isinstance(obj, Workflow):
                registered = {node: dict(named) for node, named in obj.variants.items()}
                return named_workflow, (reference, registered)
            return import_reference, (reference,)
        module = getattr(obj, "__module__", None)
        if isinstance(module, str):
            self._modules.add(module)
        return super().reducer_override(obj)


def _dumped(what: object, names: Mapping[int, str], modules: set[str], named: str) -> bytes:
    file = io.BytesIO()
    try:
        _Pickler(file, names, modules).dump(what)
    except Exception as error:
        raise ConfigurationError(
            f"{named} cannot be sent to a process of its own "
            f"({type(error).__name__}: {error}). Put the workflow into a module and pass it as "
            "'module:attribute', make clients and open files inside of nodes or factories, "
            "or use runner='thread'"
        ) from error
    return file.getvalue()


def _names() -> dict[int, str]:
    """Return what has a name and is to be the same object in a worker, by identity.

    Workflows and graphs that are attributes of the user's modules; and objects that mean something
    by being themselves (`MISSING = object()`), of which a copy would mean nothing: LangGraph
    compares what is in compiled graphs with its own.
    """
    from langgraph.graph import StateGraph
    from langgraph.pregel import Pregel

    kinds = (Workflow, StateGraph, Pregel)
    found: dict[int, str] = {}
    for name, module in list(sys.modules.items()):
        # Some modules are known under a second name, which they do not have elsewhere.
        if not isinstance(module, ModuleType) or module.__name__ != name or name == "__main__":
            continue
        is_users = is_of_user(name)
        for attribute, value in list(vars(module).items()):
            if type(value) is object or (is_users and isinstance(value, kinds)):
                found.setdefault(id(value), f"{name}:{attribute}")
    return found
