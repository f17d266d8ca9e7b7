"""Runs a command with `WTB_TEST_STORE_URL` set to a PostgreSQL server of its own.

python tests/on_postgres.py pytest -q python/tests/saver
"""

import os
import subprocess
import sys

from postgres_bin import binaries
from postgres_server import server


def main() -> int:
    """Run the command; its exit code is this program's."""
    with server() as url:
        environment = {
            **os.environ,
            "WTB_TEST_STORE_URL": url,
            "WTB_TEST_PSQL": str(binaries() / "psql"),
        }
        return subprocess.run(sys.argv[1:], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
