"""`list(filter=...)` means `metadata.get(key) == value`, as Python does, whatever the strings."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from lineages import Lineage, checkpoint, config, named

METADATA = {
    "a.b": 1,
    "flag": True,
    "nest": {"x": 1, "y": 2},
    "lst": [1, 2],
    "nul": None,
    "big": 2**53 + 1,
    "huge": 2**64 - 1,
    "half": 0.5,
    "a b": "space",
    "é": "ü",
    "😀": "😀",
    "quote\"'`": 'it\'s "quoted"',
    "$.flag": "path",
    "": "empty",
    "%": "like",
}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, True),
        ({"a.b": 1}, True),
        ({"a.b": 1.0}, True),
        ({"a.b": True}, True),
        ({"a.b": "1"}, False),
        ({"nest.x": 1}, False),
        ({"nest": {"y": 2, "x": 1}}, True),
        ({"nest": {"x": 1}}, False),
        ({"nest": {"x": 1, "y": 2, "z": None}}, False),
        ({"nest": {"x": True, "y": 2.0}}, True),
        ({"lst": [1, 2]}, True),
        ({"lst": [1.0, 2]}, True),
        ({"lst": [2, 1]}, False),
        ({"lst": [1]}, False),
        ({"lst": 1}, False),
        ({"lst": "[1, 2]"}, False),
        ({"flag": True}, True),
        ({"flag": 1}, True),
        ({"flag": 1.0}, True),
        ({"flag": False}, False),
        ({"flag": "true"}, False),
        ({"nul": None}, True),
        ({"nul": 0}, False),
        ({"nul": False}, False),
        ({"nul": ""}, False),
        ({"absent": None}, True),
        ({"absent": 0}, False),
        ({"absent": {}}, False),
        ({"flag": None}, False),
        ({"big": 2**53 + 1}, True),
        ({"big": 2**53}, False),
        ({"big": float(2**53)}, False),
        ({"huge": 2**64 - 1}, True),
        ({"huge": 2**64 - 2}, False),
        ({"huge": float(2**64)}, False),
        ({"half": 0.5}, True),
        ({"a b": "space"}, True),
        ({"é": "ü"}, True),
        ({"e\u0301": "ü"}, False),
        ({"😀": "😀"}, True),
        ({"quote\"'`": 'it\'s "quoted"'}, True),
        ({"$.flag": "path"}, True),
        ({"$.flag": True}, False),
        ({"": "empty"}, True),
        ({"%": "like"}, True),
        ({"%": "%"}, False),
        ({"flag": True, "half": 0.5, "absent": None}, True),
        ({"flag": True, "half": 0.25}, False),
    ],
)
def test_the_documented_meaning(saver, thread, wanted, found):
    assert all(METADATA.get(key) == value for key, value in wanted.items()) is found
    for one in (saver, InMemorySaver()):
        at = one.put(config(thread), checkpoint({}, {}), METADATA, {})
        assert one.get_tuple(at).metadata == METADATA
        assert len([*one.list(config(thread), filter=wanted)]) == found


@pytest.mark.parametrize(
    "odd",
    [float("inf"), float("-inf"), float("nan"), "a\ud800b", 2**64, -(2**200), {"deep": [1e999]}],
)
def test_what_json_has_no_words_for_spoils_nothing(saver, thread, odd):
    """Metadata comes from the user's config: one odd number must not make a thread unreadable."""
    at = config(thread)
    at["metadata"] = {"odd": odd}
    Lineage(saver, thread).put(x=1)
    saver.put(at, checkpoint({"x": 2}, {}), {"nested": {"odd": odd}}, {})
    found = [*saver.list(config(thread))]
    assert [one.checkpoint["channel_values"] for one in found] == [{"x": 2}, {"x": 1}]
    nested = found[0].metadata["nested"]
    assert type(nested["odd"]) in (str, dict)
    assert len([*saver.list(config(thread), filter={"nested": {"odd": odd}})]) == 1


def test_pairs_of_surrogates_and_long_numbers_stay_what_they_are(saver, thread):
    given = {"a": "😀", "b": 2**63, "c": -(2**63), "d": 1e300, "e": "1234567890123456789012"}
    at = saver.put(config(thread), checkpoint({}, {}), given, {})
    assert saver.get_tuple(at).metadata == given
    assert [type(one) for one in saver.get_tuple(at).metadata.values()] == [
        str, int, int, float, str,
    ]  # fmt: skip


ATTACKS = [
    "' OR 1=1 --",
    "'; DROP TABLE checkpoints; --",
    '" OR ""="',
    "x') OR ('1'='1",
    "%",
    "_",
    "*",
    "?1",
    ":name",
    "\\",
    "a\nb\tc",
    "$.flag",
    "' UNION SELECT sql FROM sqlite_master --",
    "json_extract(metadata, '$')",
    "\U0001f600",
    "null",
    "",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_string_of_the_user_is_ever_sql(saver, thread, attack):
    bystander = Lineage(saver, thread)
    bystander.put(x="safe", metadata={"key": "safe"})
    before = [*saver.list(config(thread))]
    name, ns, run = f"{thread}{attack}", f"ns{attack}", f"{thread} run{attack}"
    other = Lineage(saver, name + "|", ns)
    first = other.put(name=f"1{attack}", **{f"c{attack}": 1}, metadata={f"k{attack}": attack})
    second = other.put(name=f"2{attack}", x=2, metadata={"run_id": run})
    at = config(name + "|", first, ns)
    saver.put_writes(at, [(f"c{attack}", attack)], f"t{attack}", f"~{attack}")
    assert other.ids() == [second, first]
    assert other.at(first) == {f"c{attack}": 1}
    assert saver.get_tuple(at).pending_writes == [(f"t{attack}", f"c{attack}", attack)]
    for key, value, found in (
        (f"k{attack}", attack, [first]),
        (f"k{attack}", "safe", []),
        (attack or "none", attack, []),
        ("key", attack, []),
    ):
        assert other.ids(filter={key: value}) == found
        if not found:
            assert [*saver.list(config(thread), filter={key: value})] == []
    assert other.ids(before=config(name, second)) == [first]
    history = saver.get_delta_channel_history(
        config=config(name + "|", second, ns), channels=[f"c{attack}"]
    )
    assert history[f"c{attack}"]["seed"] == 1
    saver.copy_thread(name + "|", f"{name}copy")
    assert len([*saver.list({"configurable": {"thread_id": f"{name}copy"}})]) == 2
    saver.delete_for_runs([run, attack])
    assert other.ids() == [first]
    saver.prune([name + "|", attack])
    saver.delete_thread(name + "|")
    saver.prune([f"{name}copy"], strategy="delete")
    assert other.ids() == []
    assert [*saver.list(config(thread))] == before


def test_before_limit_ids_and_filter_together(saver, thread):
    lineage = Lineage(saver, thread)
    names = [lineage.put(x=step, metadata={"odd": step % 2}) for step in range(100)][::-1]
    odd = names[::2]
    assert lineage.ids(filter={"odd": 1}) == odd
    assert lineage.ids(filter={"odd": 1}, limit=40) == odd[:40]
    assert lineage.ids(filter={"odd": 1}, before=config(thread, odd[3]), limit=2) == odd[4:6]
    assert lineage.ids(before=config(thread, "0")) == []
    assert lineage.ids(before=config(thread, "f" * 40)) == names
    one = config(thread, odd[3])
    assert [named(found.config) for found in saver.list(one)] == [odd[3]]
    assert [*saver.list(one, filter={"odd": 0})] == []
    assert [*saver.list(one, before=one)] == []
    assert lineage.ids(filter={"step": 5}) == [names[93]]


def test_all_threads_are_listed_together(saver, thread):
    others = [Lineage(saver, f"{thread} {number}") for number in range(3)]
    mark = {"mark": thread}
    names = [lineage.put(metadata=mark) for _ in range(30) for lineage in others]
    found = [named(one.config) for one in saver.list(None, filter=mark)]
    assert found == names[::-1], "by descending id, whatever the thread"
    before = config("any", names[45])
    assert [
        named(one.config) for one in saver.list(None, filter=mark, before=before, limit=9)
    ] == names[36:45][::-1]


def test_equal_ids_in_several_threads_are_all_listed(saver, thread):
    mark = {"mark": thread}
    for number in range(80):
        Lineage(saver, f"{thread} {number}").put(name=f"{thread} same", x=number, metadata=mark)
    found = [*saver.list(None, filter=mark)]
    assert sorted(one.checkpoint["channel_values"]["x"] for one in found) == [*range(80)]


KEYS = st.sampled_from(["a", "b", "a.b", "é", "'", '"', "$", "a b", "source"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-2, 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, 2.0**53, "", "1", "true", "null", "é"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=5,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def fits(metadata, wanted):
    return all(metadata.get(key) == value for key, value in wanted.items())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stored=st.lists(OBJECTS, min_size=1, max_size=8), wanted=OBJECTS, seed=st.randoms())
def test_a_filter_finds_what_python_finds(shared_saver, stored, wanted, seed):
    # A part of the filter is what is there, so that it finds something.
    wanted |= {key: one for key, one in seed.choice(stored).items() if seed.random() < 0.7}
    # LangGraph takes NUL out of the texts of metadata.
    plain = [
        {
            key: one.replace("\0", "") if isinstance(one, str) else one
            for key, one in entries.items()
        }
        for entries in stored
    ]
    lineage = Lineage(shared_saver, f"{uuid4()}")
    at = config(lineage.thread)
    names = [named(shared_saver.put(at, checkpoint({}, {}), one, {})) for one in stored]
    assert [one.metadata for one in shared_saver.list(at)] == plain[::-1]
    found = [name for name, one in zip(names, plain, strict=True) if fits(one, wanted)]
    assert lineage.ids(filter=wanted) == found[::-1]
