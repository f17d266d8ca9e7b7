"""The virtual environment of the reference implementation, made once and kept in `.bench`."""

import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

from _harness import cache_directory, note

PACKAGE = "wtb"
RELEASE = "0.3.1"


def reference_python() -> Path:
    """Return the interpreter of an environment that holds the reference, making it if needed.

    It gets the same LangGraph and Ray as this environment, so that both stand on the same ground.

    Raises:
        subprocess.CalledProcessError: pip could not install it.
    """
    folder = cache_directory() / "reference-venv"
    python = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = [
        f"{PACKAGE}[langgraph-sqlite]=={RELEASE}",
        *(f"{name}=={version(name)}" for name in ("langgraph", "langchain-core", "ray")),
    ]
    if stamp.is_file() and stamp.read_text().split() == wanted:
        return python
    note(f"installing {PACKAGE} {RELEASE} from PyPI into {folder.name} (once)")
    venv.create(folder, clear=True, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        check=True,
    )
    stamp.write_text("\n".join(wanted))
    return python
