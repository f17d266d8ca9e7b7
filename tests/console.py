"""Runs the `wtb` command as a person would: as a process of its own, in a directory of its own."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

PATIENCE_S = 60.0
"""How long anything may take on a busy machine before a test gives up."""

_SCRIPT = Path(sys.executable).with_name("wtb")
COMMAND = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "wtb"]


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds."""
    limit = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < limit, f"waited in vain for {what}"
        sleep(0.02)


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        return json.loads(self.stdout)

    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.stdout.splitlines()]


class Running:
    """A command under way, in a process group of its own; its output goes to files."""

    def __init__(self, process: "subprocess.Popen[Any]", stdout: Path, stderr: Path) -> None:
        self.process = process
        self._stdout, self._stderr = stdout, stderr

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(encoding="utf-8")

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def done(self) -> Done:
        code = self.process.wait(PATIENCE_S)
        return Done(code, self._stdout.read_text(encoding="utf-8"), self.stderr)


class Screen:
    """A command in a pseudo terminal of 80 columns, that a test reads and types into."""

    def __init__(self, process: "subprocess.Popen[Any]", master: int) -> None:
        self.process = process
        self._master = master
        self._pieces: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return b"".join(self._pieces).decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def done(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def _read(self) -> None:
        # The terminal goes away with its last process, which reads as an error.
        with contextlib.suppress(OSError):
            while piece := os.read(self._master, 65536):
                self._pieces.append(piece)


class Console:
    """A shell in a directory: `wtb("run", "--limit", "1")`.

    Attributes:
        directory: Where commands are run; `wtb` variables of the caller's environment are unset.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("WTB_") and name not in ("COLUMNS", "NO_COLOR")
        } | {"TERM": "xterm-256color"}
        self._started: list[subprocess.Popen[Any]] = []

    def __call__(self, *arguments: str, code: int = 0, **variables: str) -> Done:
        """Run the command, and check how it exits."""
        done = self.script([*COMMAND, *arguments], **variables)
        assert done.code == code, f"{arguments} exited with {done.code}\n{done.stdout}{done.stderr}"
        return done

    def script(self, command: list[str], **variables: str) -> Done:
        """Run any command."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self._environment | variables,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **variables: str) -> Running:
        """Begin a command."""
        number = len(self._started)
        paths = [self.directory / f"{name}-{number}.txt" for name in ("stdout", "stderr")]
        with paths[0].open("wb") as stdout, paths[1].open("wb") as stderr:
            process = self._begin(list(arguments), variables, stdout=stdout, stderr=stderr)
        return Running(process, *paths)

    def screen(self, *arguments: str, **variables: str) -> Screen:
        """Begin a command in a terminal."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

        def adopt() -> None:
            # Ctrl-C reaches the foreground group of a terminal that controls a session.
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        process = self._begin(
            list(arguments),
            variables,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=adopt,
        )
        os.close(slave)
        return Screen(process, master)

    def close(self) -> None:
        """End what is still running."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)

    def _begin(
        self, arguments: list[str], variables: dict[str, str], **streams: Any
    ) -> "subprocess.Popen[Any]":
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.directory,
            env=self._environment | variables,
            start_new_session=True,
            **streams,
        )
        self._started.append(process)
        return process


@contextlib.contextmanager
def console(directory: Path) -> Iterator[Console]:
    """Open a console, and end what was begun there."""
    opened = Console(directory)
    try:
        yield opened
    finally:
        opened.close()
