"""`wtb export` and `wtb report`: to standard output, in one step, and ended in the middle."""

import csv
import io
import json
import os
import shlex
import signal
from pathlib import Path

import pytest
from console import COMMAND, Console, until

SHELL = shlex.join(COMMAND)


@pytest.fixture
def out(finished: Console, tmp_path: Path) -> Path:
    """A directory to write to, which is not that of the store."""
    return tmp_path


def test_a_text_goes_to_standard_output_and_nothing_else_does(finished: Console) -> None:
    before = set(os.listdir(finished.directory))
    done = finished("export", "-o", "-", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == len(finished("list", "executions", "--json").json())
    assert done.stderr == ""
    assert json.loads(finished("export", "-o", "-", "--format", "json").stdout)["version"] == 1
    assert finished("report", "-o", "-").stdout.startswith("<!doctype html>")
    assert set(os.listdir(finished.directory)) == before


def test_bytes_go_to_a_program_and_not_to_a_terminal(finished: Console, out: Path) -> None:
    finished("export", "--bundle", str(out / "main.wtb"))
    piped = finished.script(["bash", "-c", f"{SHELL} export --bundle - | cat > '{out}/piped.wtb'"])
    assert piped.code == 0, piped.stderr
    assert (out / "piped.wtb").read_bytes() == (out / "main.wtb").read_bytes()
    screen = finished.screen("export", "--bundle", "-")
    assert screen.done() == 2
    assert "bundle is no text for a terminal" in screen.text


def test_a_summary_is_added_to_what_is_there(finished: Console, out: Path) -> None:
    summary = out / "summary.md"
    summary.write_text("### An earlier step\n")
    line = f"{SHELL} export -o - --format markdown >> '{summary}'"
    assert finished.script(["bash", "-c", line]).code == 0
    assert summary.read_text().startswith("### An earlier step\n### ")
    line = f"{SHELL} export -o /dev/stdout --format markdown >> '{summary}'"
    before = summary.read_text()
    refused = finished.script(["bash", "-c", line])
    assert refused.code == 2
    assert "is an open descriptor" in refused.stderr
    assert "`-o -`" in refused.stderr
    assert summary.read_text() == before


def test_who_reads_no_further_is_no_error(finished: Console) -> None:
    line = f"set -o pipefail; {SHELL} report -o - | head -c 5"
    done = finished.script(["bash", "-c", line])
    assert (done.code, done.stdout, done.stderr) == (0, "<!doc", "")


def test_standard_output_takes_one_file_whose_format_is_named(finished: Console) -> None:
    def refused(*arguments: str) -> str:
        done = finished("export", *arguments, code=2)
        assert done.stdout == ""
        return done.stderr

    assert "`--format csv`" in refused("-o", "-")
    assert "named twice" in refused("-o", "-", "-o", "-", "--format", "csv")
    assert "standard output takes one" in refused("-o", "-", "--format", "csv", "--what", "all")
    assert "leave one of them away" in refused("-o", "-", "--format", "csv", "--json")


def test_several_files_are_one_step(finished: Console, out: Path) -> None:
    table, summary = out / "k.csv", out / "k.md"
    table.write_text("older")
    done = finished("export", "-o", str(table), "-o", str(summary), "--metric", "nosuch", code=2)
    assert "nosuch" in done.stderr
    assert done.stdout == ""
    assert {one.name: one.read_text() for one in out.iterdir()} == {"k.csv": "older"}
    done = finished("export", "-o", str(table), "-o", str(summary))
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["wrote", str(table)], ["wrote", str(summary)],
    ]  # fmt: skip


def test_one_file_is_not_written_twice(finished: Console, out: Path) -> None:
    done = finished("export", "-o", str(out / "k.csv"), "--bundle", str(out / "k.csv"), code=2)
    assert "is named twice" in done.stderr
    assert list(out.iterdir()) == []


def test_an_option_that_nothing_reads_is_refused(finished: Console, out: Path) -> None:
    path = str(out / "x.csv")
    for option, value in (("--metric", "score"), ("--baseline", "baseline")):
        done = finished("export", "-o", path, option, value, code=2)
        assert f"{option} is for json, markdown" in done.stderr
    # What the environment says is for those formats that compare.
    finished("export", "-o", path, WTB_METRIC="exact_match")


def test_quiet_says_nothing_of_files(finished: Console, out: Path) -> None:
    assert finished("export", "-q", "-o", str(out / "x.csv")).stdout == ""
    assert finished("report", "-q", "-o", str(out / "x.html")).stdout == ""
    assert {one.name for one in out.iterdir()} == {"x.csv", "x.html"}
    written = finished("export", "-q", "--json", "-o", str(out / "x.csv")).json()
    assert [one["path"] for one in written["written"]] == [str(out / "x.csv")]


SLOW = """
import os
import pathlib
import time
from dataclasses import dataclass
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph

if "REACHED" in os.environ:
    pathlib.Path(os.environ["REACHED"]).touch()
    time.sleep(60)


@dataclass
class Answer:
    text: str


class State(TypedDict, total=False):
    number: int
    answer: Any


def build():
    graph = StateGraph(State).add_node("a", lambda state: {"answer": Answer("yes")})
    return graph.add_edge(START, "a")
"""
"""A module with the type of an output: while it is imported, an export has begun to write."""


@pytest.mark.parametrize("verb", ["export", "report"])
def test_who_is_asked_to_end_leaves_nothing_unfinished(
    wtb: Console, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "bench.toml").write_text(
        'workflow = "slow:build"\n[[variants]]\n[[cases]]\ninput = { number = 1 }\n'
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    wtb("run", PYTHONPATH=path)
    out, reached = tmp_path / "out", tmp_path / "reached"
    running = wtb.start(verb, "-o", str(out / "a.csv"), PYTHONPATH=path, REACHED=str(reached))
    until(reached.exists, "the export to read a value")
    assert [one.suffix for one in out.iterdir()] == [".part"]
    running.process.send_signal(signal.SIGTERM)
    assert running.done().code == -signal.SIGTERM
    assert list(out.iterdir()) == []
