"""The evaluators for schemas, sets, edits and vectors, called as batches call them."""

import asyncio
import json
import math
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wtb.errors import ConfigurationError, WorkflowImportError
from wtb.evaluators import (
    edit_distance,
    embedding_similarity,
    json_schema,
    resolve_evaluators,
    restore_evaluators,
    set_overlap,
)


def scores(one, output, expected=None):
    """Return the values by metric; every score has one."""
    found = one.evaluate(output, expected, None, None)
    assert [score.error for score in found if score.error] == []
    return {score.name: score.value for score in found}


def error_of(one, output, expected=None):
    (score,) = one.evaluate(output, expected, None, None)
    assert score.value is None
    return score.error


def reason_of(one, output, expected=None):
    return one.evaluate(output, expected, None, None)[0].reason


# JSON Schema


@pytest.fixture
def fetched(monkeypatch):
    """What is asked of the network, which is not there."""
    asked = []

    def urlopen(request, **_settings):
        asked.append(request)
        raise OSError("there is no network")

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"items": {"$ref": "#/$defs/tag"}}},
    "required": ["name"],
    "$defs": {"tag": {"type": "string", "maxLength": 3}},
}


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ({"name": "Ann"}, 1),
        ({"name": "Ann", "tags": ["a", "bcd"]}, 1),
        ({"name": "Ann", "tags": ("a",)}, 1),
        ({"name": "Ann", "tags": ["abcd"]}, 0),
        ({}, 0),
        ('{"name": "Ann"}', 1),
        ("[1]", 0),
        ("no JSON", 0),
        (None, 0),
    ],
)
def test_an_output_fits_a_schema_or_not(output, value):
    assert scores(json_schema(PERSON), output) == {"json_schema": value}
    assert scores(json_schema(), output, PERSON) == {"json_schema": value}


def test_the_reason_names_places_and_is_bounded():
    output = {"name": 5, "tags": ["long one"]}
    assert reason_of(json_schema(PERSON), output) == (
        "$.name: 5 is not of type 'string'; $.tags[0]: 'long one' is too long"
    )
    many = reason_of(json_schema({"items": {"type": "string"}}), list(range(1_000)))
    assert many.startswith("$[0]: 0 is not of type 'string'; $[1]")
    assert many.endswith("$[4]: 4 is not of type 'string'; and more")
    assert len(reason_of(json_schema({"type": "null"}), "x" * 10_000)) < 400


def test_texts_can_be_left_as_they_are():
    assert scores(json_schema({"type": "string"}, parse=False), "5") == {"json_schema": 1}
    assert scores(json_schema({"type": "string"}), "5") == {"json_schema": 0}


def test_a_field_is_chosen_of_the_output_alone():
    schema = {"title": "A title is no schema", "type": "integer"}
    one = json_schema(field="title")
    assert scores(one, {"title": 5}, schema) == {"json_schema": 1}
    assert scores(json_schema(True, "title"), {"title": 5}) == {"json_schema": 1}
    assert scores(json_schema(False), 5) == {"json_schema": 0}


def test_the_draft_that_a_schema_names_counts():
    # In draft 7 a tuple is validated by "items", in 2020-12 by "prefixItems".
    old = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert scores(json_schema(old), [1]) == {"json_schema": 0}
    assert scores(json_schema({"prefixItems": [{"type": "string"}]}), [1]) == {"json_schema": 0}
    with pytest.raises(ConfigurationError, match=r"at \$\.items"):
        json_schema({"items": [{"type": "string"}]})


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "strin"}, r"no schema, at \$\.type"),
        ("string", "is no schema"),
        ({"pattern": "("}, "no schema"),
        ({"$schema": "https://example.org/mine"}, "is no draft"),
        ({"$ref": "https://example.org/other.json"}, "not fetched"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "not fetched"),
        ({"$id": "https://example.org/a", "allOf": [{"$ref": "b#/x"}]}, "'b#/x'"),
        ({"items": {"$ref": "#/$defs/missing"}}, "which it does not hold"),
        ({"const": {1}}, "no JSON"),
    ],
)
def test_a_schema_that_is_none_or_leads_elsewhere_is_refused(schema, text, fetched):
    with pytest.raises(ConfigurationError, match=text):
        json_schema(schema)
    if "no JSON" not in text:
        assert error_of(json_schema(), {}, schema).startswith("EvaluatorError: json_schema: ")
    assert fetched == []


def test_what_is_behind_a_reference_is_not_fetched_either(fetched):
    # To the standard "mine" is no schema, until something refers to it.
    hidden = {"$ref": "#/mine/x", "mine": {"x": {"$ref": "https://example.org/other.json"}}}
    with pytest.raises(
        ConfigurationError, match=r"'https://example\.org/other\.json'.*not fetched"
    ):
        json_schema(hidden)
    # Draft 3 has schemas in places that are looked at no earlier than an output is.
    old = {
        "$schema": "http://json-schema.org/draft-03/schema#",
        "disallow": [{"$ref": "https://example.org/other.json"}],
    }
    assert "Unresolvable: https://example.org/other.json" in error_of(json_schema(old), 1)
    assert fetched == []


def test_references_within_a_schema_are_followed():
    schema = {
        "$id": "https://example.org/root",
        "$defs": {
            "number": {"$id": "number", "type": "integer"},
            "list": {"$anchor": "list", "items": {"$ref": "number"}},
            # The name of a property is no reference.
            "odd": {"properties": {"$ref": {"type": "string"}}, "const": {"$ref": "nowhere"}},
        },
        "anyOf": [{"$ref": "#list"}, {"$ref": "https://json-schema.org/draft/2020-12/schema"}],
    }
    assert scores(json_schema(schema), [1, 2]) == {"json_schema": 1}
    assert scores(json_schema(schema), ["a"]) == {"json_schema": 0}


def test_a_schema_that_never_ends_is_an_error_of_its_score():
    assert error_of(json_schema({"$ref": "#"}), 1).startswith("RecursionError")


# Sets


@pytest.mark.parametrize(
    ("output", "expected", "values"),
    [
        (["a", "b"], ["b", "c", "d"], (0.4, 0.5, 1 / 3)),
        (["a", "a", "b"], ("b", "a"), (1, 1, 1)),
        ([], set(), (1, 1, 1)),
        ([], ["a"], (0, 0, 0)),
        (["a"], [], (0, 0, 0)),
        (["a"], ["b"], (0, 0, 0)),
        ([{"x": [1]}, {"x": [2]}], [{"x": (1.0,)}], (2 / 3, 0.5, 1)),
        ([True], [1], (0, 0, 0)),
        ([1], [1.0], (1, 1, 1)),
        ({("a", 1)}, [["a", 1]], (1, 1, 1)),
        (None, ["a"], (0, 0, 0)),
        (5, ["5"], (0, 0, 0)),
    ],
)
def test_precision_recall_and_f1(output, expected, values):
    found = scores(set_overlap(), output, expected)
    assert found == pytest.approx(dict(zip(("f1", "precision", "recall"), values, strict=True)))


def test_texts_are_split_only_when_it_is_said():
    words = set_overlap(split="words", ignore_case=True)
    assert scores(words, "The Cat sat.", "the cat!")["recall"] == 1
    assert scores(words, "The Cat sat.", "the cat!")["precision"] == pytest.approx(2 / 3)
    assert scores(words, 42, "42 is it")["precision"] == 1
    assert "split='words'" in error_of(set_overlap(), ["a"], "a b")
    assert "split='words'" in error_of(set_overlap(), "a b", ["a"])


def test_what_is_missing_is_told():
    by_name = {
        score.name: score.reason
        for score in set_overlap().evaluate(["a", "x"], ["c", "b", "a"], None, None)
    }
    assert by_name["recall"] == "missing: 'b', 'c'"
    assert by_name["precision"] == "not expected: 'x'"
    assert by_name["f1"] == "missing: 'b', 'c'; not expected: 'x'"


def test_a_named_one_names_its_metrics():
    one = set_overlap("tags", name="tags")
    found = scores(one, {"tags": ["a"]}, {"tags": ["a"]})
    assert list(found) == ["tags_f1", "tags_precision", "tags_recall"]
    (again,) = restore_evaluators([json.loads(json.dumps(one.describe()))])
    assert scores(again, {"tags": ["a"]}, {"tags": ["a"]}) == found


def test_what_is_no_collection_is_an_error():
    assert "is no collection" in error_of(set_overlap(), ["a"], 5)
    assert "neither hashable" in error_of(set_overlap(), [np.zeros(2)], [1])


elements = st.lists(st.integers(0, 5) | st.text("ab", max_size=2) | st.booleans())


@given(elements, elements)
def test_precision_of_the_one_is_recall_of_the_other(one, other):
    here, there = scores(set_overlap(), one, other), scores(set_overlap(), other, one)
    assert here["precision"] == there["recall"]
    assert here["f1"] == there["f1"]
    assert all(0 <= value <= 1 for value in here.values())
    assert scores(set_overlap(), one, list(reversed(one + one))) == dict.fromkeys(here, 1)


# Edits


@pytest.mark.parametrize(
    ("output", "expected", "distance"),
    [("kitten", "sitting", 3), ("", "", 0), ("", "abc", 3), ("äö", "ao", 2), ("a😀", "a", 1)],
)
def test_distances_of_texts(output, expected, distance):
    plain = edit_distance(normalized=False)
    assert scores(plain, output, expected) == {"edit_distance": distance}
    longer = max(len(output), len(expected))
    similar = 1 - distance / longer if longer else 1
    assert scores(edit_distance(), output, expected) == {"edit_distance": pytest.approx(similar)}


def test_less_distance_is_better_and_more_similarity():
    assert edit_distance(normalized=False).direction == "min"
    assert edit_distance().direction == "max"
    (again,) = restore_evaluators([edit_distance(normalized=False).describe()])
    assert again.direction == "min"


def test_only_texts_have_a_distance():
    assert scores(edit_distance(), None, "a") == {"edit_distance": 0}
    assert "None is no text" in error_of(edit_distance(normalized=False), None, "a")
    assert "expected value ['a'] is no text" in error_of(edit_distance(), "a", ["a"])
    assert scores(edit_distance("n", normalized=False), {"n": 42}, 421) == {"edit_distance": 1}


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_the_distance_is_a_metric(a, b, c):
    def distance(one, other):
        return scores(edit_distance(normalized=False), one, other)["edit_distance"]

    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert 0 <= scores(edit_distance(), a, b)["edit_distance"] <= 1


# Vectors


def letters(texts):
    return [[text.count("a"), text.count("b")] for text in texts]


async def letters_later(texts):
    await asyncio.sleep(0)
    return letters(texts)


def letters_array(texts):
    return np.array(letters(texts), dtype=np.float32)


@pytest.mark.parametrize("embed", [letters, letters_later, letters_array])
def test_the_cosine_of_the_users_vectors(embed):
    one = embedding_similarity(embed)
    for output, expected, value in [("aab", "abb", 0.8), ("a", "b", 0), ("ab", "aabb", 1)]:
        found = scores(one, output, expected)
        assert found == {"embedding_similarity": pytest.approx(value, abs=1e-9)}


@given(*[st.lists(st.floats(-1e300, 1e300), min_size=3, max_size=3).filter(any)] * 2)
def test_the_cosine_stays_in_its_bounds(one, other):
    made = embedding_similarity(lambda texts: [one, other][: len(texts)])
    (score,) = made.evaluate("x", "y", None, None)
    assert score.error is not None or -1 <= score.value <= 1
    # Only what is longer than a float can say is an error.
    assert (score.error is None) == (math.isfinite(math.hypot(*one) + math.hypot(*other)))


def test_vectors_of_expected_texts_are_remembered():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return letters(texts)

    one = embedding_similarity(embed, "answer")
    for output in ("a", "b", "ab"):
        one.evaluate({"answer": output}, "abb", None, None)
    assert asked == [["a", "abb"], ["b"], ["ab"]]
    for number in range(1_024):
        one.evaluate({"answer": "a"}, f"ab{number}", None, None)
    asked.clear()
    one.evaluate({"answer": "a"}, "abb", None, None)
    assert asked == [["a", "abb"]]
    for number in range(2_000):
        one.evaluate({"answer": "a"}, f"abc{number}", None, None)
        one.evaluate({"answer": "a"}, "abb", None, None)
    assert asked.count(["a", "abb"]) == 1


def test_several_threads_may_ask_at_once():
    one = embedding_similarity(letters)
    wrong = []

    def work():
        for number in range(300):
            found = scores(one, "a", "a" + "b" * (number % 7))
            if not 0 < found["embedding_similarity"] <= 1:
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("vectors", "text"),
    [
        ([[1.0, 0.0], [0.0, 0.0]], "the vector of 'expected' is zero"),
        ([[1.0], [1.0, 2.0]], "different lengths: 1 numbers for the output, 2"),
        ([[math.nan, 1.0], [1.0, 1.0]], "not finite"),
        ([[math.inf, 1.0], [1.0, 1.0]], "not finite"),
        ([[1.0]], "1 vectors for 2 texts"),
        (None, "embed returned None"),
        ([1.0, 2.0], "no list of numbers"),
        (["12", "34"], "no list of numbers"),
        ([[], []], "is zero"),
    ],
)
def test_what_is_no_vector_is_an_error(vectors, text):
    assert text in error_of(embedding_similarity(lambda _: vectors), "output", "expected")


def test_what_the_users_function_raises_is_an_error():
    def embed(texts):
        raise ConnectionError("the model is away")

    assert error_of(embedding_similarity(embed), "a", "b").startswith(
        f"ConnectionError: the model is away ({__file__}"
    )
    assert "is no text" in error_of(embedding_similarity(letters), "a", [1])
    assert scores(embedding_similarity(letters), None, "a") == {"embedding_similarity": 0}


# Bench files and later sessions


@pytest.fixture
def models(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        "def embed(texts):\n    return [[len(text), 1] for text in texts]\nSIZE = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_models"
    sys.modules.pop("my_models", None)


SPECS = [
    {"use": "json_schema", "schema": {"type": "object"}, "field": "a"},
    {"use": "set_overlap", "split": "words", "ignore_case": True},
    {"use": "edit_distance", "normalized": False, "name": "edits"},
    {"use": "embedding_similarity", "embed": "my_models:embed", "timeout": 5},
    "edit_distance",
]


def test_bench_files_name_them_and_later_sessions_find_them(models):
    resolved = resolve_evaluators(SPECS)
    described = json.loads(json.dumps([one.describe() for one in resolved]))
    restored = restore_evaluators(described)
    assert [one.describe() for one in restored] == described
    assert restored[3].timeout == 5.0
    assert scores(restored[3], "abc", "abd") == {"embedding_similarity": pytest.approx(1)}


def test_a_function_of_a_module_is_found_again_and_a_local_one_is_not(models):
    import my_models

    found = embedding_similarity(my_models.embed)
    (again,) = restore_evaluators([found.describe()])
    assert again.version == found.version
    with pytest.raises(ConfigurationError, match="pass all of them"):
        restore_evaluators([embedding_similarity(lambda texts: texts).describe()])


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ({"use": "json_schema", "schema": {"type": 5}}, ConfigurationError, "no schema"),
        ({"use": "json_schema", "parse": "no"}, ConfigurationError, "True or False"),
        ({"use": "set_overlap", "split": "letters"}, ConfigurationError, "'words' or None"),
        ({"use": "set_overlap", "ignore_case": 1}, ConfigurationError, "True or False"),
        ({"use": "edit_distance", "normalised": True}, ConfigurationError, "'normalized'"),
        ({"use": "edit_distance", "normalized": 1}, ConfigurationError, "True or False"),
        ({"use": "edit_distance", "field": "a..b"}, ConfigurationError, "field is a name"),
        ("embedding_similarity", ConfigurationError, "'embed'"),
        ({"use": "embedding_similarity", "embed": "x"}, ConfigurationError, "reference"),
        (
            {"use": "embedding_similarity", "embed": "my_models:embd"},
            ConfigurationError,
            "Did you mean 'embed'",
        ),
        (
            {"use": "embedding_similarity", "embed": "my_models:SIZE"},
            ConfigurationError,
            "embed is",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(models, spec, error, text):
    with pytest.raises(error, match=text):
        resolve_evaluators([spec])
    with pytest.raises(WorkflowImportError):
        embedding_similarity("my_models:embd")
