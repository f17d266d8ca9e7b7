"""Fixtures of the end-to-end tests: the command, in projects of their own."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import console as consoles
import pytest
from command_histories import found
from console import Console
from gate import Gate

HERE = Path(__file__).parent

# A shell that begins the tests in the background has them, and all that they begin, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def wtb(tmp_path: Path) -> Iterator[Console]:
    """The command in an empty directory."""
    with consoles.console(tmp_path) as opened:
        yield opened


@pytest.fixture
def greeter(wtb: Console) -> Console:
    """The command in the project that `wtb init` writes."""
    wtb("init")
    return wtb


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The project that `wtb init` writes, with one batch in its store, for tests that only read."""
    with consoles.console(tmp_path_factory.mktemp("finished")) as opened:
        opened("init")
        opened("run")
        yield opened


@pytest.fixture
def gate(wtb: Console) -> Gate:
    """A project whose executions wait to be let through; see `gated/gated.py`."""
    shutil.copytree(HERE / "gated", wtb.directory, dirs_exist_ok=True)
    return Gate(wtb.directory)


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in `asking`, with one batch in its store: one execution asks, one succeeded."""
    directory = tmp_path_factory.mktemp("asked")
    shutil.copytree(HERE / "asking", directory, dirs_exist_ok=True)
    with consoles.console(directory) as opened:
        opened("run", code=130)
    return directory


@pytest.fixture
def asking(asked: Path, wtb: Console) -> Console:
    """The command in a copy of that project."""
    shutil.copytree(asked, wtb.directory, dirs_exist_ok=True)
    return wtb


@pytest.fixture
def cats(asking: Console) -> str:
    """The execution that asks a question."""
    return found(asking, case="cats")


@pytest.fixture
def dogs(asking: Console) -> str:
    """The execution that has succeeded."""
    return found(asking, case="dogs")
