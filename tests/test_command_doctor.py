"""`wtb doctor` tells what is found, makes nothing, and exits by what does not work."""

import platform
from importlib.metadata import version

import pytest
from console import COMMAND, Console

NAMES = ["system", "limits", "Python", "LangGraph", "store", "processes", "workspaces", "Ray"]


def test_everything_is_told(wtb: Console) -> None:
    told = wtb("doctor", "--json")
    document = told.json()
    assert document["ok"] is True
    found = {check["name"]: check for check in document["checks"]}
    assert list(found) == NAMES
    assert platform.python_version() in found["Python"]["found"]
    assert version("langgraph") in found["LangGraph"]["found"]
    assert "`wtb run` makes it" in found["store"]["found"]
    assert "a template is ready in" in found["processes"]["found"]
    assert list(wtb.directory.iterdir()) == [], "nothing is made"


def test_for_people_it_is_a_line_each(wtb: Console) -> None:
    told = wtb("doctor", COLUMNS="80")
    lines = told.stdout.splitlines()
    starts = [line.split()[:2] for line in lines if not line.startswith(" ")]
    assert [start[1] for start in starts] == NAMES
    assert {start[0] for start in starts} <= {"ok", "note"}
    assert all(len(line) <= 80 for line in lines), lines


@pytest.mark.parametrize("address", ["broken.db", "postgresql://nobody:secret@127.0.0.1:1/nothing"])
def test_a_store_that_cannot_be_read_is_a_problem(wtb: Console, address: str) -> None:
    (wtb.directory / "broken.db").write_text("this is long enough to be no database at all")
    told = wtb("doctor", "--store", address, code=1)
    (line,) = [line for line in told.stdout.splitlines() if line.startswith("bad")]
    assert line.split()[1] == "store"
    assert "secret" not in told.stdout + told.stderr


def test_limits_that_are_tight_come_with_advice(wtb: Console) -> None:
    tight = ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"]
    told = wtb.script([*tight, *COMMAND, "doctor", "--json"])
    (limits,) = [check for check in told.json()["checks"] if check["name"] == "limits"]
    assert limits["status"] == "note"
    assert "256 open files" in limits["found"]
    assert "ulimit" in limits["advice"]
