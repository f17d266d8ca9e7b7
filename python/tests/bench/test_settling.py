"""Batches that go on until their variants are settled."""

import random
from itertools import pairwise

import pytest
from bench_graphs import workflow
from hypothesis import given
from hypothesis import strategies as st

import wtb
from wtb import Variant, evaluator
from wtb._settling import Look, looks_of
from wtb.statistics import compare_scores

CASES = [{"x": number} for number in range(1, 81)]
NEGATED = Variant("negated", nodes={"answer": "negated"})


@evaluator
def positive(output):
    return output["y"] > 0


@evaluator
def coin(case, execution):
    """Says nothing of the variant."""
    return random.Random(f"{case.id} {execution.variant} {execution.repeat}").random() < 0.5


def test_a_clear_difference_is_settled_at_the_first_look(bench):
    said = []
    batch = bench.run_until_settled(
        workflow,
        variants=[{}, NEGATED],
        test_cases=CASES,
        evaluators=[positive],
        first=20,
        until=4,
        on_look=said.append,
    )
    assert len(batch.results) == 40
    assert said == ["Settled at look 1 of 5"]
    comparison = batch.comparison.to_dict()
    assert (comparison["best"], comparison["looks"]) == ("baseline", 5)
    assert comparison["confidence"] == 0.95
    assert comparison["confidence_each"] == pytest.approx(0.99)
    assert "hold over all 5 looks" in " ".join(str(batch.comparison).split())


def test_what_cannot_be_told_goes_on_to_the_limit(bench):
    said = []
    batch = bench.run_until_settled(
        workflow,
        variants=[{}, Variant("same", nodes={"answer": "negated"})],
        test_cases=CASES[:12],
        evaluators=[coin],
        first=6,
        until=3,
        on_look=said.append,
    )
    assert said == [
        "Look 1 of 4: not settled: same; going on with 6 more cases",
        "Look 2 of 4: not settled: same; going on with 2 repeats",
        "Look 3 of 4: not settled: same; going on with 3 repeats",
    ]
    assert len(batch.results) == 2 * 12 * 3
    assert {one.repeat for one in batch.results} == {0, 1, 2}
    assert batch.comparison.best is None
    assert bench.gate(batch, baseline="baseline").to_dict()["looks"] == 4


def test_a_batch_that_was_given_up_is_not_gone_on_with(bench):
    def failing(state):
        raise ValueError("no")

    batch = bench.run_until_settled(
        workflow,
        variants=[{}, Variant("failing", nodes={"answer": failing})],
        test_cases=CASES[:12],
        evaluators=[coin],
        first=6,
        until=3,
        fail_fast=1,
    )
    assert batch.status == "failed"
    assert len(batch.results) == 12


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"until": 1}, "there is nothing to go on with"),
        ({"until": 0}, "until"),
        ({"until": 2, "first": 0}, "first"),
        ({"until": 2, "variants": [{}]}, "at least two variants"),
    ],
)
def test_what_cannot_go_on_is_refused(bench, arguments, text):
    with pytest.raises(wtb.ConfigurationError, match=text):
        bench.run_until_settled(
            workflow, **{"variants": [{}, NEGATED], "test_cases": CASES, **arguments}
        )
    assert not bench.batches()


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 5), st.integers(1, 40))
def test_looks_grow_to_all_cases_and_the_last_repeat(first, more, repeats, until):
    cases = first + more
    if not more and until <= repeats:
        with pytest.raises(wtb.ConfigurationError):
            looks_of(2, first, cases, repeats, until)
        return
    looks = looks_of(2, first, cases, repeats, until)
    assert looks[0] == Look(first, repeats)
    assert looks[-1] == Look(cases, max(repeats, until))
    assert len(looks) <= 14
    for before, after in pairwise(looks):
        assert after.cases * after.repeats > before.cases * before.repeats


def test_looking_again_and_again_finds_no_more_than_chance():
    """Without a difference, at most 5 of 100 are settled at any look."""
    found = 0
    looks = looks_of(2, 25, 100, 1, 4)
    level = 0.05 / len(looks)
    for seed in range(400):
        chance = random.Random(seed)
        difficulty = [chance.random() for _ in range(100)]
        drawn = {
            name: [[float(chance.random() < p) for _ in range(4)] for p in difficulty]
            for name in ("baseline", "same")
        }
        for look in looks:
            scores = {
                name: {f"{n}": own[: look.repeats] for n, own in enumerate(cases[: look.cases])}
                for name, cases in drawn.items()
            }
            versus = compare_scores(scores, draws=100)["same"]["vs_baseline"]
            if versus["p_adjusted"] <= level:
                found += 1
                break
    assert found <= 28, "5 % of 400, and three standard deviations"
