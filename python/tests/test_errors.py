"""The exceptions: what they derive from, that they survive pickling, and near misses."""

import pickle

import pytest

from wtb import errors

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.WtbError)
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_errors_survive_pickling(kind):
    error = kind("what happened, and what to do")
    error.add_note("a note")

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert str(again) == again.message == "what happened, and what to do"
    assert again.__notes__ == ["a note"]


def test_configuration_errors_are_value_errors():
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.UnknownNodeError, errors.ConfigurationError)


def test_near_misses_come_best_first_and_ignore_case():
    known = ["retriever", "Generator", "rerank"]
    assert errors.near_misses("retreiver", known)[0] == "retriever"
    assert errors.near_misses("generator", known)[0] == "Generator"
    assert errors.near_misses("zzz", known) == []


def test_long_lists_of_names_are_cut():
    text = errors.did_you_mean("x", [f"node_{n}" for n in range(25)], listed_as="the nodes")
    assert "'node_19' and 5 more." in text
    assert "node_20" not in text
