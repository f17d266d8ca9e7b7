"""A cluster on this machine, started once for all tests of this folder."""

from collections import Counter

import pytest
from stores import store_at

from wtb import TestBench
from wtb.ray import RayBatchTestRunner, RayConfig


@pytest.fixture(scope="session")
def cluster():
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        resources={"special": 1},
        object_store_memory=2**28,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def make_runner(cluster):
    made = []

    def make(processes=None, **changes):
        config = RayConfig.for_testing(**{"ray_address": "auto", **changes})
        made.append(RayBatchTestRunner(config, processes=processes))
        return made[-1]

    yield make
    for runner in made:
        runner.shutdown()


@pytest.fixture
def bench(tmp_path):
    with TestBench(store_at(tmp_path / "store"), workspaces=tmp_path / "workspaces") as bench:
        yield bench


@pytest.fixture
def journal_is_sound(bench):
    """Check what must hold of every batch, whatever has happened to it."""

    def check(batch):
        ended = Counter()
        for event in bench.journal(batch=batch.id):
            kind = event.kind.removeprefix("execution.")
            if event.kind.startswith("execution.") and kind in ENDS:
                ended[event.execution_id] += 1
        expected = Counter({one.id: 1 for one in batch.results})
        assert ended == expected, "each execution has ended once"
        for one in batch.results:
            numbers = [attempt.number for attempt in one.attempts]
            assert numbers == list(range(1, len(numbers) + 1))
            succeeded = [attempt for attempt in one.attempts if attempt.status == "succeeded"]
            assert len(succeeded) == (one.status == "succeeded")

    return check


ENDS = ("succeeded", "failed", "timed_out", "cancelled")
