"""Whole threads: deleted, copied, pruned, and rebuilt from delta channels."""

import operator

import pytest
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from lineages import LARGE, Lineage, checkpoint, config, named, run


def add(saver, thread, *, ns="", runs=("r1", "r1", "r2")):
    """A lineage with a checkpoint and writes for each run."""
    lineage = Lineage(saver, thread, ns)
    names = []
    for step, made_by in enumerate(runs):
        names.append(lineage.put(x=step, text=LARGE, metadata={"run_id": f"{thread} {made_by}"}))
        at = config(thread, names[-1], ns)
        saver.put_writes(at, [("x", step + 1), ("text", LARGE)], f"t{step}", f"~{step}")
    return lineage, names


def everything(saver, thread):
    """All that a thread has, oldest first, without its name."""

    def local(one):
        return None if one is None else (one["configurable"]["checkpoint_ns"], named(one))

    return [
        (local(t.config), t.checkpoint, t.metadata, local(t.parent_config), t.pending_writes)
        for t in saver.list({"configurable": {"thread_id": thread}})
    ][::-1]


def test_delete_thread_takes_all_namespaces_and_nothing_else(saver, thread):
    for name in (thread, f"{thread}2", thread[:-1], f"{thread}|"):
        for ns in ("", "sub:1"):
            add(saver, name, ns=ns)
    others = [everything(saver, name) for name in (f"{thread}2", thread[:-1], f"{thread}|")]
    saver.delete_thread(thread)
    assert everything(saver, thread) == []
    assert [everything(saver, n) for n in (f"{thread}2", thread[:-1], f"{thread}|")] == others
    lineage, _ = add(saver, thread)
    assert lineage.at() == {"x": 2, "text": LARGE}
    assert len(everything(saver, thread)) == 3, "nothing of the old thread comes back"


def test_writes_of_a_deleted_thread_do_not_come_back(saver, thread):
    _, names = add(saver, thread)
    saver.delete_thread(thread)
    again = Lineage(saver, thread)
    again.put(name=names[-1], x=9)
    assert saver.get_tuple(config(thread)).pending_writes == []
    assert again.at() == {"x": 9}


def test_delete_for_runs_takes_their_checkpoints_of_all_threads(saver, thread):
    runs = [f"{thread} r1", "unknown"]
    _, names = add(saver, thread)
    _, inner = add(saver, thread, ns="sub:1")
    other = Lineage(saver, f"{thread} other")
    other.put(x=1, metadata={"run_id": runs[0]})
    kept = other.put(x=2, metadata={"run_id": "not it"})
    saver.delete_for_runs(runs)
    assert {named(t.config) for t in saver.list({"configurable": {"thread_id": thread}})} == {
        names[2],
        inner[2],
    }
    assert saver.get_tuple(config(thread)).checkpoint["channel_values"] == {"x": 2, "text": LARGE}
    assert len(saver.get_tuple(config(thread)).pending_writes) == 2
    assert other.ids() == [kept]


def test_a_copy_is_the_same_and_apart(saver, thread):
    copy = f"{thread} copy"
    lineage, names = add(saver, thread)
    branch = lineage.branch()
    branch.put(x="branch")
    add(saver, thread, ns="sub:1|deep:2")
    before = everything(saver, thread)
    saver.copy_thread(thread, copy)
    assert everything(saver, copy) == before
    Lineage(saver, copy).put(x="only there")
    saver.put_writes(config(copy, names[0]), [("x", "only there")], "new")
    assert everything(saver, thread) == before
    saver.delete_thread(thread)
    assert everything(saver, thread) == []
    assert len(everything(saver, copy)) == len(before) + 1
    assert Lineage(saver, copy).at(names[1]) == {"x": 1, "text": LARGE}


def test_a_thread_may_be_copied_onto_itself_or_twice(saver, thread):
    add(saver, thread)
    before = everything(saver, thread)
    saver.copy_thread(thread, thread)
    assert everything(saver, thread) == before
    for _ in range(2):
        saver.copy_thread(thread, f"{thread} copy")
    assert everything(saver, f"{thread} copy") == before


def test_pruning_keeps_the_newest_of_each_namespace_with_its_writes(saver, thread):
    _, names = add(saver, thread)
    _, inner = add(saver, thread, ns="sub:1")
    add(saver, f"{thread} other")
    newest = [one for one in everything(saver, thread) if one[0][1] in (names[2], inner[2])]
    saver.prune([thread, "unknown"])
    assert everything(saver, thread) == newest
    assert all(len(one[4]) == 2 for one in newest)
    assert len(everything(saver, f"{thread} other")) == 3
    saver.prune([thread])
    assert everything(saver, thread) == newest
    saver.prune([thread], strategy="delete")
    assert everything(saver, thread) == []


def test_what_follows_a_pruned_thread_is_whole(saver, thread):
    lineage, _ = add(saver, thread)
    saver.prune([thread])
    lineage.put(y=1)
    lineage.put(y=2)
    assert lineage.at() == {"x": 2, "text": LARGE, "y": 2}


class Delta:
    """A lineage whose channel `log` is stored as differences, as LangGraph does it."""

    def __init__(self, saver, thread):
        self.lineage, self.saver, self.since = Lineage(saver, thread), saver, [0, 0]
        self.expected = []

    def step(self, *items, snapshot=False):
        for number, item in enumerate(items):
            at = config(self.lineage.thread, self.lineage.head)
            self.saver.put_writes(at, [("x", 0), ("log", [item])], f"t{9 - number}", f"~{number}")
            self.expected.append(item)
        self.since = [0, 0] if snapshot else [self.since[0] + 1, self.since[1] + 1]
        counters = {"counters_since_delta_snapshot": {"log": self.since}}
        value = {"log": _DeltaSnapshot(list(self.expected))} if snapshot else {}
        self.lineage.values.pop("log", None)
        return self.lineage.put(metadata=counters, x=len(self.expected), **value)

    def log(self, name=None):
        """The channel's value at a checkpoint, rebuilt as LangGraph does."""
        at = config(self.lineage.thread, name)
        found = self.saver.get_tuple(at).checkpoint["channel_values"]
        channel = DeltaChannel(operator.add, list)
        if "log" in found:
            return channel.from_checkpoint(found["log"]).get()
        history = self.saver.get_delta_channel_history(config=at, channels=["log"])["log"]
        if "seed" in history:
            channel = channel.from_checkpoint(history["seed"])
        else:
            channel.value = []
        channel.reducer = lambda state, writes: state + [one for write in writes for one in write]
        channel.replay_writes(history["writes"])
        return channel.get()


@pytest.mark.parametrize("snapshots", [(), (0,), (2,), (0, 4), (6,)])
def test_pruning_keeps_what_delta_channels_are_rebuilt_from(saver, thread, snapshots):
    delta = Delta(saver, thread)
    delta.lineage.put(x=0)
    names = [delta.step(f"{step}a", f"{step}b", snapshot=step in snapshots) for step in range(7)]
    expected = [f"{step}{letter}" for step in range(7) for letter in "ab"]
    for step, name in enumerate(names):
        assert delta.log(name) == expected[: 2 * step + 2]
    saver.prune([thread])
    assert delta.log() == expected
    assert names[-1] in delta.lineage.ids()
    since = max(snapshots, default=-1)
    assert len(delta.lineage.ids()) == (7 - since if snapshots else 8), "and no more than that"
    delta.step("after")
    assert delta.log() == [*expected, "after"]


def test_a_history_follows_parents_not_ids(saver, thread):
    delta = Delta(saver, thread)
    delta.lineage.put(x=0)
    fork = delta.step("shared")
    delta.step("left")
    left = delta.step("left 2")
    other = Delta(saver, thread)
    other.lineage = delta.lineage.branch()
    other.lineage.head, other.expected = fork, ["shared"]
    # The same checkpoint's writes of another task lead to the other branch as well: no task ids
    # tell them apart, so the fork goes on from a checkpoint of its own, as LangGraph's does.
    saver.delete_for_runs([])
    right = other.lineage.put(x="fork")
    right = other.step("right")
    assert delta.log(left) == ["shared", "left", "left 2"]
    assert other.log(right)[-1] == "right"
    base = BaseCheckpointSaver.get_delta_channel_history
    for name in (left, right, fork):
        at = config(thread, name)
        channels = ["log", "x", "absent"]
        assert saver.get_delta_channel_history(config=at, channels=channels) == base(
            saver, config=at, channels=channels
        )


def test_histories_are_those_of_the_memory_saver(saver, thread):
    memory = InMemorySaver()
    body = checkpoint({"plain": 5, "log": _DeltaSnapshot([0])}, {"plain": "1", "log": "1"})
    second = checkpoint({"plain": 5}, {"plain": "1", "log": "2"})
    third = checkpoint({"plain": 5}, {"plain": "1", "log": "3"})
    found = []
    for one in (saver, memory):
        at = one.put(config(thread), body, {}, {"plain": "1", "log": "1"})
        one.put_writes(at, [("log", [1]), ("plain", 5), ("log", [2])], "b", "~2")
        one.put_writes(at, [("log", [3])], "a", "~1")
        at = one.put(at, second, {}, {"log": "2"})
        one.put_writes(at, [("log", [4])], "c")
        at = one.put(at, third, {}, {"log": "3"})
        one.put_writes(at, [("log", ["its own"])], "d")
        channels = ["log", "plain", "absent", "log"]
        found.append(one.get_delta_channel_history(config=at, channels=channels))
        assert found[-1] == one.get_delta_channel_history(config=config(thread), channels=channels)
    assert found[0] == found[1]
    assert [value for *_, value in found[0]["log"]["writes"]] == [[3], [1], [2], [4]]
    assert saver.get_delta_channel_history(config=config(thread), channels=[]) == {}
    unknown = saver.get_delta_channel_history(config=config("no " + thread), channels=["log"])
    assert unknown == {"log": {"writes": []}}


CYCLE = """
import sys
from lineages import checkpoint, config
from wtb.langgraph.saver import WtbSaver

url, thread = sys.argv[1:]
saver = WtbSaver(url)
counters = {"counters_since_delta_snapshot": {"log": [1, 1]}}
for name, parent in (("a", "b"), ("b", "a"), ("c", "c")):
    saver.put(config(thread, parent), checkpoint({}, {}, name), counters, {})
    saver.put_writes(config(thread, name), [("log", name)], "t")
for name in "abc":
    at = config(thread, name)
    saver.get_delta_channel_history(config=at, channels=["log"])
saver.prune([thread])
print(*(one.checkpoint["id"] for one in saver.list(config(thread))))
saver.close()
"""


def test_parents_in_a_circle_end_nothing_but_the_history(store_url, thread):
    done = run(CYCLE, store_url, thread)
    assert done.stderr == ""
    assert done.stdout.split()[0] == "c"
