"""What nodes learn about their execution, the metrics they log, and seeding."""

import contextvars
import math
import random
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from wtb.context import RunContext, activate, current, log_metric
from wtb.seeding import seed_everything


@pytest.fixture
def run():
    return RunContext(execution_id="e_1", variant="v", case_id="c", repeat=2, attempt=1, seed=7)


def test_outside_an_execution_everything_is_inert():
    context = current()
    assert not context.active
    assert not context.cancelled
    assert (context.execution_id, context.seed) == (None, 0)
    log_metric("m", 1.0)
    assert context.metrics == {}
    assert repr(context) == "RunContext(inactive)"


def test_the_active_context_is_seen_and_left_again(run):
    with activate(run):
        assert current() is run
        log_metric("accuracy", 0.5)
        log_metric("loss", 2, direction="min")
        log_metric("accuracy", 0.75)
    assert not current().active
    assert run.metrics == {"accuracy": (0.75, "max"), "loss": (2.0, "min")}
    assert "e_1" in repr(run)


@pytest.mark.parametrize("value", [True, 3, 0.5, Fraction(1, 2), np.float32(0.5), np.int64(3)])
def test_real_numbers_are_metrics(run, value):
    run.log_metric("m", value)
    assert run.metrics["m"].value == float(value)


@pytest.mark.parametrize("value", ["1", None, math.nan, math.inf, 1j, Decimal("NaN"), [1.0]])
def test_other_values_are_refused_by_name(value):
    with pytest.raises(ValueError, match="'accuracy'"):
        log_metric("accuracy", value)


def test_a_metric_keeps_one_direction(run):
    run.log_metric("loss", 1.0, direction="min")
    with pytest.raises(ValueError, match="one direction"):
        run.log_metric("loss", 1.0)
    with pytest.raises(ValueError, match="'max' or 'min'"):
        run.log_metric("other", 1.0, direction="up")
    with pytest.raises(ValueError, match="non-empty name"):
        run.log_metric("", 1.0)


def test_metrics_from_many_threads_all_arrive(run):
    def work(start):
        for number in range(start, start + 200):
            log_metric(f"m{number}", number)

    with activate(run):
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(work, start))
            for start in range(0, 1000, 200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert run.metrics == {f"m{number}": (float(number), "max") for number in range(1000)}


def test_cancelled_asks_whoever_knows():
    asked = iter([False, True])
    context = RunContext(execution_id="e_1", is_cancelled=lambda: next(asked))
    assert [context.cancelled, context.cancelled] == [False, True]


def test_seeding_repeats_the_draws_of_random_and_numpy():
    def draw():
        return random.random(), float(np.random.random())

    seed_everything(2**63 + 11)
    first = draw()
    assert draw() != first
    seed_everything(2**63 + 11)
    assert draw() == first
