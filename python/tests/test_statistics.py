"""Statistics against scipy and statsmodels, and what they refuse."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

import wtb
from wtb import statistics

counts = st.integers(0, 60)
confidences = st.floats(0.6, 0.999)


@given(st.integers(1, 400), st.floats(0, 1), confidences)
def test_wilson_is_that_of_statsmodels(n, share, confidence):
    successes = round(n * share)
    expected = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    assert statistics.wilson(successes, n, confidence) == pytest.approx(expected, abs=1e-9)


def _tango_by_likelihood(gained, lost, n, difference):
    """The score statistic, with the likelihood's maximum found by a numerical search."""

    def minus_log_likelihood(lost_rate):
        others = 1 - 2 * lost_rate - difference
        rates = (lost_rate + difference, lost_rate, others)
        observed = (gained, lost, n - gained - lost)
        if min(rates) <= 0:
            return math.inf
        return -sum(count * math.log(rate) for count, rate in zip(observed, rates, strict=True))

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = scipy.optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-13}
    )
    variance = n * (2 * found.x + difference * (1 - difference))
    return (gained - lost - n * difference) / math.sqrt(variance)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 60), st.sampled_from([0.8, 0.95]))
def test_the_ends_of_tangos_interval_are_just_not_rejected(gained, lost, others, confidence):
    n = gained + lost + others
    z = scipy.stats.norm.ppf((1 + confidence) / 2)
    low, high = statistics.tango(gained, lost, n, confidence)
    assert _tango_by_likelihood(gained, lost, n, low) == pytest.approx(z, abs=1e-3)
    assert _tango_by_likelihood(gained, lost, n, high) == pytest.approx(-z, abs=1e-3)


@given(counts, counts)
def test_mcnemar_is_that_of_statsmodels(gained, lost):
    expected = statsmodels_mcnemar([[5, gained], [lost, 7]], exact=True).pvalue
    assert statistics.mcnemar(gained, lost) == pytest.approx(min(expected, 1), abs=1e-9)


differences = st.lists(
    st.one_of(
        st.integers(-6, 6).map(lambda one: one / 3), st.floats(-1, 1).map(lambda x: round(x, 6))
    ),
    min_size=2,
    max_size=11,
)


@given(differences)
def test_sign_flips_are_those_of_scipy(values):
    p, how = statistics.sign_flip(values)
    assert how == "sign flip (exact)"
    # Of a sum of 0, scipy counts those that rounding makes smaller than it.
    if abs(sum(values)) > 1e-9:
        expected = scipy.stats.permutation_test(
            (np.array(values),),
            lambda one, axis: np.abs(np.sum(one, axis=axis)),
            permutation_type="samples",
            n_resamples=np.inf,
            alternative="greater",
            vectorized=True,
        ).pvalue
        assert p == pytest.approx(expected, abs=1e-9)
    else:
        assert p == 1


def test_many_sign_flips_come_close_to_a_t_test():
    values = np.random.default_rng(3).normal(0.08, 1, 400)
    drawn, how = statistics.sign_flip(values)
    assert how == "sign flip (Monte Carlo)"
    assert drawn == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    tail, how = statistics.sign_flip(values + 0.2)
    assert how == "sign flip (saddlepoint)"
    expected = scipy.stats.ttest_1samp(values + 0.2, 0).pvalue
    assert 0.2 < tail / expected < 5


@given(st.lists(st.floats(-1, 1).map(lambda one: round(one, 2)), min_size=3, max_size=80))
def test_wilcoxon_is_that_of_scipy(values):
    if not any(values):
        assert statistics.wilcoxon(values) == 1
        return
    sizes = [abs(one) for one in values if one]
    is_exact = len(values) <= 50 and len(set(sizes)) == len(values)
    expected = scipy.stats.wilcoxon(values, method="exact" if is_exact else "approx").pvalue
    assert statistics.wilcoxon(values) == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([("holm", "holm"), ("benjamini_hochberg", "fdr_bh")]),
)
def test_corrections_are_those_of_statsmodels(p_values, names):
    ours, theirs = names
    expected = multipletests(p_values, method=theirs)[1]
    assert statistics.adjust(p_values, ours) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0.01, 2), st.integers(2, 400), confidences)
def test_power_is_that_of_statsmodels(effect, cases, confidence):
    expected = TTestPower().power(effect, cases, 1 - confidence)
    assume(not math.isnan(expected))  # its series does not converge for large effects
    assert statistics.paired_power(effect, 1, cases, confidence=confidence) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize("cases", [5, 30, 200])
def test_the_detectable_effect_is_that_of_statsmodels(cases):
    expected = TTestPower().solve_power(nobs=cases, power=0.8, alpha=0.05)
    assert statistics.detectable_effect(2, cases) == pytest.approx(2 * expected, rel=1e-5)


@pytest.mark.parametrize("effect", [0.05, 0.2, 0.8])
def test_the_cases_needed_are_those_of_statsmodels(effect):
    expected = TTestPower().solve_power(effect_size=effect, power=0.8, alpha=0.05)
    assert statistics.cases_needed(effect, 1) == math.ceil(expected)


@given(st.integers(1, 30), st.data())
def test_passes_are_shares_of_choices(n, data):
    passed = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    choices = math.comb(n, k)
    assert statistics.pass_all(n, passed, k) == pytest.approx(math.comb(passed, k) / choices)
    none = math.comb(n - passed, k) / choices
    assert statistics.pass_at(n, passed, k) == pytest.approx(1 - none)


def _scores(values):
    return {
        name: {f"c{case}": own for case, own in enumerate(cases)} for name, cases in values.items()
    }


def test_means_and_their_cross_check_are_those_of_scipy():
    values = np.random.default_rng(5).normal(3, 2, 40)
    line = wtb.statistics.compare_scores(_scores({"a": values}))["a"]
    expected = scipy.stats.t.interval(0.95, 39, values.mean(), scipy.stats.sem(values))
    check = line["cross_check"]
    assert (check["ci_low"], check["ci_high"]) == pytest.approx(expected, rel=1e-9)
    assert line["mean"] == pytest.approx(values.mean())
    boot = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    # Ours is wider by the correction for few cases: t / z and sqrt(n / (n - 1)).
    factor = scipy.stats.t.ppf(0.975, 39) / scipy.stats.norm.ppf(0.975) * math.sqrt(40 / 39)
    width = (boot.confidence_interval.high - boot.confidence_interval.low) * factor
    assert line["ci_high"] - line["ci_low"] == pytest.approx(width, rel=0.03)


def test_groups_are_clustered_as_statsmodels_does():
    import statsmodels.api as sm

    random = np.random.default_rng(6)
    groups = np.repeat(np.arange(15), 4)
    values = random.normal(0, 1, 15)[groups] + random.normal(0, 1, 60)
    scores = _scores({"a": values})
    found = statistics.compare_scores(
        scores, groups={f"c{case}": str(group) for case, group in enumerate(groups)}
    )
    fit = sm.OLS(values, np.ones(60)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    # statsmodels' own correction has (n - 1) / (n - k) in it; that for the clusters alone is ours.
    error = fit.bse[0] * math.sqrt(15 / 14)
    half = scipy.stats.t.ppf(0.975, 14) * error
    check = found["a"]["cross_check"]
    assert (check["ci_high"] - check["ci_low"]) / 2 == pytest.approx(half, rel=1e-9)
    assert found["a"]["units"] == 15


def test_a_variant_is_paired_with_the_baseline_case_by_case():
    scores = {
        "baseline": {"a": 0, "b": 1, "c": [0, 1], "d": 1},
        "new": {"b": 1, "a": 1, "c": [1, 1], "e": 0},
    }
    found = statistics.compare_scores(scores, metric="hit")
    versus = found["new"]["vs_baseline"]
    assert (versus["cases"], versus["wins"], versus["ties"], versus["losses"]) == (3, 2, 1, 0)
    assert versus["difference"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.best is None
    assert found.metric == "hit"


def test_frames_have_a_row_for_each_variant():
    scores = _scores({"baseline": [0, 1, 1, 0], "new": [1, 1, 1, 0]})
    found = statistics.compare_scores(scores)
    for frame in (found.to_pandas(), found.to_polars()):
        assert list(frame["name"]) == ["baseline", "new"]
        assert list(frame["vs_baseline.wins"])[1] == 1
        assert list(frame["metrics.score"]) == [0.5, 0.75]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"confidence": 1}, "confidence is between 0.5 and 1"),
        ({"baseline": "nwe"}, "Did you mean"),
        ({"direction": "up"}, "direction is 'max' or 'min'"),
        ({"correction": "bonferoni"}, "correction is 'holm'"),
        ({"draws": 3}, "draws is a number from 100"),
        ({"seed": -1}, "seed is a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, text):
    with pytest.raises(wtb.ConfigurationError, match=text):
        statistics.compare_scores(_scores({"old": [0, 1], "new": [1, 1]}), **arguments)


def test_scores_that_are_none_or_no_numbers():
    found = statistics.compare_scores({"a": {"x": None, "y": math.nan, "z": [None, math.nan]}})
    assert found["a"]["mean"] is None
    assert statistics.compare_scores({}).best is None
    with pytest.raises(wtb.ConfigurationError, match=r"variant 'a', case 'x': .* not 'good'"):
        statistics.compare_scores({"a": {"x": "good"}})


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, "inf", 10**400], ids=lambda value: str(value)[:5]
)
def test_an_infinite_score_is_refused_with_its_place(value):
    for scores, where in [(value, "case 'y': "), ([1, value], "case 'y', repeat 1: ")]:
        with pytest.raises(wtb.ConfigurationError, match=f"^variant 'b', {where}a score is"):
            statistics.compare_scores({"a": {"x": 1}, "b": {"x": 1, "y": scores}})


def test_impossible_questions_are_refused():
    for call in (
        lambda: statistics.wilson(3, 2),
        lambda: statistics.tango(3, 3, 5),
        lambda: statistics.mcnemar(-1, 2),
        lambda: statistics.pass_at(3, 4, 1),
        lambda: statistics.paired_power(1, 1, 1),
        lambda: statistics.detectable_effect(-1, 9),
        lambda: statistics.cases_needed(1, 1, power=1),
        lambda: statistics.adjust([1.5]),
        lambda: statistics.wilcoxon([math.nan]),
    ):
        with pytest.raises(wtb.ConfigurationError):
            call()
