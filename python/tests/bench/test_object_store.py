"""Large values and files in a directory beside the store."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from stores import file_only, store_at

import wtb
from wtb import TestBench
from wtb.errors import ConfigurationError, StoreError

LARGE = 400_000
HOUR_S = 3600


class State(TypedDict, total=False):
    number: int
    large: bytes


def enlarge(state):
    if workspace := wtb.current().workspace:
        Path(workspace, "large.bin").write_bytes(noise(state["number"] + 1))
    return {"large": noise(state["number"])}


def build():
    return StateGraph(State).add_node(enlarge).add_edge(START, "enlarge").add_edge("enlarge", END)


def noise(number):
    return random.Random(number).randbytes(LARGE)


def large_files(directory):
    return [
        path for path in directory.rglob("*") if path.is_file() and path.stat().st_size >= LARGE
    ]


def age(directory):
    long_ago = time.time() - 2 * HOUR_S
    for path in large_files(directory):
        os.utime(path, (long_ago, long_ago))


def test_large_values_and_files_are_in_the_directory_for_whoever_opens_the_store(tmp_path):
    store, directory = store_at(tmp_path / "store"), tmp_path / "objects"
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    with TestBench(store, object_store=directory, workspaces=tmp_path / "workspaces") as bench:
        batch = bench.run_batch(
            build, variants=[{}], test_cases=[{"number": 1}, {"number": 2}], workspace=inputs
        )
        batch.raise_for_status()
    with TestBench(store) as bench:
        first, second = bench.batch(batch.id).results
        assert [first.output["large"], second.output["large"]] == [noise(1), noise(2)]
        bench.restore(second, tmp_path / "restored")
        assert (tmp_path / "restored" / "large.bin").read_bytes() == noise(3)
        known = set(large_files(directory))
        assert bench.run(build, {"number": 4}).output["large"] == noise(4)
        new = set(large_files(directory)) - known
        assert new
        bench.run(build, {"number": 4}).raise_for_status()
        assert set(large_files(directory)) == known | new, "the same bytes are there once"
    if "://" not in store:
        assert (tmp_path / "store" / "wtb.db").stat().st_size < LARGE


def test_what_was_in_the_database_stays_there(tmp_path):
    store = store_at(tmp_path / "store")
    with TestBench(store) as bench:
        before = bench.run(build, {"number": 1}).id
    with TestBench(store, object_store=tmp_path / "objects") as bench:
        after = bench.run(build, {"number": 2}).id
        assert large_files(tmp_path / "objects")
        found = [bench.execution(one).output["large"] for one in (before, after)]
        assert found == [noise(1), noise(2)]


def test_a_directory_that_is_gone_is_told_and_one_that_was_moved_is_found(tmp_path):
    store, directory = store_at(tmp_path / "store"), tmp_path / "objects"
    with TestBench(store, object_store=directory) as bench:
        execution = bench.run(build, {"number": 1}).id
        with pytest.raises(StoreError, match="already"):
            TestBench(store, object_store=tmp_path / "other")
        assert not (tmp_path / "other").exists()
    (tmp_path / "link").symlink_to(directory)
    with TestBench(store, object_store=tmp_path / "link") as bench:
        assert bench.execution(execution).output["large"] == noise(1)
    moved = directory.rename(tmp_path / "moved")
    with TestBench(store) as bench:
        assert bench.execution(execution).status == "succeeded"
        with pytest.raises(StoreError, match="mount it on this machine"):
            _ = bench.execution(execution).output
    with TestBench(store, object_store=moved) as bench:
        assert bench.execution(execution).output["large"] == noise(1)


def test_a_directory_below_an_embedded_store_goes_with_it(tmp_path):
    file_only()
    with TestBench(tmp_path / "store", object_store=tmp_path / "store" / "objects") as bench:
        execution = bench.run(build, {"number": 1}).id
    (tmp_path / "store").rename(tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "copy")
    for store in ("moved", "copy"):
        with TestBench(tmp_path / store) as bench:
            assert bench.execution(execution).output["large"] == noise(1)


@pytest.mark.parametrize("given", ["", 5, "s3://bucket/objects", "file:///objects"])
def test_what_is_no_directory_is_refused(tmp_path, given):
    with pytest.raises(ConfigurationError, match="object_store is a directory"):
        TestBench(tmp_path, object_store=given)
    assert not (tmp_path / "wtb.db").exists()


def test_the_command_sets_it_reports_it_and_clears_it_up(tmp_path):
    surroundings = {
        **os.environ,
        "WTB_STORE": store_at(tmp_path / "store"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }

    def command(*arguments):
        called = [sys.executable, "-m", "wtb", *arguments]
        return subprocess.run(
            called, cwd=tmp_path, env=surroundings, capture_output=True, text=True
        )

    shutil.copy(__file__, tmp_path / "large_graph.py")
    (tmp_path / "bench.toml").write_text(
        'workflow = "large_graph:build"\ncases = [{input = {number = 1}}]\n'
        'object_store = "objects"\n'
    )
    ran = command("run", "bench.toml")
    assert ran.returncode == 0, ran.stderr
    assert large_files(tmp_path / "objects")
    refused = command("run", "bench.toml", "--object-store", "another")
    assert refused.returncode == 2, refused
    assert "already" in refused.stderr
    checks = json.loads(command("doctor", "--json").stdout)["checks"]
    (found,) = [one for one in checks if one["name"] == "store"]
    assert found["status"] == "ok"
    assert f"large objects in `{tmp_path / 'objects'}`" in found["found"]
    age(tmp_path / "objects")
    assert command("gc").returncode == 0
    named = set(large_files(tmp_path / "objects"))
    stray = next(iter(named))
    shutil.copy2(stray, stray.with_name("00" + stray.name[2:]))
    assert command("gc").returncode == 0
    assert set(large_files(tmp_path / "objects")) == named, "what nobody names goes"
    with TestBench(surroundings["WTB_STORE"]) as bench:
        (execution,) = bench.batch("latest").results
        assert execution.output["large"] == execution.state["large"] == noise(1)
