"""What `wtb doctor` looks at, beside the store: the machine, Python and the process runner."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from wtb import _native
from wtb._command_ground import Asked
from wtb.errors import WorkerError, WorkspaceError

__all__ = ["doctor"]

FILES_MIN = 1024
"""Open files that a batch with some dozens of workers needs."""

Check = dict[str, str | None]


def doctor(request: "_native.RequestRef", asked: Asked) -> int:
    """Look at everything, and print it."""
    processes, ground = _processes()
    workspaces = _workspaces(Path(asked["workspaces"]), ground)
    checks = [_system(), *_limits(), _python(), _langgraph(), asked["store"]]
    checks += [processes, *workspaces, _ray()]
    return request.diagnose(json.dumps(checks))


def _check(name: str, status: str, found: str, advice: str | None = None) -> Check:
    return {"name": name, "status": status, "found": found, "advice": advice}


def _system() -> Check:
    found = (
        f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores"
    )
    memory = _memory()
    if memory is not None:
        found += f", {memory / 2**30:.1f} GiB of memory"
    if not hasattr(_native, "ProcessesRef"):
        advice = 'use `runner = "thread"`: the process runner is built for Linux only'
        return _check("system", "note", found, advice)
    return _check("system", "ok", found)


def _memory() -> int | None:
    """Return what memory there is, or what a container may use of it, in bytes."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        return total


def _limits() -> list[Check]:
    try:
        import resource
    except ImportError:
        return []
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    found = f"{_limit(files, resource)} open files, {_limit(processes, resource)} processes"
    if files != resource.RLIM_INFINITY and files < FILES_MIN:
        return [_check("limits", "note", found, f"`ulimit -n {FILES_MIN * 4}` for many workers")]
    return [_check("limits", "ok", found)]


def _limit(value: int, module: Any) -> str:
    return "unlimited" if value == module.RLIM_INFINITY else f"{value:,}"


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    return _check("Python", "ok", f"wtb {_native.__version__} on {found}")


def _langgraph() -> Check:
    try:
        found = f"{version('langgraph')}, langchain-core {version('langchain-core')}"
        import langgraph.graph  # noqa: F401
    except (ImportError, PackageNotFoundError) as error:
        return _check("LangGraph", "problem", f"{error}", "`pip install langgraph`")
    return _check("LangGraph", "ok", found)


def _processes() -> tuple[Check, Mapping[str, Any] | None]:
    """Return how processes stand, and what workers would stand on."""
    name = "processes"
    if not hasattr(_native, "ProcessesRef"):
        return _check(name, "note", "the process runner is built for Linux only"), None
    from wtb.processes.launch import interpreter
    from wtb.processes.preload import ALWAYS

    try:
        tried = json.loads(_native.try_template(json.dumps({**interpreter(), "modules": ALWAYS})))
    except WorkerError as error:
        advice = 'use `runner = "thread"` until this works'
        return _check(name, "problem", str(error), advice), None
    ground = tried["ground"]
    ready = f"a template is ready in {tried['ready_s']:.1f} s"
    if ground["unsafe_to_fork"] is not None:
        found = f"{ready}, and is not forked: {ground['unsafe_to_fork']}"
        advice = "attempts share warm workers; `docs/forking.md` says why"
        return _check(name, "note", found, advice), ground
    if ground["isolation"] == "pid_namespace":
        return _check(name, "ok", f"{ready}; each worker in a namespace of process ids"), ground
    found = f"{ready}; what workers leave behind is looked for: {ground['reason']}"
    advice = (
        "permit user namespaces (`sysctl -w user.max_user_namespaces=10000`; in a container, "
        "its seccomp profile), so that the kernel ends it"
    )
    return _check(name, "note", found, advice), ground


def _workspaces(base: Path, ground: Mapping[str, Any] | None) -> list[Check]:
    """Return how workspaces would be made, where they are to be."""
    name = "workspaces"
    if not hasattr(_native, "try_workspaces"):
        return [_check(name, "note", "they are built for Linux and macOS only")]
    place = str(next(one for one in (base, *base.parents) if one.is_dir()))
    grounds = {"threads": None, "processes": ground}
    if ground is None:
        del grounds["processes"]
    found = []
    for runner, given in grounds.items():
        try:
            tried = json.loads(
                _native.try_workspaces(place, None if given is None else json.dumps(given))
            )
        except WorkspaceError as error:
            return [_check(name, "problem", str(error), "name another store with `--store`")]
        found.append(f"{runner}: {tried['rung']}")
        refused = dict(tried["refused"])
    status, advice = "ok", None
    if ground is not None and "overlay" in refused:
        status, advice = "note", f"each attempt copies its inputs: {refused['overlay']}"
    return [_check(name, status, f"by {', '.join(found)} in {place}", advice)]


def _ray() -> Check:
    try:
        found = version("ray")
    except PackageNotFoundError:
        advice = "pip install 'workflow-test-bench[ray]', to run batches on a cluster"
        return _check("Ray", "note", "it is not installed", advice)
    return _check("Ray", "ok", f"version {found} is installed; no cluster was looked for")
