"""Ctrl-C, and nodes and factories that raise what Ctrl-C and `sys.exit` raise."""

import os
import signal
import sys

import pytest
from bench_graphs import chain

import wtb
from wtb import Workflow
from wtb.errors import ConfigurationError


@pytest.fixture(autouse=True)
def heard():
    """Has Ctrl-C heard, also where the tests were begun in the background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def interrupts(state):
    raise KeyboardInterrupt


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_a_node_that_raises_keyboard_interrupt_costs_one_attempt(bench, runner):
    batch = bench.run_batch(
        chain(node=interrupts), variants=[{}], test_cases=[{"x": 1}, {"x": 2}], runner=runner
    )
    assert [one.status for one in batch.results] == ["failed", "failed"]
    assert {one.error.type for one in batch.results} == {"KeyboardInterrupt"}


def test_ctrl_c_while_the_inline_runner_works_leaves_the_rest_to_a_later_session(bench):
    def pressed(state):
        os.kill(os.getpid(), signal.SIGINT)
        return {"y": 1}

    cases = [{"x": number} for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        bench.run_batch(chain(node=pressed), variants=[{}], test_cases=cases, runner="inline")
    batch = bench.batch("latest")
    assert sorted(one.status for one in batch.results) == ["queued", "queued", "succeeded"]
    assert batch.is_resumable


def test_a_factory_that_exits_or_raises_shows_where(bench):
    def exits():
        sys.exit("no way")

    with pytest.raises(ConfigurationError, match="SystemExit: no way") as caught:
        bench.run(exits, {"x": 1})
    assert 'sys.exit("no way")' in str(caught.value)


def test_another_workflow_under_a_name_that_is_taken_is_said(bench):
    bench.register(Workflow("ml", chain(node=interrupts)))
    with pytest.warns(RuntimeWarning, match="another workflow was registered as 'ml'"):
        bench.register(Workflow("ml", chain(node=interrupts)))


def test_more_workers_than_the_runner_has_are_said(bench):
    with pytest.warns(RuntimeWarning, match="max_workers=4 is more than the inline runner has"):
        bench.run_batch(
            chain(node=lambda state: {"y": 1}),
            variants=[{}],
            test_cases=[{"x": 1}],
            runner="inline",
            max_workers=4,
        )
    assert wtb.current().active is False
