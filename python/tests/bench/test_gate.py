"""Gates over stored batches: against a variant, another batch, and a file."""

import pytest
from bench_graphs import workflow

import wtb
from wtb import Variant, evaluator


@evaluator
def solved(output, case):
    """One of ten is never solved, so that there is something to differ in."""
    return output["y"] > 0 and case.input["x"] % 10 != 3


def run(bench, count=120, **options):
    variants = options.pop("variants", [{}])
    return bench.run_batch(
        workflow,
        variants=variants,
        test_cases=[{"x": number} for number in range(count)],
        evaluators=[solved],
        **options,
    )


NEGATED = Variant("negated", nodes={"answer": "negated"})


def test_against_a_variant_of_the_same_batch(bench):
    batch = run(bench, variants=[{}, NEGATED])
    verdict = bench.gate(batch, baseline="baseline")
    assert (verdict.outcome, verdict.exit_code) == ("regression", 101)
    assert (verdict.candidate, verdict.baseline) == ("negated", "baseline")
    assert verdict.difference == pytest.approx(-108 / 120)
    assert verdict.cases == 120
    assert "`solved` of negated is 0.9000 lower than that of baseline" in verdict.reason
    assert str(verdict).startswith("REGRESSION: ")
    assert verdict.to_markdown().startswith("### WTB gate: REGRESSION")
    assert verdict.to_dict()["losses"] == 108
    with pytest.raises(wtb.GateError, match="regression: `solved`"):
        verdict.raise_for_outcome()
    back = bench.gate(batch, baseline="negated")
    assert (back.outcome, back.candidate, back.exit_code) == ("pass", "baseline", 0)
    assert back.raise_for_outcome() is back


def test_against_another_batch_on_the_cases_of_both(bench):
    before, after = run(bench, 80), run(bench, 120)
    verdict = bench.gate(after, baseline=before, max_regression=0.1)
    assert (verdict.outcome, verdict.cases, verdict.difference) == ("pass", 80, 0)
    assert verdict.baseline == f"baseline@{before.id[:8]}"
    assert bench.gate(after.id, baseline=before.id, max_regression=0.1).outcome == "pass"


def test_against_a_file(bench, tmp_path):
    batch = run(bench, 60)
    (path,) = bench.export(batch, tmp_path / "main.wtb")
    again = path.read_bytes()
    bench.export(batch, path)
    assert path.read_bytes() == again, "the same batch gives the same bytes"
    with wtb.TestBench(tmp_path / "elsewhere") as other:
        verdict = other.gate(run(other, 60, variants=[NEGATED]), baseline=path)
        assert (verdict.outcome, verdict.baseline) == ("regression", "baseline@file")
        assert verdict.cases == 60


def test_a_file_that_is_no_baseline_is_refused(bench, tmp_path):
    batch = run(bench, 9)
    (path,) = bench.export(batch, tmp_path / "main.wtb")
    damaged = tmp_path / "damaged.wtb"
    damaged.write_bytes(path.read_bytes()[:-1])
    newer = tmp_path / "newer.wtb"
    newer.write_bytes(path.read_bytes().replace(b"wtb-bundle 1", b"wtb-bundle 9", 1))
    foreign = tmp_path / "foreign.wtb"
    foreign.write_text("hello\n")
    for wrong, text in [
        (damaged, "it is damaged"),
        (newer, "version 9, and this program reads up to 1"),
        (foreign, "it is no bundle"),
        (tmp_path / "none.wtb", "there is no file"),
        ("basline", "Did you mean 'baseline'"),
    ]:
        with pytest.raises(wtb.ConfigurationError, match=text):
            bench.gate(batch, baseline=wrong)


def test_few_cases_are_inconclusive_and_say_what_would_settle_it(bench):
    batch = run(bench, 12)
    verdict = bench.gate(run(bench, 12), baseline=batch, inconclusive="pass")
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 0)
    assert verdict.raise_for_outcome() is verdict
    assert "neither within 0.02 nor shown to be worse" in verdict.reason
    strict = bench.gate(run(bench, 12), baseline=batch)
    assert strict.exit_code == 102
    with pytest.raises(wtb.GateError, match="inconclusive: "):
        strict.raise_for_outcome()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"baseline": "baseline", "variant": "baseline"}, "against itself"),
        ({"baseline": "baseline", "variant": "negatd"}, "no variant is called `negatd`"),
        ({"baseline": "baseline", "metric": "slved"}, "Did you mean 'solved'"),
        ({"baseline": "baseline", "max_regression": -1}, "max_regression is a number from 0 on"),
        ({"baseline": "baseline", "confidence": 95}, "confidence is between"),
        ({"baseline": "baseline", "inconclusive": "warn"}, "'fail' or 'pass'"),
        ({"baseline": "baseline", "objective": {}}, "objective is a mapping"),
        ({"baseline": "baseline", "objective": {"slved": 1}}, "no execution has `slved`"),
        ({"baseline": "baseline", "objective": {"a": 1}, "metric": "b"}, "not by both"),
    ],
)
def test_wrong_questions_are_refused(bench, arguments, text):
    batch = run(bench, 8, variants=[{}, NEGATED])
    with pytest.raises(wtb.ConfigurationError, match=text):
        bench.gate(batch, **arguments)


def test_a_batch_with_several_candidates_has_to_say_which(bench):
    batch = run(bench, 8, variants=[{}, NEGATED, Variant("logs", nodes={"answer": "negated"})])
    with pytest.raises(wtb.ConfigurationError, match="has 2 that could: negated, logs"):
        bench.gate(batch, baseline="baseline")


def test_scores_of_an_evaluator_that_has_changed_since_the_baseline_are_not_judged(bench, tmp_path):
    before = run(bench, 20)
    (path,) = bench.export(before, tmp_path / "main.wtb")

    @evaluator(name="solved")
    def stricter(output, case):
        return output["y"] > 10 and case.input["x"] % 10 != 3

    after = bench.run_batch(
        workflow,
        variants=[{}],
        test_cases=[{"x": number} for number in range(20)],
        evaluators=[stricter],
    )
    verdict = bench.gate(after, baseline=path)
    assert verdict.outcome == "inconclusive"
    assert "`solved` was scored by 2 versions of evaluator `solved`" in verdict.reason
    bench.score(after, [solved])
    verdict = bench.gate(after, baseline=path, max_regression=0.3)
    assert verdict.outcome == "pass", verdict.reason
