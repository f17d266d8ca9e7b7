"""Versions of channels: never the same on two branches, whatever a program seeds.

The official savers draw versions from `random`. A program that seeds it before each of two branches
gets the same version twice, and one branch reads the other's value.
"""

import multiprocessing
import os
import random
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from lineages import LARGE, Lineage, run

from wtb.langgraph.saver import WtbSaver


def seed():
    random.seed(0)
    numpy.random.seed(0)


def branches(saver, thread):
    """Two branches from one checkpoint, each begun with the same seed; returns what they hold."""
    root = Lineage(saver, thread)
    root.put(x="root", large=LARGE)
    ends = []
    for name in ("a", "b"):
        branch = root.branch()
        seed()
        branch.put(x=name, large=name + LARGE)
        branch.put(y=name)
        ends.append(branch)
    assert ends[0].head != ends[1].head
    return [branch.at(branch.head) for branch in ends]


def test_seeded_branches_keep_their_own_values(saver, thread):
    expected = [{"x": name, "large": name + LARGE, "y": name} for name in ("a", "b")]
    assert branches(saver, thread) == expected
    assert branches(InMemorySaver(), thread) != expected, "the hazard that this is about"


def test_seeded_branches_of_a_graph_keep_their_own_values(saver, thread):
    graph = StateGraph(dict)
    graph.add_node("n", lambda state: {"drawn": [state["name"], random.random()]})
    graph.add_edge(START, "n")
    graph.add_edge("n", END)
    compiled = graph.compile(checkpointer=saver)
    given = {"configurable": {"thread_id": thread}}
    compiled.invoke({"name": "root"}, given)
    start = compiled.get_state(given).config
    ends = []
    for name in ("a", "b"):
        seed()
        at = compiled.update_state(start, {"name": name}, as_node="__start__")
        compiled.invoke(None, at)
        ends.append(compiled.get_state(given).config)
    found = [compiled.get_state(end).values for end in ends]
    assert [one["drawn"][0] for one in found] == ["a", "b"]
    assert found[0]["drawn"][1] == found[1]["drawn"][1], "the program's own numbers are the same"


def test_versions_neither_take_from_random_nor_give_to_it(saver, monkeypatch):
    seed()
    before = random.getstate(), numpy.random.get_state()[1].tolist()
    version = None
    for _ in range(100):
        version = saver.get_next_version(version, None)
    assert (random.getstate(), numpy.random.get_state()[1].tolist()) == before
    for name in ("random", "getrandbits", "randbytes", "seed"):
        monkeypatch.delattr(random, name)
    assert saver.get_next_version(version, None) > version


OFFICIAL = f"{41:032}.0.123"


@pytest.mark.parametrize("first", [None, 0, 1, 41, 2.0, 41.75, "1", "41", OFFICIAL])
def test_versions_increase(saver, first):
    version = saver.get_next_version(first, None)
    number = 0 if first is None else int(float(str(first).split(".")[0]))
    assert int(version.split(".")[0]) == number + 1
    if isinstance(first, str) and first == OFFICIAL:
        assert version > first, "a thread of an official saver can be gone on with"
    for _ in range(2_000):
        following = saver.get_next_version(version, None)
        assert following > version
        assert int(following.split(".")[0]) == int(version.split(".")[0]) + 1
        version = following


@pytest.mark.parametrize("bad", ["", "x", ".5", "v1.0"])
def test_what_is_no_version_is_refused(saver, bad):
    with pytest.raises(ValueError, match="invalid literal"):
        saver.get_next_version(bad, None)


def test_versions_of_threads_and_savers_differ(store_url):
    with WtbSaver(store_url) as one, WtbSaver(store_url) as other:
        savers = [one, other] * 4
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda saver: [saver.get_next_version(7, None) for _ in range(2_000)], savers
            )
            versions = [version for some in found for version in some]
    assert len(set(versions)) == len(versions) == 16_000


DRAW = """
import random
from wtb.langgraph.saver import WtbSaver
random.seed(0)
print(*(WtbSaver.get_next_version(None, 7, None) for _ in range(100)))
"""


def test_versions_of_processes_differ():
    found = []
    for _ in range(2):
        done = run(DRAW, PYTHONHASHSEED="0")
        found += done.stdout.split()
    assert len(set(found)) == 200


def draw(queue):
    queue.put([WtbSaver.get_next_version(None, 7, None) for _ in range(100)])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_versions_of_forked_processes_differ():
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=draw, args=(queue,)) for _ in range(3)]
    for child in children:
        child.start()
    found = [version for _ in children for version in queue.get()]
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    draw(queue)
    found += queue.get()
    assert len(set(found)) == 400
