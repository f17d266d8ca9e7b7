"""Where tests have their stores: files of their own, or schemas on the server that is named.

`WTB_TEST_STORE_URL` is the address of a PostgreSQL database. With it each store is a schema there.
"""

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SERVER = os.environ.get("WTB_TEST_STORE_URL")


def store_at(path: Path) -> str:
    """Return the address of a test's store: the same for the same path."""
    if SERVER is None:
        return str(path)
    name = hashlib.blake2b(str(path).encode(), digest_size=10).hexdigest()
    return f"{SERVER}{'&' if '?' in SERVER else '?'}schema=test_{name}"


def file_only() -> None:
    """Skip the calling test where stores are no files."""
    if SERVER is not None:
        pytest.skip("only an embedded store is a file")


def rows_of(store: str) -> dict[str, list[str]]:
    """Return all that a store holds, but for what only says which programs are alive."""
    tables = _file_rows(store) if SERVER is None else _schema_rows(store)
    return {name: sorted(rows) for name, rows in tables if name not in _ALIVE}


_ALIVE = ("sessions", "collections", "sqlite_sequence", "writers")


def _file_rows(store: str) -> Iterator[tuple[str, list[str]]]:
    connection = sqlite3.connect(f"file:{store}/wtb.db?mode=ro", uri=True)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in names:
        columns = "hash" if name == "objects" else "*"
        found = connection.execute(f"SELECT {columns} FROM {name}")
        yield name, [repr(row) for row in found]
    connection.close()


def _schema_rows(store: str) -> Iterator[tuple[str, list[str]]]:
    schema = store.rpartition("schema=")[2]

    def lines(query: str) -> list[str]:
        psql = [os.environ["WTB_TEST_PSQL"], str(SERVER), "-AtX", "-c", query]
        done = subprocess.run(psql, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    for name in lines(f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"):
        columns = "hash" if name == "objects" else "*"
        yield name, lines(f"SELECT {columns} FROM {schema}.{name}")
