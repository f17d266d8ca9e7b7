"""Where exports go: by ending, all or nothing, and what is refused."""

import gc
import json
import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
from export_graphs import CASES, WAITING, answered, build, count_variant
from hypothesis import given
from hypothesis import strategies as st

import wtb
from wtb._staged import Staged
from wtb.errors import ConfigurationError, NotFoundError, StoreError
from wtb.execution import Execution
from wtb.export import FORMATS, destination, export_batch
from wtb.export._source import StoredBatch
from wtb.export._texts import TOO_DEEP, cleaned, json_text, plain_value
from wtb.export.tables import TABLES


@pytest.mark.parametrize(("ending", "kind"), FORMATS.items())
def test_the_ending_or_the_name_says_the_format(bench, batch, tmp_path, ending, kind):
    by_ending = bench.export(batch, tmp_path / f"a{ending.upper()}")
    by_name = bench.export(batch.id[:9], str(tmp_path / "b.other"), format=kind)
    assert by_ending == [tmp_path / f"a{ending.upper()}"]
    assert by_name[0].read_bytes() == by_ending[0].read_bytes()


def test_what_cannot_be_meant_is_refused_with_what_could(bench, batch, tmp_path):
    def refused(path="a.csv", **arguments):
        with pytest.raises(ConfigurationError) as caught:
            bench.export(batch, tmp_path / path if isinstance(path, str) else path, **arguments)
        assert list(tmp_path.iterdir()) == []
        return str(caught.value)

    assert "Did you mean '.jsonl'" in refused("a.jsnl")
    assert "'.parquet'" in refused("results")
    assert "Did you mean 'parquet'" in refused(format="parket")
    assert "Did you mean 'scores'" in refused(what="score")
    assert "names no table" in refused(what=[])
    assert "Did you mean 'nodes'" in refused(what=["all", "nods"])
    assert "json has no choice" in refused("a.json", what="nodes")
    assert "bundle has no choice" in refused("a.wtb", what=["executions", "nodes"])
    assert "csv does not hold" in refused(baseline="baseline")
    assert "junit does not hold" in refused("a.xml", metric="answered")
    assert "bundle does not hold" in refused("a.wtb", metric="answered")
    assert "no variant is called 'nobody'" in refused("a.md", baseline="nobody")
    assert "nothing has a score 'nothing'" in refused("a.json", metric="nothing")
    assert "is a file to write to" in refused(3)
    assert "is a file to write to" in refused("a\0.csv")
    with pytest.raises(NotFoundError):
        bench.export("b_none", tmp_path / "a.csv")


def test_directories_are_made_and_names_may_be_any(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "ünï" / "中 \U0001f600" / "a b.csv")
    assert path.read_bytes().startswith(b"execution_id,")


def test_a_place_that_is_no_file_is_refused(bench, batch, tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(ConfigurationError, match="is a directory"):
        bench.export(batch, tmp_path / "a.csv")
    os.mkfifo(tmp_path / "b.csv")
    with pytest.raises(ConfigurationError, match="no regular file"):
        bench.export(batch, tmp_path / "b.csv")
    assert stat.S_ISFIFO((tmp_path / "b.csv").stat().st_mode)
    with pytest.raises(ConfigurationError, match=r"no regular file.*`-o -`"):
        bench.report(batch, "/dev/null")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot write .*: (Not a directory|File exists)"):
        bench.export(batch, tmp_path / "file" / "a.csv")


def test_an_open_descriptor_is_not_replaced_by_a_file(bench, batch, tmp_path):
    with (tmp_path / "log.txt").open("w") as log:
        log.write("earlier\n")
        log.flush()
        # Followed to its end, it is a regular file like any other.
        with pytest.raises(ConfigurationError, match=r"is an open descriptor.*`-o -`"):
            bench.export(batch, f"/dev/fd/{log.fileno()}", format="csv")
        (tmp_path / "link.csv").symlink_to(f"/dev/fd/{log.fileno()}")
        with pytest.raises(ConfigurationError, match="is an open descriptor"):
            bench.export(batch, tmp_path / "link.csv")
    assert (tmp_path / "log.txt").read_text() == "earlier\n"


def test_files_that_are_one_are_refused(bench, batch, tmp_path):
    (tmp_path / "link.csv").symlink_to("a.executions.csv")
    both = [
        destination(tmp_path / path, None, what, None, None)
        for path, what in (("a.csv", "all"), ("link.csv", "nodes"))
    ]
    with pytest.raises(ConfigurationError, match=r"link\.csv' is named twice"), Staged() as files:
        export_batch(files, bench, batch.id, both)
    assert [one.name for one in tmp_path.iterdir()] == ["link.csv"]


@pytest.mark.parametrize("write", ["export", "report"])
def test_a_file_that_is_replaced_hands_on_its_permissions(bench, batch, tmp_path, write):
    path = tmp_path / "a.md"
    path.touch(0o600)
    getattr(bench, write)(batch, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size > 0
    umask = os.umask(0o027)
    try:
        getattr(bench, write)(batch, tmp_path / "new.md")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new.md").stat().st_mode) == 0o640


def test_what_was_left_unfinished_long_ago_is_removed(bench, batch, tmp_path):
    for name, days in ((".wtb-0123456789ab.part", 2), (".wtb-ba9876543210.part", 0), ("b.part", 2)):
        (tmp_path / name).touch()
        at = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (at, at))
    bench.export(batch, tmp_path / "a.csv")
    found = {one.name for one in tmp_path.iterdir()}
    assert found == {"a.csv", "b.part", ".wtb-ba9876543210.part"}


def test_a_directory_that_cannot_be_written_is_said(bench, batch):
    # Nobody can write there, root included.
    with pytest.raises(ConfigurationError, match=r"cannot write '/proc/a\.csv'"):
        bench.export(batch, "/proc/a.csv")


def test_a_full_disk_is_said_and_leaves_nothing(bench, batch, tmp_path, monkeypatch):
    (tmp_path / "a.scores.csv").write_text("older")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigurationError, match=r"a\.executions\.csv.*No space left on device"):
        bench.export(batch, tmp_path / "a.csv", what="all")
    assert [path.name for path in tmp_path.iterdir()] == ["a.scores.csv"]
    assert (tmp_path / "a.scores.csv").read_text() == "older"


@pytest.mark.parametrize("name", [f"a{ending}" for ending in FORMATS])
def test_what_breaks_in_the_middle_leaves_the_older_file(tmp_path, name):
    place = tmp_path / "out"
    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.run_batch(
            build(),
            variants=[{}, count_variant()],
            test_cases=[{"kind": "fine"}],
            evaluators=[answered],
        )
        (path,) = bench.export(batch, place / name)
    before = path.read_bytes()
    with closing(sqlite3.connect(tmp_path / "store" / "wtb.db")) as store, store:
        store.execute("UPDATE executions SET status = 'lost' WHERE variant = 'counts'")
    with wtb.TestBench(tmp_path / "store") as bench, pytest.raises(StoreError, match="lost"):
        bench.export(batch.id, place / name)
    assert [one.name for one in place.iterdir()] == [name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("write", "start"), [("export", b"execution_id,"), ("report", b"<!doctype html>")]
)
def test_links_are_followed(bench, batch, tmp_path, write, start):
    (tmp_path / "real.csv").write_text("older")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    getattr(bench, write)(batch, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes().startswith(start)


def test_the_json_document_has_everything(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "a.json")
    found = json.loads(path.read_text("utf-8"))
    assert found["format"] == "wtb-export"
    assert found["version"] == 1
    assert found["batch"]["id"] == batch.id
    assert found["batch"]["counts"]["failed"] == 2
    assert [one["name"] for one in found["batch"]["evaluators"]] == ["answered", "coin", "broken"]
    assert found["comparison"] == batch.comparison.to_dict()
    for name in TABLES:
        (lines,) = bench.export(batch, tmp_path / "a.jsonl", what=name)
        assert found[name] == [json.loads(line) for line in lines.read_text("utf-8").splitlines()]


def test_the_json_document_compares_as_it_is_asked(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "a.json", baseline="worse", metric="coin")
    comparison = json.loads(path.read_text("utf-8"))["comparison"]
    assert (comparison["baseline"], comparison["metric"]) == ("worse", "coin")


def test_a_batch_that_was_left_unfinished_can_be_exported(bench, tmp_path):
    WAITING.clear()
    left = bench.start_batch(
        build(), variants=[{}], test_cases=CASES[3:4], repeats=5, max_workers=1, retries=0
    )
    left.stop()
    WAITING.set()
    for ending in FORMATS:
        (path,) = bench.export(left, tmp_path / f"a{ending}")
        assert path.stat().st_size > 0
    assert "nothing can be compared" in (tmp_path / "a.md").read_text("utf-8").lower()
    statuses = [json.loads(line)["status"] for line in (tmp_path / "a.jsonl").open("rb")]
    assert statuses == [one.status for one in left.results]
    assert "queued" in statuses


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_is_utf8_and_valid_text_is_as_it_was(text):
    found = cleaned(text)
    found.encode()
    if not any("\ud800" <= sign <= "\udfff" for sign in text):
        assert found == text


def test_values_that_are_nested_too_deeply_are_named():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert plain_value(value) == TOO_DEEP
    assert TOO_DEEP in json_text(value)


def test_executions_are_let_go_as_they_are_written(bench, batch):
    def alive():
        return sum(isinstance(one, Execution) for one in gc.get_objects())

    gc.collect()
    before = alive()
    most = 0
    for execution in StoredBatch(bench._core.engine, batch.id).executions():
        assert execution.nodes is not None
        most = max(most, alive() - before)
    assert most <= 2


def test_nothing_else_is_left_beside_the_files(bench, batch, tmp_path):
    for ending in FORMATS:
        bench.export(batch, tmp_path / f"a{ending}")
    assert {Path(one).name for one in os.listdir(tmp_path)} == {f"a{ending}" for ending in FORMATS}
