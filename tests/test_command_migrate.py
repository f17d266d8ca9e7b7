"""`wtb migrate`: an older store is upgraded, everything else is left as it is."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
from console import Console
from postgres_bin import binaries
from postgres_server import PASSWORD

HOLD = """
import sys, wtb
with wtb.TestBench(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""
APPLICATION_ID = 0x5754_4253
"""What marks a SQLite file as a store."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres_server.server() as address:
        yield address


def version(path: Path) -> int:
    database = sqlite3.connect(path)
    with database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(found)


def older_file(path: Path) -> None:
    """Make a store to which no migration has been applied."""
    database = sqlite3.connect(path)
    with database:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute("PRAGMA journal_mode = wal")
    database.close()


def test_an_older_file_is_upgraded(wtb: Console) -> None:
    path = wtb.directory / "old.db"
    older_file(path)
    before, beside = path.read_bytes(), sorted(wtb.directory.iterdir())
    for _ in range(2):
        dry = wtb("migrate", "--dry-run", "--store", "old.db")
        assert "would upgrade" in dry.stdout
        assert "from schema version 0 to " in dry.stdout
        assert path.read_bytes() == before
        assert sorted(wtb.directory.iterdir()) == beside
    told = wtb("migrate", "--store", "old.db", "--json").json()
    assert (told["from"], told["to"], told["upgraded"]) == (0, version(path), True)
    assert wtb("list", "--json", "--store", "old.db").json() == []
    for more in ([], ["--dry-run"]):
        assert wtb("migrate", *more, WTB_STORE="old.db").stdout.startswith("nothing to do: `")


def test_a_store_of_this_version_is_left_as_it_is(finished: Console) -> None:
    assert "nothing to do" in finished("migrate").stdout
    told = finished("migrate", "--json").json()
    assert (told["needed"], told["upgraded"], told["from"]) == (False, False, told["to"])


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_what_is_no_older_store_is_refused_and_left_alone(
    greeter: Console, more: list[str]
) -> None:
    assert "there is no store" in greeter("migrate", *more, code=2).stderr
    assert not (greeter.directory / ".wtb").exists()
    text = greeter.directory / "no.db"
    text.write_text("this is no database, but a text" * 99)
    greeter("migrate", *more, "--store", "no.db", code=2)
    assert text.read_text() == "this is no database, but a text" * 99
    (greeter.directory / "empty.db").touch()
    nothing = greeter("migrate", *more, "--store", "empty.db", code=2)
    assert "there is nothing in it" in nothing.stderr
    assert (greeter.directory / "empty.db").read_bytes() == b""
    foreign = sqlite3.connect(greeter.directory / "recipes.db")
    with foreign:
        foreign.execute("CREATE TABLE recipes (name TEXT)")
    foreign.close()
    refused = greeter("migrate", *more, "--store", "recipes.db", code=2)
    assert "another program" in refused.stderr
    newer = greeter.directory / "newer.db"
    shutil.copy(greeter.directory / "empty.db", newer)
    older_file(newer)
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    refused = greeter("migrate", *more, "--store", "newer.db", code=2)
    assert "schema version 99" in refused.stderr
    assert version(newer) == 99


def psql(database: str, sql: str) -> str:
    program = binaries() / "psql"
    done = subprocess.run(
        [program, "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", sql, database],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_older_store_on_a_server_is_upgraded_when_asked_for(database: str, wtb: Console) -> None:
    psql(database, "CREATE SCHEMA old; CREATE TABLE old.migrations (version BIGINT PRIMARY KEY)")
    store = ("--store", f"{database}?schema=old")
    refused = wtb("list", *store, code=2).stderr
    assert "schema version 0" in refused
    assert "`wtb migrate --store 'postgresql://postgres@" in refused
    dry = wtb("migrate", "--dry-run", *store)
    assert "would upgrade" in dry.stdout
    assert psql(database, "SELECT count(*) FROM old.migrations") == "0"
    done = wtb("migrate", *store)
    assert done.stdout.startswith("upgraded `postgresql://postgres@")
    assert wtb("list", "--json", *store).json() == []
    again = wtb("migrate", *store)
    assert again.stdout.startswith("nothing to do: `postgresql://postgres@")
    for one in (refused, dry.stdout, done.stdout, again.stdout):
        assert PASSWORD not in one


def test_nothing_is_made_on_a_server_and_nothing_foreign_touched(
    database: str, wtb: Console
) -> None:
    psql(database, "CREATE SCHEMA cook; CREATE TABLE cook.recipes (name TEXT)")
    for more in ([], ["--dry-run"]):
        none = wtb("migrate", *more, "--store", f"{database}?schema=nowhere", code=2)
        assert "there is no store in schema `nowhere`" in none.stderr
        foreign = wtb("migrate", *more, "--store", f"{database}?schema=cook", code=2)
        assert "belongs to another program" in foreign.stderr
    assert psql(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'nowhere'") == "0"
    assert psql(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'cook'") == "1"


def test_a_program_that_lives_is_in_the_way(database: str, wtb: Console) -> None:
    address = f"{database}?schema=used"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        # As if what lives were of an older version.
        psql(database, "UPDATE used.migrations SET version = version - 1")
        refused = wtb("migrate", "--store", address, code=2)
        assert f"process {holder.pid} on " in refused.stderr
        assert "end them first" in refused.stderr
        dry = wtb("migrate", "--dry-run", "--store", address)
        assert f"not while it is in use by process {holder.pid} on " in dry.stdout
        (session,) = wtb("migrate", "--dry-run", "--json", "--store", address).json()["sessions"]
        assert session["process"] == holder.pid
        assert psql(database, "SELECT max(version) FROM used.migrations") == "0"
    psql(database, "UPDATE used.migrations SET version = version + 1")
    assert "nothing to do" in wtb("migrate", "--store", address).stdout
