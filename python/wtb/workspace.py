"""Workspaces: what files executions work on, and what became of them."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wtb import _native, _values
from wtb.errors import ConfigurationError, WorkspaceError, did_you_mean

if TYPE_CHECKING:
    from wtb._job import Job

__all__ = ["RUNGS", "Workspace", "WorkspaceLike", "WorkspaceRecord", "workspace_spec"]

Rung = Literal["overlay", "reflink", "hardlink", "copy"]
Keep = Literal["failed", "all", "none"]

RUNGS = ("overlay", "reflink", "hardlink", "copy")
"""The ways to make a workspace, best first."""

KEEPS = ("failed", "all", "none")


@dataclass(frozen=True)
class Workspace:
    """The files that executions work on: each attempt has its own private tree of them.

    A node finds it as its working directory (runner "process"), or by `wtb.current().workspace`.
    Whatever it does there reaches neither the inputs nor another execution. At each checkpoint a
    snapshot is stored of it; see `TestBench.files`, `restore` and `changed_files`.

    Args:
        inputs: The directory that they begin with. It must not change while they run. None where
            only cases have inputs of their own.
        rung: How the trees are made; by default the best way that works here. "overlay" mounts
            them over the inputs (process runner on Linux), "reflink" shares blocks where the file
            system can, "copy" copies. "hardlink" shares large read-only files, and is taken only if
            it is asked for.
        keep: Which trees stay when their attempts have ended: those that "failed" or timed out,
            "all", or "none". Snapshots are stored of all.

    Example:
        >>> files = Workspace("inputs/", keep="all")
        >>> bench.run(graph, {"question": "?"}, workspace=files)                # doctest: +SKIP
    """

    inputs: str | os.PathLike[str] | None = None
    rung: Rung | None = None
    keep: Keep = "failed"


WorkspaceLike = str | os.PathLike[str] | Workspace
"""A directory of inputs, or a `Workspace` with more to say."""


@dataclass(frozen=True)
class WorkspaceRecord:
    """The workspace of an attempt.

    Attributes:
        rung: How it was made: "overlay", "reflink", "hardlink" or "copy".
        inputs: The directory that it was made of.
        directory: Where it was. It is kept after attempts that failed, as far as it was asked for
            and there is room; of an overlay it holds what was written alone.
    """

    rung: str
    inputs: Path
    directory: Path

    @property
    def is_kept(self) -> bool:
        """Whether it is there now."""
        return self.directory.is_dir()


def workspace_spec(given: WorkspaceLike | None) -> dict[str, Any]:
    """Return what is asked of workspaces, as the engine takes it.

    Raises:
        ConfigurationError: There is no such directory, or an option is unknown.
    """
    asked = given if isinstance(given, Workspace) else Workspace(given)
    spec = {
        "inputs": None if asked.inputs is None else inputs_directory(asked.inputs),
        "rung": asked.rung,
        "keep": asked.keep,
    }
    for name, known in {"rung": RUNGS, "keep": KEEPS}.items():
        value = spec[name]
        if value is not None and value not in known:
            raise ConfigurationError(
                f"{name} of a workspace is {value!r}. "
                f"{did_you_mean(str(value), known, listed_as='it can be')}"
            )
    return spec


def inputs_directory(given: object, whose: str = "") -> str:
    """Return a directory of inputs as an absolute path.

    Args:
        given: The directory.
        whose: What errors begin with.

    Raises:
        ConfigurationError: It is none.
    """
    if sys.platform == "win32":
        raise ConfigurationError("workspaces are built for Linux and macOS")
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise ConfigurationError(f"{whose}a workspace is a directory of inputs, not {given!r}")
    path = os.path.abspath(os.fspath(given))
    if _values.printable(path) != path:
        raise ConfigurationError(f"{whose}the workspace {path!r} has a name that is not UTF-8")
    if not os.path.isdir(path):
        what = "is no directory" if os.path.exists(path) else "does not exist"
        raise ConfigurationError(
            f"{whose}the workspace {path!r} {what}: name the directory of inputs"
        )
    try:
        _native.check_inputs(path)
    except WorkspaceError as error:
        raise ConfigurationError(f"{whose}{error}") from error
    return path


def check_workspaces(job: "Job", places: Sequence[str | None], runner: str) -> None:
    """Refuse inputs that hold what the bench itself writes, and a rung that cannot be.

    Args:
        job: The workflow with its cases.
        places: Where the bench writes: its workspaces and its store.
        runner: The kind of the runner.

    Raises:
        ConfigurationError: See above; nothing has been run.
    """
    if job.workspace["rung"] == "overlay" and runner in ("inline", "thread"):
        raise ConfigurationError(
            f"the {runner} runner cannot mount an overlay: use runner='process', or another rung"
        )
    given = {job.workspace["inputs"], *(case.workspace for case in job.cases)} - {None}
    for inputs in map(os.path.realpath, given):
        for place in (os.path.realpath(place) for place in places if place is not None):
            if os.path.commonpath([inputs, place]) in (inputs, place):
                raise ConfigurationError(
                    f"the inputs {inputs!r} and {place!r}, where the bench writes, lie within each "
                    "other: keep the store, or TestBench(workspaces=...), outside of the inputs"
                )


def of_case(spec: Mapping[str, Any], own: str | None) -> dict[str, Any]:
    """Return what is asked of the workspace of one case, which may have inputs of its own."""
    return {**spec, "inputs": own or spec["inputs"]}


def read_record(data: Mapping[str, Any] | None) -> WorkspaceRecord | None:
    """Return a stored workspace, if there is one."""
    if data is None:
        return None
    return WorkspaceRecord(data["rung"], Path(data["inputs"]), Path(data["directory"]))
