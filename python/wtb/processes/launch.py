"""How the processes of a job are started, wherever that is."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Protocol, TypeVar

from wtb._environments import ENV_VARS
from wtb._warn import warn_caller
from wtb.errors import WorkerError
from wtb.processes.preload import ALWAYS

__all__ = ["Launch", "interpreter"]

OWN_MODULES_S_MIN = 5.0
"""How long the user's modules may take in the template at least, however short the timeout is."""

OWN_MODULES_S_MAX = 60.0
"""How long they may take at most. Then each attempt imports them."""

_BOOT = (
    "import json, sys; sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from wtb.processes.template import main; main()"
)


class Started(Protocol):
    """What stands on a template."""

    def ground(self) -> str:
        """Return what the template found out, as JSON."""
        ...

    def close(self) -> None:
        """End all that was started."""
        ...


S = TypeVar("S", bound=Started)


@dataclass(frozen=True)
class Launch:
    """How the processes of a job are started. It can be sent to another machine.

    Attributes:
        libraries: The modules of libraries that the template imports.
        own_modules: The user's modules that it imports after them.
        preload: Those among the libraries that the user has asked for.
        limits: What an attempt's processes may use, as the engine takes it.
        directory: The working directory; None for that of the program.
        environment: Environment variables, over those of the program.
        command: A program with its arguments that takes the worker's place.
        timeout_s: How long an attempt may take.
        grace_s: How long processes have to end by themselves.
        is_fresh: Whether each attempt has a process of its own.
    """

    libraries: Sequence[str]
    own_modules: Sequence[str]
    preload: Sequence[str]
    limits: Mapping[str, Any]
    directory: str | None
    environment: Sequence[tuple[str, str]]
    command: Sequence[str]
    timeout_s: float | None
    grace_s: float
    is_fresh: bool

    def with_variables(self, environment: Mapping[str, Any] | None) -> "Launch":
        """Return this with the environment variables of a variant's environment, over its own."""
        given: Mapping[str, str] = (environment or {}).get(ENV_VARS, {})
        return replace(self, environment=(*self.environment, *given.items()))

    def start(self, start: Callable[[str], S]) -> S:
        """Start processes, in the best way that is safe with what they import.

        Args:
            start: Starts processes with the settings that it is given, as JSON.

        Returns:
            What `start` has returned last.
        """
        started, ground = self._prepared(start)
        for name, reason in ground["failed_imports"]:
            # What the user's modules import fails in the attempts, or nowhere.
            if name in self.preload:
                warn_caller(f"the module {name!r} could not be preloaded: {reason}")
        if ground["unsafe_to_fork"] is None:
            return started
        started.close()
        warn_caller(
            f"processes are not forked for each attempt: {ground['unsafe_to_fork']}. "
            "Attempts share workers that import the libraries themselves (isolation='warm')",
            RuntimeWarning,
        )
        # What every worker needs starts no threads, and need not be imported by each of them.
        bare = replace(self, libraries=ALWAYS, own_modules=(), is_fresh=False)
        return start(bare.settings())

    def _prepared(self, start: Callable[[str], S]) -> tuple[S, dict[str, Any]]:
        """Start a template; without the user's own modules, where they are not safe in it."""
        without = replace(self, own_modules=())
        try:
            started = start(self.settings())
            ground: dict[str, Any] = json.loads(started.ground())
        except WorkerError:
            # A module may end the process that imports it. Then it costs the attempts, one by one.
            if not self.own_modules:
                raise
            return without._prepared(start)
        if ground["unsafe_own_modules"] is None:
            return started, ground
        started.close()
        return without._prepared(start)

    def settings(self) -> str:
        """Return the engine's settings for a template of this interpreter, as JSON."""
        settings = {
            **interpreter(),
            "modules": list(self.libraries),
            "own_modules": list(self.own_modules),
            "own_modules_within_s": max(
                OWN_MODULES_S_MIN, min(self.timeout_s or inf, OWN_MODULES_S_MAX)
            ),
            "limits": dict(self.limits),
            "directory": self.directory,
            "environment": list(self.environment),
            "command": list(self.command),
            "timeout_s": self.timeout_s,
            "grace_s": self.grace_s,
            "fresh": self.is_fresh,
        }
        return json.dumps(settings)


def interpreter() -> dict[str, Any]:
    """Return how a template's interpreter is started: with this one's paths and arguments."""
    given = [[os.path.abspath(entry) for entry in sys.path], sys.argv]
    return {"program": sys.executable, "arguments": ["-P", "-c", _BOOT, json.dumps(given)]}
