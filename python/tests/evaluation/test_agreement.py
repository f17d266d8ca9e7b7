"""Statistics of agreement against published figures, scikit-learn and their own definitions."""

import itertools
import json
import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from wtb.errors import ConfigurationError
from wtb.evaluation import agreement_of

N = None
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C.
OBSERVERS = {
    "A": [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    "B": [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    "C": [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    "D": [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
}
LEVELS = ["nominal", "ordinal", "interval", "ratio"]


@pytest.mark.parametrize(
    ("level", "alpha"),
    [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)],
)
def test_alpha_of_krippendorffs_own_example(level, alpha):
    found = agreement_of(OBSERVERS, level=level)
    assert found.alpha == pytest.approx(alpha, abs=0.0005)
    assert found.n == 11
    assert found.kappa is None
    assert found.reasons == {"kappa": "Cohen's kappa compares two raters, and there are 4"}


def test_alpha_of_his_binary_example():
    # Example A of the same paper: two observers, ten units.
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert agreement_of([meg, owen], level="nominal").alpha == pytest.approx(0.095, abs=0.0005)


def squared(level, counts):
    """Return the differences of the paper, each from its definition."""
    values = sorted(counts)

    def ordinal(c, k):
        low, high = sorted((c, k))
        between = sum(counts[g] for g in values if low <= g <= high)
        return (between - (counts[c] + counts[k]) / 2) ** 2

    return {
        "nominal": lambda c, k: float(c != k),
        "ordinal": lambda c, k: 0.0 if c == k else ordinal(c, k),
        "interval": lambda c, k: float(c - k) ** 2,
        "ratio": lambda c, k: 0.0 if c == k else ((c - k) / (c + k)) ** 2,
    }[level]


def alpha_by_coincidences(units, level):
    """Return alpha by the matrix of coincidences, as the paper computes it."""
    seen = {}
    for unit in units:
        for c, k in itertools.permutations(unit, 2):
            seen[c, k] = seen.get((c, k), 0) + 1 / (len(unit) - 1)
    counts = {}
    for (c, _), count in seen.items():
        counts[c] = counts.get(c, 0) + count
    n, difference = sum(counts.values()), squared(level, counts)
    observed = sum(count * difference(c, k) for (c, k), count in seen.items())
    expected = sum(counts[c] * counts[k] * difference(c, k) for c in counts for k in counts)
    return 1 - (n - 1) * observed / expected


tables = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.none() | st.integers(0, 5), min_size=raters, max_size=raters),
        min_size=1,
        max_size=12,
    )
)


@given(tables, st.sampled_from(LEVELS))
def test_alpha_is_what_its_definition_gives(table, level):
    found = agreement_of(list(zip(*table, strict=True)), level=level)
    units = [[one for one in unit if one is not None] for unit in table]
    units = [unit for unit in units if len(unit) > 1]
    if len({one for unit in units for one in unit}) < 2:
        assert found.alpha is None
        assert "alpha" in found.reasons
        return
    assert found.alpha == pytest.approx(alpha_by_coincidences(units, level), abs=1e-9)


pairs = st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=1, max_size=30)


@given(pairs, st.sampled_from([None, "linear", "quadratic"]))
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*:UserWarning")
def test_kappa_is_scikit_learns(rated, weights):
    one, other = map(list, zip(*rated, strict=True))
    found = agreement_of([one, other], weights=weights)
    if len({*one, *other}) < 2:
        assert found.kappa is None
        assert "all ratings are the same" in found.reasons["kappa"]
        return
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other, weights=weights), abs=1e-9)


def test_kappa_of_labels():
    one, other = list("aabbcab"), list("abbbcaa")
    found = agreement_of({"ann": one, "bob": other}, level="nominal")
    assert found.kappa == pytest.approx(cohen_kappa_score(one, other))
    assert found.raw == pytest.approx(5 / 7)
    assert found.raters == ("ann", "bob")


@given(st.lists(st.integers(0, 4), min_size=2, max_size=20), st.sampled_from(LEVELS))
def test_perfect_agreement_is_one(ratings, level):
    assume(len(set(ratings)) > 1)
    weights = None if level == "nominal" else "linear"
    found = agreement_of([ratings, ratings], level=level, weights=weights)
    assert (found.raw, found.kappa, found.alpha) == (1, 1, 1)
    assert agreement_of([ratings] * 3, level=level).alpha == 1


@given(tables, st.sampled_from(LEVELS), st.randoms(use_true_random=False))
def test_the_order_of_raters_and_units_makes_no_difference(table, level, order):
    shuffled = [order.sample(unit, len(unit)) for unit in table]
    # Whole columns change places, not each unit's ratings by itself.
    columns = list(zip(*table, strict=True))
    order.shuffle(columns)
    here, there = (
        agreement_of(list(zip(*table, strict=True)), level=level),
        agreement_of(columns, level=level),
    )
    assert (here.raw, here.n) == (there.raw, there.n)
    assert here.kappa == pytest.approx(there.kappa)
    assert here.alpha == pytest.approx(there.alpha)
    # Alpha does not even ask who gave a rating.
    anybody = agreement_of(list(zip(*shuffled, strict=True)), level=level)
    assert anybody.alpha == pytest.approx(here.alpha)


@given(tables, st.permutations("abcdef"))
def test_labels_may_be_called_anything(table, names):
    columns = list(zip(*table, strict=True))
    renamed = [[None if one is None else names[one] for one in column] for column in columns]
    here = agreement_of(columns, level="nominal")
    there = agreement_of(renamed, level="nominal")
    assert (here.raw, here.n) == (there.raw, there.n)
    assert here.kappa == pytest.approx(there.kappa)
    assert here.alpha == pytest.approx(there.alpha)


@given(tables, st.sampled_from([1e-300, 1e-8, 3.0, 1e150, 1e300]), st.integers(-3, 3))
def test_the_unit_of_numbers_makes_no_difference(table, unit, shift):
    columns = list(zip(*table, strict=True))
    here = agreement_of(columns, level="interval").alpha
    scaled = [[None if x is None else (x + shift) * unit for x in column] for column in columns]
    assert agreement_of(scaled, level="interval").alpha == pytest.approx(here, abs=1e-9)


@given(tables)
def test_ranks_do_not_depend_on_distances(table):
    columns = list(zip(*table, strict=True))
    bent = [[None if x is None else math.exp(x) for x in column] for column in columns]
    here = agreement_of(columns, level="ordinal").alpha
    assert agreement_of(bent, level="ordinal").alpha == pytest.approx(here, abs=1e-9)


def test_small_differences_of_large_numbers_are_not_lost():
    one, other = [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3], [1e9, 1e9 + 1, 1e9 + 2, 1e9 + 2]
    small = agreement_of([[0, 1, 2, 3], [0, 1, 2, 2]]).alpha
    assert agreement_of([one, other]).alpha == pytest.approx(small, rel=1e-6)


def test_chance_gives_about_zero():
    draw = random.Random(5)
    raters = [[draw.randrange(3) for _ in range(20_000)] for _ in range(2)]
    for level in LEVELS:
        found = agreement_of(raters, level=level)
        assert abs(found.alpha) < 0.03
        assert abs(found.kappa) < 0.03
        assert found.raw == pytest.approx(1 / 3, abs=0.02)


def test_what_is_undefined_says_why():
    found = agreement_of({"a": [1, N, N], "b": [N, 2, N]})
    assert (found.n, found.raw, found.kappa, found.alpha) == (0, None, None, None)
    assert dict.fromkeys(("raw", "kappa", "alpha"), "no unit was rated by two") == found.reasons
    assert agreement_of([[], []]).n == 0
    same = agreement_of([[1, 1], [1, 1]])
    assert (same.raw, same.kappa, same.alpha) == (1, None, None)
    assert "chance" in same.reasons["alpha"]


def test_it_is_plain_data_and_a_sentence():
    found = agreement_of({"ann": [1, 0, 1, 1], "bob": [1, 0, 0, 1]}, level="nominal")
    assert json.loads(json.dumps(found.to_dict())) == {
        "raters": ["ann", "bob"],
        "level": "nominal",
        "weights": None,
        "n": 4,
        "raw": 0.75,
        "kappa": 0.5,
        "alpha": found.alpha,
        "reasons": {},
    }
    assert str(found) == (
        "ann, bob on 4 units: raw agreement 0.750, Cohen's kappa 0.500, "
        "Krippendorff's alpha (nominal) 0.533"
    )
    assert "Cohen's kappa -" in str(agreement_of([[1], [1], [1]]))


@pytest.mark.parametrize(
    ("ratings", "settings", "text"),
    [
        ([[1, 2]], {}, "at least two raters, not 1"),
        ({"a": [1], "b": [1, 2]}, {}, r"'a': 1, 'b': 2"),
        ([[1], ["x"]], {}, r"ratings\['1'\]\[0\] is 'x'.*'nominal'"),
        ([[1], [math.nan]], {}, "is nan"),
        ([[math.nan], [1]], {"level": "nominal"}, "equals nothing"),
        ([[[1]], [1]], {"level": "nominal"}, "equals nothing"),
        ([[1], [-1]], {"level": "ratio"}, "negative"),
        ([[1], [1]], {"level": "cardinal"}, "nominal, ordinal"),
        ([[1], [1]], {"weights": "cubic"}, "'linear' or 'quadratic'"),
        ([[1], [1]], {"weights": "linear", "level": "nominal"}, "how far ratings are apart"),
    ],
)
def test_what_are_no_ratings_is_refused(ratings, settings, text):
    with pytest.raises(ConfigurationError, match=text):
        agreement_of(ratings, **settings)
