"""What a template imports: the libraries that the user's modules use, and then those modules."""

import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

import wtb

__all__ = ["ALWAYS", "is_of_user", "modules_of"]

ALWAYS = (
    "cloudpickle",
    "langchain_core.tracers.context",
    "langchain_core.tracers.run_collector",
    "langchain_core.tracers.stdout",
    "langgraph.graph",
    "wtb._answers",
    "wtb._steps",
    "wtb.langgraph.adapter",
    "wtb.langgraph.lineage",
    "wtb.processes.worker",
    "wtb.processes.rehearsal",
)
"""What every worker needs."""


@cache
def _folders() -> tuple[str, ...]:
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(kind) for kind in kinds}
    own = str(Path(wtb.__file__).parent)
    return tuple(f"{folder}/" for folder in [*folders, own] if folder)


def is_of_user(name: str) -> bool:
    """Whether a loaded module is the user's own: a file outside of all libraries."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if not isinstance(file, str):
        return name == "__main__"
    return not file.startswith(_folders())


def modules_of(modules: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the modules of libraries that modules refer to, and those that are the user's own.

    Args:
        modules: Names of modules to begin with; those of the user are followed.
    """
    pending = list(modules)
    # In the order in which this program has imported them; what they import they import again.
    order = {name: place for place, name in enumerate(sys.modules)}
    own = [name for name in pending if is_of_user(name) and name != "__main__"]
    own.sort(key=lambda name: order.get(name, len(order)))
    seen: set[str] = set()
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if not is_of_user(name):
            # What this process could import, another one can.
            if name in sys.modules and name != "__main__":
                found.add(name)
            continue
        for value in list(vars(sys.modules[name]).values()):
            used = value.__name__ if isinstance(value, ModuleType) else _module_of(value)
            if isinstance(used, str):
                pending.append(used)
    return [*ALWAYS, *sorted(found)], own


def _module_of(value: object) -> object:
    try:
        return getattr(value, "__module__", None)
    except Exception:
        # A lazy object of the user's that cannot be made now.
        return None
