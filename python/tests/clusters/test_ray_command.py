"""The command on a cluster: run, stopped, killed, and gone on with."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stores import store_at

BENCH = """
workflow = "ray_graphs:build"
runner = "ray"
cases = "cases.jsonl"

[ray]
ray_address = "{address}"
num_cpus_per_task = 0.5
memory_per_task_gb = 0
max_actors = 2

[process]
isolation = "warm"
"""


@pytest.fixture
def command(cluster, tmp_path):
    address = cluster.get_runtime_context().gcs_address
    (tmp_path / "bench.toml").write_text(BENCH.format(address=address))
    cases = [json.dumps({"input": {"number": number, "wait_s": 0.1}}) for number in range(40)]
    (tmp_path / "cases.jsonl").write_text("\n".join(cases))
    here = str(Path(__file__).parent)
    surroundings = {**os.environ, "PYTHONPATH": here, "WTB_STORE": store_at(tmp_path / "store")}

    def command(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "wtb", *arguments],
            cwd=tmp_path,
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return command


def under_way(bench, until):
    """Wait until some executions of the newest batch have ended, and return it."""
    until(lambda: bench.batches() and bench.batch("latest").progress.counts["succeeded"] >= 4, 60)
    return bench.batch("latest")


def resumed(command, batch):
    process = command("resume", batch.id, "--json")
    document, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json.loads(document)["verdict"] == "passed"


def test_a_bench_file_runs_on_the_cluster(command, bench):
    process = command("run", "--json")
    document, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json.loads(document)["verdict"] == "passed"
    batch = bench.batch("latest")
    assert {one.status for one in batch.results} == {"succeeded"}
    workers = {one.attempts[-1].worker.partition("@")[0] for one in batch.results}
    assert workers == {"ray-1", "ray-2"}
    assert max(one.output["call"] for one in batch.results) > 1, "its processes are warm"


def test_ctrl_c_lets_what_is_under_way_end_and_the_rest_is_resumed(command, bench, until):
    process = command("run")
    batch = under_way(bench, until)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    counts = bench.batch(batch.id).progress.counts
    assert counts["running"] == 0
    assert 0 < counts["queued"] < 36
    resumed(command, batch)
    attempts = [len(one.attempts) for one in bench.batch(batch.id).results]
    assert attempts == [1] * 40, "nothing was cut off"


def test_a_killed_driver_takes_its_actors_with_it_and_the_rest_is_resumed(
    command, bench, until, journal_is_sound
):
    process = command("run")
    batch = under_way(bench, until)
    process.kill()
    process.communicate(timeout=60)
    resumed(command, batch)
    batch = bench.batch(batch.id)
    journal_is_sound(batch)
    lost = [one for one in batch.results if len(one.attempts) > 1]
    assert len(lost) <= 4, "no more than was handed out"
