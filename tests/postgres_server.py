"""A private PostgreSQL server: it is gone with the process that starts it, however that ends."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from console import until
from postgres_bin import binaries

PASSWORD = "s3cret"
NOBODY = 65534
"""PostgreSQL refuses to run as root; it runs as nobody then."""

_KEEPER = """
trap '' INT TERM HUP
root=$1; shift
"$@" >>"$root/log" 2>&1 &
server=$!
read order
kill -QUIT $server
wait $server
rm -rf "$root" 2>/dev/null
"""


@contextlib.contextmanager
def server(settings: Sequence[str] = ("fsync=off",), parent: Path | None = None) -> Iterator[str]:
    """Start a server and yield the address of its database.

    Args:
        settings: What it is told beside its defaults. Tests do not care for a power cut.
        parent: Where its directory is made; by default where temporary files are.
    """
    root = Path(tempfile.mkdtemp(prefix="wtb-postgres-", dir=parent))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(root, NOBODY, NOBODY)
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if is_root else {}
    (root / "password").write_text(PASSWORD, encoding="utf-8")
    made = subprocess.run(
        [
            *(binaries() / "initdb", "-D", root / "data", "--username=postgres"),
            *("--encoding=UTF8", "--locale=C", "--no-sync", "--auth=scram-sha-256"),
            f"--pwfile={root / 'password'}",
        ],
        capture_output=True,
        text=True,
        cwd="/",
        **user,
    )
    assert made.returncode == 0, made.stderr
    log = root / "log"
    program = [binaries() / "postgres", "-D", root / "data", "-k", root, "-h", "127.0.0.1"]
    program += ["-p", str(port), *(word for setting in settings for word in ("-c", setting))]
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "keeper", root, *program],
        stdin=subprocess.PIPE,
        cwd="/",
        **user,
    )
    try:
        until(lambda: log.exists() and "ready to accept" in log.read_text("utf-8"), "the server")
        yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        # The end of its input is the order to stop the server and to clear up.
        keeper.communicate(timeout=60)
        shutil.rmtree(root, ignore_errors=True)
