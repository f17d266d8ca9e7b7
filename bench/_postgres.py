"""A PostgreSQL server for the benchmarks, and savers on databases of their own in it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from _harness import ROOT, work_directory
from _savers import Saver
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL
from psycopg_pool import ConnectionPool
from wtb.langgraph import WtbSaver

# The server is the one that the tests start as well.
sys.path.append(str(ROOT / "tests"))
from postgres_server import server

WTB = "wtb"
RIVAL = "PostgresSaver"
Pool = ConnectionPool[psycopg.Connection[DictRow]]


@contextmanager
def databases(synchronous: str, *kinds: str) -> Iterator[dict[str, str]]:
    """Start a server with its default settings; yield the address of a new database for each saver.

    Args:
        synchronous: Whether a commit waits for the disk: PostgreSQL's `synchronous_commit`.
        kinds: Which savers there are.
    """
    with server(settings=(), parent=work_directory()) as address:
        found: dict[str, str] = {}
        with psycopg.connect(address, autocommit=True) as connection:
            for number, kind in enumerate(kinds):
                name = SQL(f"saver_{number}")
                connection.execute(SQL("CREATE DATABASE {}").format(name))
                connection.execute(
                    SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(
                        name, SQL(synchronous)
                    )
                )
                found[kind] = f"{address.rpartition('/')[0]}/saver_{number}"
        yield found


@contextmanager
def savers(kind: str, address: str, count: int) -> Iterator[list[Saver]]:
    """Give the savers of `count` clients that are threads of this process.

    Args:
        kind: `WTB`: one saver for all. `RIVAL`: one for each, over one pool of as many
            connections, as one saver makes its calls one after the other whatever its pool.
        address: The database.
        count: How many clients there are.
    """
    with ExitStack() as stack:
        if kind == WTB:
            yield [stack.enter_context(WtbSaver.from_conn_string(address))] * count
            return
        if count == 1:
            # What its own documentation shows: one connection that prepares its statements.
            saver = stack.enter_context(PostgresSaver.from_conn_string(address))
            saver.setup()
            yield [saver]
            return
        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        pool: Pool = ConnectionPool(
            address, min_size=count, max_size=count, kwargs=options, open=True
        )
        stack.enter_context(pool)
        pool.wait()
        many: list[Saver] = [PostgresSaver(pool) for _ in range(count)]
        PostgresSaver(pool).setup()
        yield many
