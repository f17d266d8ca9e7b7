"""What LangGraph's suite leaves out of writing and reading: synchronous methods, and the odds."""

import asyncio
import threading

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from lineages import LARGE, Lineage, checkpoint, config, named, new_id

from wtb.errors import ConfigurationError, StoreError
from wtb.langgraph.saver import PAGE_SIZE, WtbSaver


@pytest.fixture
def lineage(saver, thread):
    return Lineage(saver, thread)


def writes_of(saver, thread, name):
    return saver.get_tuple(config(thread, name)).pending_writes


def test_put_and_get(saver, thread):
    given = {**config(thread), "metadata": {"user": "u"}}
    given["configurable"]["extra"] = 5
    body = checkpoint({"x": [1, {"y": None}]}, {"x": "1"})
    at = saver.put(given, body, {"source": "input", "step": -1, "parents": {}}, {"x": "1"})
    assert at == config(thread, body["id"])
    found = saver.get_tuple(at)
    assert found.config == at
    assert found.checkpoint == body
    assert found.metadata == {
        "source": "input", "step": -1, "parents": {}, "user": "u", "extra": 5,
    }  # fmt: skip
    assert found.parent_config is None
    assert found.pending_writes == []
    assert saver.get(config(thread)) == body
    following = saver.put(at, checkpoint({}, {}), {}, {})
    assert saver.get_tuple(config(thread)).config == following
    assert saver.get_tuple(following).parent_config == at


def test_nothing_is_found_where_nothing_is(saver, lineage, thread):
    lineage.put(x=1)
    for given in (
        config("no such " + thread),
        config(thread, ns="other"),
        config(thread, new_id()),
        config(thread, lineage.head, "other"),
    ):
        assert saver.get_tuple(given) is None
        assert saver.get(given) is None
        assert [*saver.list(given)] == []


def test_the_newest_is_the_one_with_the_greatest_id_whatever_the_order_of_coming(lineage):
    for name in ("b", "c", "a"):
        lineage.put(name=name, x=name)
    assert lineage.at() == {"x": "c"}
    assert lineage.ids() == ["c", "b", "a"]


def test_an_empty_id_is_no_id(saver, lineage, thread):
    lineage.put(x=1)
    assert saver.get_tuple(config(thread, "")).config == config(thread, lineage.head)
    assert lineage.ids(before=config(thread, "")) == [lineage.head]
    assert len([*saver.list(config(thread, ""))]) == 1


def test_numbers_may_be_thread_ids(saver, thread):
    number = int.from_bytes(thread.encode()[-6:])
    given = {"configurable": {"thread_id": number, "checkpoint_ns": ""}}
    saver.put(given, empty_checkpoint(), {}, {})
    assert saver.get_tuple(given) is not None
    assert saver.get_tuple(config(str(number))) is not None
    saver.delete_thread(number)
    assert saver.get_tuple(given) is None


def test_namespaces_are_apart(saver, thread):
    names = {ns: Lineage(saver, thread, ns).put(x=ns) for ns in ("", "a", "a|b", "a|b:1")}
    for ns, name in names.items():
        assert saver.get_tuple(config(thread, ns=ns)).config == config(thread, name, ns)
    everywhere = saver.list({"configurable": {"thread_id": thread}})
    assert {named(one.config) for one in everywhere} == set(names.values())


def test_writes_may_come_before_their_checkpoint(saver, lineage, thread):
    name = new_id()
    saver.put_writes(config(thread, name), [("x", 1), ("y", LARGE)], "task")
    assert saver.get_tuple(config(thread, name)) is None
    assert saver.get_tuple(config(thread)) is None
    assert lineage.ids() == []
    lineage.put(name=name, x=0)
    assert writes_of(saver, thread, name) == [("task", "x", 1), ("task", "y", LARGE)]


def test_writes_are_ordered_by_path_task_and_position(saver, lineage, thread):
    name = lineage.put(x=0)
    at = config(thread, name)
    tasks = [("t2", "~b"), ("t1", "~b"), ("t9", "~a"), ("t5", ""), ("t0", "~c, 0000000010")]
    for task, path in tasks:
        saver.put_writes(at, [(f"c{n}", n) for n in range(12)], task, path)
        saver.put_writes(at, [("__error__", "e")], task, path)
    found = writes_of(saver, thread, name)
    assert [task for task, _, _ in found[::13]] == ["t5", "t9", "t1", "t2", "t0"]
    assert [channel for _, channel, _ in found[:13]] == [
        "__error__",
        *(f"c{n}" for n in range(12)),
    ]
    memory = InMemorySaver()
    at = memory.put(config(thread), checkpoint({}, {}), {}, {})
    for task, path in tasks:
        memory.put_writes(at, [(f"c{n}", n) for n in range(12)], task, path)
        memory.put_writes(at, [("__error__", "e")], task, path)
    assert found == memory.get_tuple(at).pending_writes


def test_the_first_writes_stay_and_special_ones_are_replaced(saver, lineage, thread):
    at = config(thread, lineage.put(x=0))
    saver.put_writes(at, [("x", 1), ("y", 2)], "t")
    saver.put_writes(at, [("x", "no"), ("y", "no"), ("z", 3)], "t")
    saver.put_writes(at, [("__interrupt__", "first")], "t")
    saver.put_writes(at, [("__resume__", [1])], "t")
    saver.put_writes(at, [("__interrupt__", "second"), ("__resume__", [1, 2])], "t")
    found = {channel: value for _, channel, value in saver.get_tuple(at).pending_writes}
    expected = {"x": 1, "y": 2, "z": 3, "__interrupt__": "second", "__resume__": [1, 2]}
    assert found == expected
    saver.put_writes(at, [], "t")
    assert len(saver.get_tuple(at).pending_writes) == 5


def test_a_channel_whose_value_is_gone_is_not_there(lineage):
    first = lineage.put(x=1, y=LARGE)
    second = lineage.put("y", z=2)
    third = lineage.put(z=3)
    assert lineage.at(first) == {"x": 1, "y": LARGE}
    assert lineage.at(second) == {"x": 1, "z": 2}
    assert lineage.at(third) == {"x": 1, "z": 3}
    lineage.put(y="again")
    assert lineage.at() == {"x": 1, "z": 3, "y": "again"}


@pytest.mark.parametrize("value", [7, None, "small", LARGE, b"\x00\xff" * 5_000, [], {}])
def test_a_channel_that_never_changes_is_there_at_every_step(lineage, value):
    names = [lineage.put(constant=value, x=0)]
    names += [lineage.put(x=step) for step in range(1, 60)]
    assert [lineage.at(name) for name in names] == [
        {"constant": value, "x": step} for step in range(60)
    ]


def test_a_list_that_grows_and_shrinks_is_right_at_every_step(lineage):
    items, names = [], []
    for step in range(60):
        if step % 7 == 6:
            del items[len(items) // 3 : len(items) // 2]
        items.append({"role": "user", "content": f"message {step} " * (1 + 40 * (step % 5))})
        names.append((lineage.put(items=list(items)), list(items)))
    for name, expected in reversed(names):
        assert lineage.at(name) == {"items": expected}


def test_a_parent_that_is_not_stored_costs_the_whole_values(saver, lineage, thread):
    versions = {"x": "1", "y": "1", "gone": "2"}
    body = checkpoint({"x": 1, "y": LARGE}, versions)
    saver.put(config(thread, new_id()), body, {}, {"x": "1", "gone": "2"})
    assert lineage.at(body["id"]) == {"x": 1, "y": LARGE}


def test_a_parent_that_was_pruned_or_has_other_versions_costs_what_is_missing(saver, lineage):
    lineage.put(x=1, y=LARGE)
    other = lineage.branch()
    lineage.put(x=2)
    saver.prune([lineage.thread])
    assert other.at(other.head) is None
    other.put(z=3)
    assert other.at(other.head) == {"x": 1, "y": LARGE, "z": 3}
    other.versions["y"] = "another"
    other.values["y"] = "unannounced"
    other.put(z=4)
    assert other.at() == {"x": 1, "y": "unannounced", "z": 4}


def test_a_checkpoint_put_again_is_replaced(saver, lineage, thread):
    first = lineage.put(x=1, y=LARGE)
    child = lineage.put(z=1)
    saver.put_writes(config(thread, first), [("x", 2)], "t")
    body = checkpoint({"x": "new"}, {"x": "9"}, first)
    saver.put(config(thread), body, {"step": 7}, {"x": "9"})
    found = saver.get_tuple(config(thread, first))
    assert found.checkpoint == body
    assert found.metadata == {"step": 7}
    assert found.pending_writes == [("t", "x", 2)]
    assert lineage.at(child) == {"x": 1, "y": LARGE, "z": 1}, "children keep what they had"
    assert lineage.ids() == [child, first]


class PrunesMeanwhile(JsonPlusSerializer):
    """Prunes the thread when a certain value is dumped."""

    prune = staticmethod(lambda: None)

    def dumps_typed(self, obj):
        if obj == "unannounced":
            self.prune()
        return super().dumps_typed(obj)


def test_a_parent_that_is_pruned_during_a_put_does_no_harm(store_url, thread):
    serde = PrunesMeanwhile()
    with WtbSaver(store_url, serde=serde) as saver:
        lineage = Lineage(saver, thread)
        lineage.put(x=1, y=LARGE)
        other = lineage.branch()
        lineage.put(x=2)
        other.versions["new"], other.values["new"] = "1", "unannounced"
        serde.prune = lambda: saver.prune([thread])
        other.put(z=3)
        assert other.at(other.head) == {"x": 1, "y": LARGE, "z": 3, "new": "unannounced"}


@pytest.mark.parametrize("limit", [0, -1, 1, PAGE_SIZE, PAGE_SIZE + 1, 1000, None])
def test_list_pages(lineage, thread, limit):
    names = [lineage.put(x=step) for step in range(2 * PAGE_SIZE)][::-1]
    wanted = len(names) if limit is None else max(limit, 0)
    assert lineage.ids(limit=limit) == names[:wanted]
    assert lineage.ids(limit=limit, before=config(thread, names[9])) == names[10:][:wanted]


def test_a_slow_reader_of_a_list_holds_nobody_up(saver, lineage, thread, store_url):
    """LangGraph's issue 8558: there, `put` waits until the iterator is closed."""
    names = [lineage.put(x=step) for step in range(3 * PAGE_SIZE)][::-1]
    listed = saver.list(config(thread))
    seen = [named(next(listed).config) for _ in range(PAGE_SIZE + 1)]
    failures = []

    def write():
        try:
            lineage.put(x="later")
            with WtbSaver(store_url) as other:
                Lineage(other, thread, "other").put(x="other")
        except Exception as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(20)
    assert not writer.is_alive()
    assert failures == []
    assert lineage.at() == {"x": "later"}
    assert seen + [named(one.config) for one in listed] == names
    assert lineage.ids()[1:] == names


def test_what_is_deleted_while_a_list_is_read_is_gone_from_it(saver, lineage, thread):
    for step in range(2 * PAGE_SIZE):
        lineage.put(x=step)
    listed = saver.list(config(thread))
    next(listed)
    saver.delete_thread(thread)
    assert len([*listed]) == PAGE_SIZE - 1


@pytest.mark.parametrize("ids", [[], ["unknown"]])
def test_to_delete_copy_or_prune_what_is_unknown_does_nothing(saver, lineage, thread, ids):
    lineage.put(x=1)
    unknown = [f"{one} {thread}" for one in ids]
    saver.delete_for_runs(unknown)
    saver.prune(unknown)
    saver.prune(unknown, strategy="delete")
    for one in unknown:
        saver.delete_thread(one)
        saver.copy_thread(one, thread)
        saver.copy_thread(one, f"target of {thread}")
    assert lineage.at() == {"x": 1}
    assert [*saver.list(config(f"target of {thread}"))] == []


def test_a_bad_strategy_prunes_nothing(saver, lineage, thread):
    names = [lineage.put(x=step) for step in range(3)]
    for bad in ("keep_all", "", None, "KEEP_LATEST"):
        with pytest.raises(ConfigurationError, match=r"nothing was pruned"):
            saver.prune([thread], strategy=bad)
        with pytest.raises(ValueError, match="keep_latest"):
            saver.prune([], strategy=bad)
    assert lineage.ids() == names[::-1]


def test_a_saver_may_be_closed_twice_and_then_refuses_to_write(store_url, thread):
    saver = WtbSaver(store_url)
    name = Lineage(saver, thread).put(x=1)
    for _ in range(2):
        saver.close()
    at = config(thread, name)
    for use in (
        lambda: saver.put(at, empty_checkpoint(), {}, {}),
        lambda: saver.put_writes(at, [("x", 1)], "t"),
        lambda: saver.delete_thread(thread),
        lambda: saver.delete_for_runs(["r"]),
        lambda: saver.copy_thread(thread, "other"),
        lambda: saver.prune([thread]),
    ):
        with pytest.raises(StoreError, match="closed"):
            use()
    with pytest.raises(StoreError, match="closed"):
        asyncio.run(saver.aput(at, empty_checkpoint(), {}, {}))
    saver.close()
    with WtbSaver(store_url) as again:
        assert Lineage(again, thread).at() == {"x": 1}


def test_what_was_written_before_closing_is_there_after(store_url, thread):
    with WtbSaver(store_url) as saver:
        at = config(thread, Lineage(saver, thread).put(x=1))
        for number in range(50):
            saver.put_writes(at, [("x", number)], f"t{number:02}")
    with WtbSaver(store_url) as again:
        found = again.get_tuple(at).pending_writes
    assert found == [(f"t{number:02}", "x", number) for number in range(50)]
