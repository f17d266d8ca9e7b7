"""An attempt after a 429 is not made before the server wants it, whatever the backoff."""

import itertools

import pytest
from bench_graphs import chain

REFUSALS = 2
WAIT_S = 0.4


class RateLimitError(Exception):
    retry_after = WAIT_S


def refusing(error):
    """A node that raises in its first attempts."""
    refused = []

    def node(state):
        if len(refused) < REFUSALS:
            refused.append(1)
            raise error()
        return {"y": "answered"}

    return node


def waits_s(execution):
    return [
        (after.started_at - before.finished_at).total_seconds()
        for before, after in itertools.pairwise(execution.attempts)
    ]


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_the_wait_that_a_server_asks_for_is_kept(bench, runner):
    batch = bench.run_batch(
        chain(node=refusing(RateLimitError)),
        variants=[{}],
        test_cases=[{"x": 1}],
        retries=REFUSALS,
        backoff=0,
        runner=runner,
    )
    (execution,) = batch.results
    assert execution.output["y"] == "answered"
    assert [one.status for one in execution.attempts] == ["failed", "failed", "succeeded"]
    assert all(WAIT_S - 0.01 <= wait_s < 30 * WAIT_S for wait_s in waits_s(execution))
    told = [event.data for event in bench.journal(batch=batch, kinds=["execution.retrying"])]
    assert all(WAIT_S * 900 <= one["backoff_ms"] <= WAIT_S * 1000 + 1 for one in told)


def test_a_longer_backoff_counts_more(bench):
    batch = bench.run_batch(
        chain(node=refusing(RateLimitError)),
        variants=[{}],
        test_cases=[{"x": 1}],
        retries=REFUSALS,
        backoff=2 * WAIT_S,
    )
    # Half of a backoff is chance, and the second one is twice as long.
    assert waits_s(batch.results[0])[1] > 2 * WAIT_S - 0.01


def test_without_a_wait_the_backoff_alone_counts(bench):
    batch = bench.run_batch(
        chain(node=refusing(ConnectionError)),
        variants=[{}],
        test_cases=[{"x": 1}],
        retries=REFUSALS,
        backoff=0,
    )
    told = [event.data for event in bench.journal(batch=batch, kinds=["execution.retrying"])]
    assert [one["backoff_ms"] for one in told] == [0, 0]


def test_an_error_without_retries_left_ends_at_once(bench):
    execution = bench.run(chain(node=refusing(RateLimitError)), {"x": 1})
    assert (execution.status, execution.error.type) == (
        "failed",
        "test_server_waits.RateLimitError",
    )
