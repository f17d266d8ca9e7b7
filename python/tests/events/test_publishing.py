"""Events of the user's own: what may be published, and that it comes back as it went in."""

import enum

import pytest

from wtb.errors import ConfigurationError, NotFoundError
from wtb.events.data import DATA_BYTES_MAX, dump_data

NASTY = [
    "'; DROP TABLE journal; --",
    '" OR 1=1 /* % _ ? :name $1',
    "zero \0 in the middle",
    "line\nend\r\n\u2028\u2029\x85",
    "日本語 🧪 e\u0301",
    "",
]


class Colour(enum.StrEnum):
    RED = "red"


class Shouting(str):
    def __str__(self):
        return self.upper()


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize("text", NASTY)
def test_any_text_comes_back_as_it_was(bus, audit, text):
    data = {"text": text, text: [text, {"deep": text}]}
    sequence = bus.publish("custom.text", data)

    [event] = audit.query()
    assert event.data == data
    assert event.sequence == sequence


@pytest.mark.parametrize("name", [text for text in NASTY if text])
def test_any_name_of_a_kind_can_be_asked_for(bus, audit, name):
    kind = f"custom.{name}".replace("*", "+")
    bus.publish(kind)
    bus.publish("custom.other")

    assert [event.kind for event in audit.query(kinds=[kind])] == [kind]


def test_values_of_json_come_back_exactly(bus, audit):
    data = {
        "null": None,
        "yes": True,
        "int": 2**64 - 1,
        "negative": -(2**63),
        "float": 0.1,
        "tuple": (1, 2),
        "nested": {"a": [{}, [], ""]},
        "kind": "custom.nothing",
        "enum": [Colour.RED, Shouting("blue"), Number.ONE],
    }
    bus.publish("custom.values", data)

    [event] = audit.query()
    assert event.data == {**data, "tuple": [1, 2], "enum": ["red", "blue", 1]}


def test_an_event_belongs_to_a_batch_and_an_execution(bus, audit, submit):
    batch, execution = submit()
    bus.publish("custom.note", {"n": 1}, batch_id=batch, execution_id=execution)
    bus.publish("custom.note", {"n": 2}, batch_id="latest")
    bus.publish("custom.note", {"n": 3})

    events = list(audit.query(kinds="custom.note"))
    assert [(event.batch_id, event.execution_id) for event in events] == [
        (batch, execution),
        (batch, None),
        (None, None),
    ]
    assert len({event.session for event in events}) == 1


def test_an_unknown_batch_or_execution_is_refused(bus, audit):
    with pytest.raises(NotFoundError):
        bus.publish("custom.note", batch_id="b_0000000000000000")
    with pytest.raises(NotFoundError):
        bus.publish("custom.note", execution_id="e_0000000000000000")
    assert list(audit.query()) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("execution.failed", r"begin with 'custom\.'"),
        ("note", r"begin with 'custom\.'"),
        ("custom.", "needs a name"),
        ("custom.a*", r"no '\*'"),
        ("custom." + "a" * 200, "207 characters"),
        (None, "kind None"),
    ],
)
def test_only_kinds_of_the_users_own_can_be_published(bus, kind, text):
    with pytest.raises(ConfigurationError, match=text):
        bus.publish(kind)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"model": object()}, r"data\['model'\] is a builtins.object"),
        ({"a": [1, {"b": {2, 3}}]}, r"data\['a'\]\[1\]\['b'\] is a builtins.set"),
        ({"score": float("nan")}, r"data\['score'\] is nan"),
        ({"raw": b"x"}, r"data\['raw'\] is a builtins.bytes"),
        ({"big": 2**64}, r"data\['big'\] has more than 64 bits"),
        ({"text": "\ud800"}, r"data\['text'\] is not valid Unicode"),
        ({1: "x"}, "data has the key 1"),
        ({"a": {None: "x"}}, r"data\['a'\] has the key None"),
        (["no mapping"], "data must be a mapping"),
    ],
)
def test_data_that_json_does_not_know_is_refused_by_its_key(bus, audit, data, text):
    with pytest.raises(TypeError, match=text):
        bus.publish("custom.note", data)
    assert list(audit.query()) == []


def test_data_that_holds_itself_is_refused(bus):
    data = {}
    data["self"] = data
    with pytest.raises(TypeError, match="nested deeper than 100 levels"):
        bus.publish("custom.note", data)


def test_the_deepest_data_allowed_can_be_stored(bus, audit):
    data = {"a": 1}
    for _ in range(99):
        data = {"a": data}
    bus.publish("custom.deep", data)
    assert next(audit.query()).data == data


def test_large_data_is_refused(bus):
    with pytest.raises(ValueError, match="at most 262,144"):
        bus.publish("custom.note", {"text": "é" * (DATA_BYTES_MAX // 2)})


def test_no_data_is_an_empty_mapping(bus, audit):
    bus.publish("custom.note")
    assert dump_data(None) == "{}"
    assert next(audit.query()).data == {}
