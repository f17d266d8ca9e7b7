"""What values become: strict by default, never pickled, encrypted if wanted, and never wrong."""

import dataclasses
import io
import pickle
import pickletools
import re
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import UTC, datetime
from enum import Enum

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from lineages import LARGE, Lineage, config
from pydantic import BaseModel

from wtb.errors import ConfigurationError, StoreError
from wtb.langgraph.saver import WtbSaver

KEY = b"0123456789abcdef"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Model(BaseModel):
    name: str
    size: int = 3


class Colour(Enum):
    RED = "red"


class Fails:
    """Construction of this is what a strict reader must not do."""

    made = 0

    def __init__(self, *given, **named):
        type(self).made += 1

    def __reduce__(self):
        return (Fails, ())


def read_back(saver, thread, **values):
    Lineage(saver, thread).put(**values)
    return Lineage(saver, thread).at()


PLAIN = {"point": {"x": 1, "y": 2}, "model": {"name": "n", "size": 3}, "colour": "red"}
OBJECTS = {"point": Point(1), "model": Model(name="n"), "colour": Colour.RED}


def test_objects_of_the_user_come_back_as_plain_parts(saver, thread):
    found = read_back(saver, thread, **OBJECTS)
    assert found == PLAIN
    assert {type(one) for one in found.values()} == {dict, str}


@pytest.mark.parametrize("as_names", [False, True])
def test_allowed_types_come_back_as_they_were(store_url, thread, as_names):
    types = [Point, Model]
    allowed = [(one.__module__, one.__qualname__) for one in types] if as_names else types
    with WtbSaver(store_url, allowed_types=allowed) as saver:
        assert read_back(saver, thread, **OBJECTS) == {**OBJECTS, "colour": "red"}
    with WtbSaver(store_url) as strict:
        assert Lineage(strict, thread).at() == PLAIN, "it is the reader that decides"
    with WtbSaver.from_conn_string(store_url, allowed_types=[*types, Colour]) as saver:
        assert Lineage(saver, thread).at() == OBJECTS


def test_types_that_langgraph_holds_for_safe_come_back(saver, thread):
    values = {
        "id": uuid.uuid4(),
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "messages": [HumanMessage("h", id="1"), AIMessage("a" * 9_000, id="2")],
        "set": {1, 2},
        "pattern": re.compile("a+"),
        "bytes": b"\x00\xff",
        "bytearray": bytearray(b"abc"),
        "none": None,
        "text": "é😀" + LARGE,
        "deep": {"a": [{"b": 1.5}]},
    }
    found = read_back(saver, thread, **values)
    assert found == values
    assert {name: type(one) for name, one in found.items()} == {
        name: type(one) for name, one in values.items()
    }


def test_a_serializer_and_allowed_types_exclude_each_other(store_url):
    with pytest.raises(ConfigurationError, match="allowed_types"):
        WtbSaver(store_url, serde=JsonPlusSerializer(), allowed_types=[Point])


@pytest.mark.parametrize("bad", [lambda: 0, object(), Fails, 2**70, (x for x in ())])
def test_what_cannot_be_serialised_is_refused_and_changes_nothing(saver, thread, bad):
    lineage = Lineage(saver, thread)
    lineage.put(x=1)
    before = lineage.branch()
    with pytest.raises(TypeError):
        lineage.put(x=bad)
    with pytest.raises(TypeError):
        saver.put_writes(config(thread, before.head), [("x", 1), ("y", bad)], "t")
    assert before.at() == {"x": 1}
    assert before.ids() == [before.head]
    assert saver.get_tuple(config(thread)).pending_writes == []


COPY = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"


def one_file(database):
    """A copy of a database in one file, which Python's SQLite may open beside the store's own.

    It is made by another process: two SQLites in one process break each other's locks.
    """
    target = database.with_name("copy.db")
    target.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-c", COPY, str(database), str(target)], check=True, timeout=60)
    return target


def rows(copied, statement):
    with closing(sqlite3.connect(copied)) as connection:
        return connection.execute(statement).fetchall()


def blobs(copied):
    """All bytes of all rows of the store."""
    for (table,) in rows(copied, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        for row in rows(copied, f"SELECT * FROM {table}"):
            yield from (one for one in row if isinstance(one, bytes))


def is_pickle(data):
    try:
        pickletools.dis(data, out=io.StringIO())
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
    return True


def test_nothing_is_ever_pickled(store_url, database, thread):
    assert is_pickle(pickle.dumps(Point(1)))
    with WtbSaver(store_url) as saver:
        read_back(saver, thread, **OBJECTS, large=Model(name=LARGE), fails=[1])
        with pytest.raises(TypeError):
            Lineage(saver, thread).put(x=Fails())
        kinds = saver._checkpoints.get(thread, "", None)[7]
    assert {kind for _, kind, _ in kinds} <= {"msgpack", "null", "bytes"}
    protocols = [re.compile(rb"\x80[\x02-\x05](\x95|c|\})")]
    for data in blobs(one_file(database)):
        assert not is_pickle(data)
        assert not any(one.match(data) for one in protocols)
    assert Fails.made == 1, "by the test itself"


SECRETS = {
    "secret": "the-secret-text-itself",
    "long": "the-secret-text-itself " * 1_000,
    "message": HumanMessage("the-secret-text-itself", id="1"),
    "number": 5,
}


def raw(database):
    return b"".join(
        one.read_bytes() for one in database.parent.iterdir() if one.name.startswith(database.name)
    )


def test_an_encrypted_state_leaves_no_plain_text(store_url, database, thread):
    serde = EncryptedSerializer.from_pycryptodome_aes(key=KEY)
    with WtbSaver(store_url, serde=serde) as saver:
        lineage = Lineage(saver, thread)
        lineage.put(**SECRETS)
        at = config(thread, lineage.head)
        for step in range(5):
            lineage.put(long=SECRETS["long"] + str(step))
        saver.put_writes(at, [("secret", "the-secret-text-itself"), ("x", "secret")], "t")
        assert lineage.at() == {**SECRETS, "long": SECRETS["long"] + "4"}
        assert saver.get_tuple(at).checkpoint["channel_values"] == SECRETS
        assert len(saver.get_tuple(at).pending_writes) == 2
        kinds = {kind for _, kind, _ in saver._checkpoints.get(thread, "", None)[7]}
        assert kinds == {"msgpack+aes"}
        assert b"secret-text" not in raw(database), "nor in the log of what is written"
    assert b"secret-text" not in raw(database)
    assert b"secret" in raw(database), "names of channels are plain"
    with WtbSaver(store_url, serde=serde) as again:
        assert Lineage(again, thread).at()["secret"] == SECRETS["secret"]
    wrong = EncryptedSerializer.from_pycryptodome_aes(key=KEY[::-1])
    with WtbSaver(store_url, serde=wrong) as other, pytest.raises(ValueError, match="MAC"):
        Lineage(other, thread).at()
    with WtbSaver(store_url) as plain, pytest.raises(NotImplementedError, match="aes"):
        Lineage(plain, thread).at()


def test_the_search_for_plain_text_would_find_it(store_url, database, thread):
    with WtbSaver(store_url) as saver:
        Lineage(saver, thread).put(**SECRETS)
    assert b"the-secret-text-itself" in raw(database)


def grown(store_url, thread):
    """Values that are stored whole, compressed and as differences; returns them by checkpoint."""
    noise = "".join(str(uuid.uuid5(uuid.NAMESPACE_DNS, str(n))) for n in range(400))
    with WtbSaver(store_url) as saver:
        lineage, expected = Lineage(saver, thread), {}
        for step in range(6):
            lineage.put(noise=noise + "x" * step, text=LARGE * (step + 1), small=step)
            expected[lineage.head] = dict(lineage.values)
            at = config(thread, lineage.head)
            saver.put_writes(at, [("noise", [step, noise])], "t")
        saver.get_tuple(at)
    return expected, noise


def damaged(source, target, statement, *parameters):
    """A copy of a database with one statement executed in it."""
    target.write_bytes(source.read_bytes())
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute(statement, parameters)
    return f"sqlite:///{target}"


CHANGES = {
    "first": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "middle": lambda data: (
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0x40]) + data[len(data) // 2 + 1 :]
    ),
    "last": lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\x00",
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("how", CHANGES)
def test_damaged_bytes_are_an_error_and_never_a_value(store_url, database, thread, how):
    expected, noise = grown(store_url, thread)
    source = one_file(database)
    objects = rows(source, "SELECT key, data FROM objects")
    assert len(objects) >= 6
    for key, data in objects:
        url = damaged(
            source,
            database.with_name(f"{key}.db"),
            "UPDATE objects SET data = ? WHERE key = ?",
            CHANGES[how](data),
            key,
        )
        with WtbSaver(url) as saver:
            errors = []
            for step, (at, values) in enumerate(expected.items()):
                try:
                    found = saver.get_tuple(config(thread, at))
                except StoreError as error:
                    errors.append(str(error))
                else:
                    assert found.checkpoint["channel_values"] == values
                    assert found.pending_writes == [("t", "noise", [step, noise])]
            assert errors or how == "longer", "what is too much may be left alone"
            assert all(re.search(r"object [0-9a-f]{64}", text) for text in errors), errors
            if errors:
                with pytest.raises(StoreError, match=r"object [0-9a-f]{64}"):
                    [*saver.list(config(thread))]


def test_a_missing_object_is_an_error_that_names_it(store_url, database, thread):
    expected, _ = grown(store_url, thread)
    source = one_file(database)
    for (key,) in rows(source, "SELECT key FROM objects"):
        target = database.with_name(f"{key}.db")
        with WtbSaver(damaged(source, target, "DELETE FROM objects WHERE key = ?", key)) as saver:
            errors = []
            for at, values in expected.items():
                try:
                    found = saver.get_tuple(config(thread, at))
                except StoreError as error:
                    errors.append(str(error))
                else:
                    assert found.checkpoint["channel_values"] == values
            assert errors
            assert all(re.search(r"object.*[0-9a-f]{64}", text) for text in errors), errors
