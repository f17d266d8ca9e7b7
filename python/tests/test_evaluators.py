"""Evaluators: how they are called, what they may return, the built-in ones, finding them again."""

import asyncio
import functools
import json
import math
import re
import sys
import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from wtb import evaluators
from wtb._builtin_evaluators import pattern
from wtb.cases import Case
from wtb.errors import ConfigurationError, WorkflowImportError
from wtb.evaluators import (
    Evaluator,
    Score,
    ScoreTuple,
    contains,
    evaluator,
    exact_match,
    json_equal,
    numeric_close,
    regex_match,
    resolve_evaluators,
    restore_evaluators,
)


def scores_of(function, output=None, expected=None, case=None, execution=None):
    one = function if isinstance(function, Evaluator) else Evaluator(function)
    scores = one.evaluate(output, expected, case, execution)
    assert all(score.version == one.version for score in scores)
    return [score._replace(version=None) for score in scores]


def returning(value, **settings):
    def given_by(output):
        return value

    return scores_of(Evaluator(given_by, name="e", **settings))


def value_of(one, output, expected=None):
    (score,) = one.evaluate(output, expected, None, None)
    assert score.error is None
    return score.value


def error_of(one, output, expected=None):
    (score,) = one.evaluate(output, expected, None, None)
    assert score.value is None
    return score.error


def test_functions_are_called_by_the_names_of_their_parameters():
    case, execution = Case({}, "e", id="c"), SimpleNamespace(duration_s=2.0)

    def all_four(execution, case, expected, output, weight=0.5):
        return {"a": weight, "b": len(output + expected + case.id) + execution.duration_s}

    def anything(**given):
        return len(given)

    def only_expected(*, expected):
        return expected == "e"

    assert [s.value for s in scores_of(all_four, "o", "e", case, execution)] == [0.5, 5.0]
    assert [s.value for s in scores_of(anything, "o", "e", case, execution)] == [4.0]
    assert [s.value for s in scores_of(only_expected, "o", "e", case, execution)] == [1.0]
    weighted = functools.partial(all_four, weight=2)
    assert scores_of(weighted, "o", "e", case, execution)[0][:4] == ("a", 2.0, "max", "all_four")


def test_async_functions_and_callable_objects_are_evaluators():
    class Judge:
        async def __call__(self, output):
            await asyncio.sleep(0)
            return output

    assert scores_of(Judge(), 0.5) == [ScoreTuple("Judge", 0.5, "max", "Judge", None, None)]


def test_the_decorator_keeps_the_function_callable():
    @evaluator
    def bare(output):
        """Doc."""
        return output

    @evaluator(name="error_rate", direction="min", timeout=3)
    async def settled(output):
        return output

    assert bare({"a": 1}) == {"a": 1}
    assert (bare.name, bare.direction, bare.__doc__) == ("bare", "max", "Doc.")
    assert (settled.name, settled.direction, settled.timeout) == ("error_rate", "min", 3.0)
    assert asyncio.run(settled(0.25)) == 0.25
    assert settled.evaluate(0.25, None, None, None)[0][:4] == (
        "error_rate", 0.25, "min", "error_rate"
    )  # fmt: skip
    assert evaluator("short")(lambda output: 1).name == "short"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda outptu: 1, "asks for 'outptu'.*Did you mean 'output'.*'expected', 'case'"),
        (lambda output, question: 1, "asks for 'question'"),
        (lambda output, /: 1, "'output' by position only"),
        (lambda: 1, "takes none of output"),
        (exact_match, "takes none of .* call it"),
        (5, "cannot be called"),
        (dict, "tell its parameters"),
        (exact_match(), "is an evaluator already"),
    ],
)
def test_functions_that_cannot_be_called_are_refused(function, text):
    with pytest.raises(ConfigurationError, match=text):
        Evaluator(function, name="e")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"name": ""}, "non-empty name"),
        ({"name": "workflow"}, "cannot be called 'workflow'"),
        ({"direction": "up"}, "'max' or 'min'"),
        ({"timeout": 0}, "positive number"),
        ({"timeout": math.inf}, "positive number"),
        ({"timeout": "1m"}, "positive number"),
    ],
)
def test_unusable_settings_are_refused(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        evaluator(**settings)(lambda output: 1)


@pytest.mark.parametrize(
    "value", [1, 1.0, True, np.True_, np.float32(1), np.int8(1), np.array(1.0), Fraction(1, 1)]
)
def test_numbers_of_all_kinds_are_scores(value):
    assert returning(value) == [ScoreTuple("e", 1.0, "max", "e", None, None)]
    assert returning(Score(value, reason="r")) == [ScoreTuple("e", 1.0, "max", "e", "r", None)]


def test_several_metrics_and_reasons():
    expected = [
        ScoreTuple("a", 1.0, "min", "e", None, None),
        ScoreTuple("b", 0.0, "min", "e", "why", None),
    ]
    mapping = {"a": True, "b": Score(0, reason="why"), "c": None}
    assert returning(mapping, direction="min") == expected
    listed = [Score(1, "a"), Score(False, name="b", reason="why")]
    assert returning(listed, direction="min") == expected
    assert returning(Score(1, name="a"))[0].source == "e"


@pytest.mark.parametrize("value", [None, {}, [], {"a": None}])
def test_no_score_is_no_score(value):
    assert returning(value) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "returned nan"),
        (-math.inf, "returned -inf"),
        (np.float64("nan"), "returned nan"),
        ("0.5", r"returned '0\.5' \(str\)"),
        (1j, "returned 1j"),
        (Decimal("NaN"), r"\(Decimal\)"),
        (np.array([1.0, 2.0]), r"\(ndarray\)"),
        (10**400, "OverflowError"),
        (object, "has to return a number"),
        ([1.0], r"a list that holds 1\.0"),
        ({1: 1.0}, "keys are names of metrics"),
        ([Score(1), Score(2)], "gave metric 'e' twice"),
        ({"a": Score(1, "b")}, "two names: 'a' and 'b'"),
        (Score(1, name=""), "no name of a metric"),
        (Score(1, reason=5), "reason of a score is a text, not 5"),
        (Score(None), "returned None"),
    ],
)
def test_garbage_is_one_error_and_no_value(value, text):
    (score,) = returning(value)
    assert score[:5] == ("e", None, "max", "e", None)
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(score.error)


def test_one_bad_metric_does_not_cost_the_others():
    good, bad = returning({"a": 1, "b": math.nan})
    assert (good.name, good.value) == ("a", 1.0)
    assert (bad.name, bad.value) == ("b", None)
    assert "returned nan" in bad.error


def test_what_raises_is_an_error_with_its_place():
    def broken(output):
        return output["answer"]

    (score,) = scores_of(broken, {})
    assert score.value is None
    place = f"({__file__}:{broken.__code__.co_firstlineno + 1})"
    assert score.error == f"KeyError: 'answer' {place}"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_even_a_base_exception_is_an_error_of_the_score(error):
    async def leaves(output):
        raise error

    def exits(output):
        raise error

    for function in (leaves, exits):
        (score,) = scores_of(function)
        assert score.error.startswith(type(error).__name__)


def test_errors_that_cannot_be_shown_or_stored():
    class SilentError(Exception):
        def __str__(self):
            raise RuntimeError

    for error, start in [
        (SilentError(), "SilentError: its text cannot be made (RuntimeError)"),
        (ValueError("\ud800"), "ValueError: \\ud800"),
        (AssertionError(), "AssertionError ("),
    ]:

        def fails(output, error=error):
            raise error

        (score,) = scores_of(fails)
        assert score.error.startswith(start)
        score.error.encode()
    long = returning(Score(1, reason="x" * 100_000))[0].reason
    assert len(long) == 4_000
    assert long.endswith("…")


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.lists(st.floats()),
                 st.dictionaries(st.text(), st.floats() | st.text() | st.none())))  # fmt: skip
def test_whatever_comes_back_the_engine_can_take_it(value):
    for score in returning(value):
        assert (score.value is None) == (score.error is not None)
        assert score.value is None or math.isfinite(score.value)
        json.dumps(score, allow_nan=False).encode()


# The built-in ones.

ANSWERS = {"answer": "Paris", "n": 3, "deep": {"list": [{"x": 1}, {"x": 2}]}}


@pytest.mark.parametrize(
    ("one", "output", "expected", "value"),
    [
        (exact_match(), "a", "a", 1),
        (exact_match(), "a", "A", 0),
        (exact_match(), {"a": 1}, {"a": 1}, 1),
        (exact_match("answer"), ANSWERS, "Paris", 1),
        (exact_match("answer"), ANSWERS, {"answer": "Paris", "other": 1}, 1),
        (exact_match("answer"), ANSWERS, {"other": 1}, 0),
        (exact_match("deep"), ANSWERS, {"list": [{"x": 1}, {"x": 2}]}, 1),
        (exact_match("lists"), {"lists": {"list": 1}}, {"list": 1}, 1),
        (json_equal("lists"), {"lists": '{"list": 1}'}, {"list": 1}, 1),
        (exact_match("deep.list.-1.x"), ANSWERS, 2, 1),
        (contains(), "Paris, France", "Paris", 1),
        (contains(), "Paris, France", "paris", 0),
        (contains(ignore_case=True), "Paris, France", ["paris", "FRANCE"], 1),
        (contains(), "Paris, France", ["Paris", "Rome"], 0),
        (contains(), "about 42 m", 42, 1),
        (contains(), ["a", "b"], ["a"], 1),
        (contains(ignore_case=True), ["a", "b"], "B", 1),
        (contains(), ["ab"], "a", 0),
        (contains(), None, "a", 0),
        (contains(), ["a", ""], "", 1),
        (contains(), ["a"], ["a", ""], 0),
        (contains(), "ab", frozenset({"a", "b"}), 1),
        (regex_match(), "in 2026", r"\d{4}", 1),
        (regex_match(r"^\d{4}$"), "in 2026", None, 0),
        (regex_match(r"^\d$", "n"), ANSWERS, None, 1),
        (regex_match(field="answer"), ANSWERS, "^P", 1),
        (regex_match("x"), None, None, 0),
        (regex_match(), "x{e}", "^x{e}$", 1),
        (regex_match(), "cat", "(?:cot){e<=1}", 0),
        (regex_match(), "{a} xx", r"^\{a} x{2}$", 1),
        (regex_match(), "a{, a}", "^a{, a}$", 1),
        (regex_match(), "aa{}", r"^\N{LATIN SMALL LETTER A}{,2}{}$", 1),
        (json_equal(), '{"b": [1, 2.0], "a": null}', {"a": None, "b": (1, 2)}, 1),
        (json_equal(), "[1]", "[1, 2]", 0),
        (json_equal(), "[1", [1], 0),
        (json_equal(), [True], [1], 0),
        (json_equal("deep"), ANSWERS, '{"list": [{"x": 1}, {"x": 2}]}', 1),
        (numeric_close(), 0.1 + 0.2, 0.3, 1),
        (numeric_close(), " 42 ", "42.0", 1),
        (numeric_close(), 41, 42, 0),
        (numeric_close(abs_tol=1), 41, 42, 1),
        (numeric_close("n", rel_tol=0.5), ANSWERS, 5, 1),
        (numeric_close(), "about 42", 42, 0),
        (numeric_close(), math.nan, 42, 0),
        (numeric_close(), True, 1, 0),
    ],
)
def test_what_the_built_in_evaluators_say(one, output, expected, value):
    assert value_of(one, output, expected) == value


def test_fields_reach_into_objects():
    @dataclass
    class State:
        messages: list

    state = State([HumanMessage("?"), AIMessage("Paris")])
    assert value_of(exact_match("messages.-1.content"), state, "Paris") == 1
    assert value_of(contains("messages.0.content"), {"messages": state.messages}, "?") == 1


@pytest.mark.parametrize(
    "one", [exact_match(), contains(), regex_match(), json_equal(), numeric_close()]
)
def test_without_expected_value_there_is_no_score(one):
    assert one.evaluate({"a": 1}, None, None, None) == []


@pytest.mark.parametrize(
    ("one", "output", "expected", "text"),
    [
        (exact_match("answr"), ANSWERS, "x", "no 'answr'.*Did you mean 'answer'"),
        (exact_match("deep.list.2.x"), ANSWERS, "x", "no '2'.*'0 to 1'"),
        (exact_match("a"), None, "x", "no 'a' in None"),
        (exact_match(), ANSWERS, "Paris", r"exact_match\(field=\.\.\.\).*'answer', 'n'"),
        (regex_match(), "a", "(", "no regular expression"),
        (regex_match(), "a", 1, "no regular expression"),
        (numeric_close(), 1, "many", "expected value 'many' is no number"),
        (contains(), "a", {"b": 1}, "is no text"),
        (contains(), "a", [], r"every output contains the expected value \[\].*None"),
        (contains(), ["a"], [], "every output contains"),
        (contains(), "a", "", "every output contains the expected value ''"),
        (contains(), "a", ["a", ""], "every output contains the expected value ''"),
        (numeric_close(), 1, math.nan, "expected value nan is no number"),
        (numeric_close(), 1, "nan", "expected value 'nan' is no number"),
        (numeric_close(), 10, "1_0", "expected value '1_0' is no number"),
        (exact_match("answer"), ANSWERS, {"Answer": "Paris"}, "no 'answer'.*mean 'Answer'"),
        (json_equal("answer"), ANSWERS, {"anwser": "Paris", "b": 1}, "no 'answer'.*mean 'anwser'"),
        (exact_match("a.text"), {"a": {"text": 1}}, {"a": {"texts": 1}}, "no 'text'.*'texts'"),
    ],
)
def test_a_wrong_field_or_case_is_an_error_and_no_score(one, output, expected, text):
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(error_of(one, output, expected))


def test_a_failed_comparison_says_why():
    (score,) = contains().evaluate("Paris", ["Paris", "Rome", 5], None, None)
    assert score.reason == "missing: 'Rome', 5"
    (score,) = numeric_close().evaluate("no idea", 1, None, None)
    assert "'no idea' is no number" in score.reason
    for output in (math.nan, "nan", "1_0"):
        (score,) = numeric_close().evaluate(output, 10, None, None)
        assert (score.value, score.reason) == (0, f"the output {output!r} is no number")
    (score,) = exact_match("answer").evaluate(ANSWERS, {"city": "Paris"}, None, None)
    assert score.reason == "the expected value has no 'answer', so all of it is compared"


BACKTRACKING = ("^(a|a)*$", "a" * 40 + "b")


@pytest.mark.parametrize("one", [regex_match(), regex_match(BACKTRACKING[0])])
def test_an_expression_that_tries_too_much_is_given_up(one, monkeypatch):
    monkeypatch.setattr(pattern, "SEARCH_S_MAX", 0.2)
    told = error_of(one, BACKTRACKING[1], BACKTRACKING[0])
    assert told.startswith(
        "EvaluatorError: looking for '^(a|a)*$' in a text of 41 characters took more than 0.2 s"
    )
    assert "possessive" in told


def test_a_search_that_takes_long_lets_other_threads_run(monkeypatch):
    monkeypatch.setattr(pattern, "SEARCH_S_MAX", 1.0)
    search = threading.Thread(target=error_of, args=(regex_match(), *reversed(BACKTRACKING)))
    search.start()
    # Each step needs the GIL, which `re` holds for as long as the search takes.
    steps = 0
    while search.is_alive():
        time.sleep(0.01)
        steps += 1
    assert steps > 10


def test_patterns_mean_what_re_says():
    parts = r"a b . ^ $ \b \w \d [^a] [a{e}] (a|ab) (?:a|b) (?=a) (?<!b) (?i:A)"
    repeats = r"\{ { } {e} {1} {,2} {i<=1} * + ? | #"
    atoms = st.sampled_from([*parts.split(), *repeats.split(), " "])

    @given(st.lists(atoms, max_size=6).map("".join), st.text("abA{}e i<=1", max_size=6))
    def agree(given_pattern, text):
        try:
            found = re.search(given_pattern, text) is not None
        except re.error:
            return
        assert value_of(regex_match(given_pattern), text) == found

    agree()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: regex_match("("), "no regular expression"),
        (lambda: regex_match(5), "pattern is a text"),
        (lambda: exact_match(5), "field is a name"),
        (lambda: exact_match("a..b"), "field is a name"),
        (lambda: numeric_close(rel_tol=-1), "rel_tol"),
        (lambda: numeric_close(abs_tol="x"), "abs_tol"),
    ],
)
def test_wrong_arguments_are_refused_when_it_is_made(make, text):
    with pytest.raises(ConfigurationError, match=text):
        make()


# Names, references and bench files.

SOURCE = """
import wtb.evaluators

def plain(output):
    return output

@wtb.evaluators.evaluator(name="wrong", direction="min", timeout=5)
def error_rate(output):
    return output

tight = wtb.evaluators.numeric_close(abs_tol=0.1, name="tight")
anonymous = wtb.evaluators.evaluator(name="anonymous")(lambda output: output)

def longer_than(characters, name="long"):
    @wtb.evaluators.evaluator(name=name)
    def longer(output):
        return len(output) > characters
    return longer

def raising(x):
    raise RuntimeError("no model")

NUMBER = 5
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "my_evaluators.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_evaluators"
    sys.modules.pop("my_evaluators", None)


SPECS = [
    "exact_match",
    {"use": "contains", "field": "answer", "ignore_case": True, "name": "mentions"},
    "my_evaluators:plain",
    "my_evaluators:error_rate",
    "my_evaluators:tight",
    "my_evaluators:anonymous",
    {"use": "my_evaluators:longer_than", "characters": 2},
    regex_match("x", "answer"),
]


def test_evaluators_by_name_reference_and_mapping(module):
    assert [one.name for one in resolve_evaluators(SPECS)] == [
        "exact_match", "mentions", "plain", "wrong", "tight", "anonymous", "long", "regex_match"
    ]  # fmt: skip
    assert resolve_evaluators([]) == []


def test_another_session_finds_the_same_evaluators_again(module):
    resolved = resolve_evaluators(SPECS)
    described = json.loads(json.dumps([one.describe() for one in resolved]))
    assert described[3] == {
        "name": "wrong",
        "reference": "my_evaluators:error_rate",
        "use": None,
        "arguments": {},
        "direction": "min",
        "timeout": 5.0,
        "version": resolved[3].version,
    }
    assert described[1]["use"] == "contains"
    del sys.modules["my_evaluators"]
    restored = restore_evaluators(described)
    assert [one.describe() for one in restored] == described
    for before, after in zip(resolved, restored, strict=True):
        for output in ({"answer": "xx"}, "xxx", 1.0):
            assert [s[:5] for s in after.evaluate(output, "X", None, None)] == [
                s[:5] for s in before.evaluate(output, "X", None, None)
            ]


def test_imported_functions_are_found_by_their_name(module):
    import my_evaluators

    renamed = evaluator(name="other", direction="min")(my_evaluators.plain)
    (restored,) = restore_evaluators([renamed.describe()])
    assert (restored.name, restored.direction) == ("other", "min")
    assert restored.reference == "my_evaluators:plain"
    assert my_evaluators.error_rate.reference == "my_evaluators:error_rate"


def test_evaluators_that_are_gone_are_all_named(module):
    def local(output):
        return 1

    lost = [Evaluator(local), exact_match(), evaluator(name="also")(lambda output: 1)]
    descriptions = [one.describe() for one in lost]
    gone = {**descriptions[0], "name": "gone", "reference": "my_evaluators:gone"}
    with pytest.raises(ConfigurationError, match=r"pass all of them as evaluators=") as raised:
        restore_evaluators([*descriptions, gone])
    for name in ("'local'", "'also'", "'gone'"):
        assert name in str(raised.value)
    assert "exact_match" not in str(raised.value)


@pytest.mark.parametrize(
    ("specs", "text"),
    [
        (["exact_mach"], r"evaluators\[0\]: .*Did you mean 'exact_match'"),
        (["exact_match", 5], r"evaluators\[1\] is 5"),
        ([exact_match("a"), exact_match("b")], r"\[0\] and evaluators\[1\] are both called"),
        ("exact_match", r"\['exact_match'\]"),
        ({"use": "exact_match"}, "are a list"),
        (exact_match(), "are a list"),
        ([{"field": "answer"}], "'use' has to name"),
        ([{"use": "exact_match", "feild": "a"}], "'feild'.*Did you mean 'field'"),
        ([{"use": "numeric_close", "rel_tol": -1}], r"evaluators\[0\]: .*rel_tol"),
        ([{"use": "my_evaluators:longer_than"}], "asks for 'characters'"),
        ([{"use": "my_evaluators:longer_than", "charcters": 1}], "Did you mean 'characters'"),
        ([{"use": "my_evaluators:longer_than", "characters": {1}}], "not JSON serializable"),
        ([{"use": "my_evaluators:error_rate", "k": 1}], "takes no arguments.*'k'"),
        ([{"use": "my_evaluators:raising", "x": 1}], "raised RuntimeError: no model .*py:21"),
        (["my_evaluators:NUMBER"], "cannot be called"),
    ],
)
def test_what_is_no_evaluator_is_refused(module, specs, text):
    with pytest.raises(ConfigurationError, match=text):
        resolve_evaluators(specs)


def test_a_reference_that_cannot_be_imported_is_refused(module):
    with pytest.raises(WorkflowImportError, match="Did you mean 'plain'"):
        resolve_evaluators(["my_evaluators:plian"])


def test_the_module_has_what_its_list_of_names_says():
    assert all(hasattr(evaluators, name) for name in evaluators.__all__)
