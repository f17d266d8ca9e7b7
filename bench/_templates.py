"""Templates of the fork trial as their supervisor sees them, and the environment they run in."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from _harness import CONTENDERS, ContenderError, cache_directory, note, work_directory

PACKAGES = (
    "numpy",
    "scikit-learn",
    "xgboost",
    "torch",
    "pandas",
    "pyarrow",
    "grpcio",
    "httpx",
    "langchain-openai",
)
FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"
"""Switches gRPC's own handling of forks, which is on by default."""
IMPORTS_WITHIN_S = 120.0


class TemplateEndedError(ContenderError):
    """A template ended by itself."""


class TemplateHangsError(ContenderError):
    """A template does not become ready, or does not come back from forking."""


class Template:
    """A running `contenders/forking.py`.

    Args:
        python: The interpreter of the trial's environment.
        library: What it imports.
        state: What it does beforehand: `imported`, `made`, `bare`, `used`, or `reference`.
        addresses: Those of the servers.
    """

    def __init__(
        self, python: Path, library: str, state: str, addresses: Mapping[str, str]
    ) -> None:
        script = CONTENDERS / "forking.py"
        self._command = [str(python), str(script), library, state, json.dumps(addresses)]
        self._environment = environment()
        if state == "bare":
            self._environment[FORK_SUPPORT] = "0"
        self._resources = ExitStack()
        self._rest = b""

    def __enter__(self) -> Self:
        self._log = self._resources.enter_context(tempfile.TemporaryFile("w+"))
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment,
            cwd=work_directory(),
        )
        self._selector = self._resources.enter_context(selectors.DefaultSelector())
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # It forks nothing by itself, and may hang.
        self._process.kill()
        self._process.communicate()
        self._resources.close()

    def first_report(self) -> dict[str, Any]:
        """Wait until it is ready; return what it has found.

        Raises:
            TemplateEndedError: It has ended.
            TemplateHangsError: It is not ready in time.
        """
        until = time.monotonic() + IMPORTS_WITHIN_S
        while time.monotonic() < until:
            for one in self.reports(1.0):
                return one
        raise TemplateHangsError("a template did not become ready")

    def ask(self, request: Mapping[str, Any]) -> None:
        """Ask for one attempt.

        Raises:
            TemplateEndedError: It has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise TemplateEndedError(f"a template ended:\n{self.log()}") from None

    def reports(self, timeout: float) -> list[dict[str, Any]]:
        """Return what template, keepers and attempts report within the timeout, in seconds.

        Raises:
            TemplateEndedError: All of them have ended.
        """
        if not self._selector.select(max(timeout, 0)):
            return []
        assert self._process.stdout is not None
        read = os.read(self._process.stdout.fileno(), 1 << 16)
        if not read:
            raise TemplateEndedError(f"a template ended:\n{self.log()}")
        *lines, self._rest = (self._rest + read).split(b"\n")
        return [json.loads(line) for line in lines]

    def log(self) -> str:
        """Return the end of what it and its children wrote to stderr."""
        self._log.seek(0)
        text = self._log.read()
        # Writers share the position.
        self._log.seek(0, os.SEEK_END)
        return text[-3000:]


def trial_python() -> Path:
    """Return the interpreter of an environment that holds the libraries, making it if needed.

    Raises:
        subprocess.CalledProcessError: pip could not install them.
    """
    folder = cache_directory() / "fork-venv"
    python = folder / "bin" / "python"
    if python.exists() and len(installed(python)) == len(PACKAGES):
        return python
    note(f"installing {', '.join(PACKAGES)} into {folder.name} (once, some GB)")
    venv.create(folder, clear=True, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        check=True,
    )
    return python


def installed(python: Path) -> dict[str, str]:
    """Return the versions of those libraries that an environment has."""
    program = (
        "import importlib.metadata as found, json, sys\n"
        "have = {one.name: one.version for one in found.distributions()}\n"
        "print(json.dumps({name: have[name] for name in sys.argv[1:] if name in have}))"
    )
    command = [str(python), "-c", program, *PACKAGES]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
    versions: dict[str, str] = json.loads(done.stdout)
    return versions


@contextmanager
def servers(python: Path) -> Iterator[dict[str, str]]:
    """Start the servers on loopback; give their addresses, and end them afterwards."""
    command = [str(python), str(CONTENDERS / "fork_servers.py")]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ContenderError("the servers ended")
        yield json.loads(line)
        process.kill()


def environment() -> dict[str, str]:
    """Return an environment without other packages, proxies and tracing."""
    left = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", FORK_SUPPORT) and not name.lower().endswith("_proxy")
    }
    return {**left, "LANGSMITH_TRACING": "false"}
