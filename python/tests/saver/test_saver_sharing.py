"""One saver for many threads, event loops and graphs."""

import asyncio
import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from langgraph.graph import END, START, StateGraph
from lineages import LARGE, Lineage, checkpoint, config, named, run

from wtb.langgraph.saver import WtbSaver


def test_a_shallow_copy_is_the_same_store(saver, thread):
    other = copy.copy(saver)
    assert isinstance(other, WtbSaver)
    Lineage(other, thread).put(x=1)
    assert Lineage(saver, thread).at() == {"x": 1}
    assert asyncio.run(other.aget_tuple(config(thread))) is not None
    del other
    Lineage(saver, thread).put(x=2)
    assert Lineage(saver, thread).at() == {"x": 2}


STRICT = """
import dataclasses, sys, warnings
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
from wtb.langgraph.saver import WtbSaver

warnings.simplefilter("error")

@dataclasses.dataclass
class Known:
    number: int

@dataclasses.dataclass
class Hidden:
    number: int

class State(TypedDict, total=False):
    known: Known
    hidden: object

graph = StateGraph(State)
graph.add_node("n", lambda state: {"known": Known(1), "hidden": Hidden(2)})
graph.add_edge(START, "n")
graph.add_edge("n", END)
url, thread = sys.argv[1:]
given = {"configurable": {"thread_id": thread}}
with WtbSaver(url) as saver:
    compiled = graph.compile(checkpointer=saver)
    compiled.invoke({}, given)
    values = compiled.get_state(given).values
    print(values["known"] == Known(1), values["hidden"] == {"number": 2})
    print(saver.get(given)["channel_values"]["known"] == {"number": 1}, "the saver itself")
"""


@pytest.mark.parametrize("strict", ["true", "false"])
def test_with_allowlist_adds_the_types_of_the_graph(store_url, thread, strict):
    done = run(STRICT, store_url, thread, LANGGRAPH_STRICT_MSGPACK=strict)
    assert "Traceback" not in done.stderr
    known = "True" if strict == "true" else "False"
    assert done.stdout.splitlines() == [f"{known} True", "True the saver itself"]


def together(count, call):
    """Call a function on so many threads at the same time; returns what they returned."""
    barrier = threading.Barrier(count)

    def one(number):
        barrier.wait(30)
        return call(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_sixteen_threads_on_one_thread_id(saver, thread):
    root = Lineage(saver, thread)
    start = root.put(x="root", large=LARGE)

    def work(number):
        lineage, names = root.branch(), []
        for step in range(15):
            names.append(lineage.put(x=[number, step], mine=f"{number} {step} {LARGE}"))
            at = config(thread, start)
            saver.put_writes(at, [("x", [number, step]), ("y", LARGE)], f"t{number:02} {step:02}")
            assert lineage.at(names[-1])["x"] == [number, step]
            listed = [*saver.list(config(thread), limit=3)]
            assert min(3, step + 2) <= len(listed) <= 3  # the root and its own are there for sure
        return names

    names = together(16, work)
    for number, own in enumerate(names):
        for step, name in enumerate(own):
            mine = f"{number} {step} {LARGE}"
            assert root.at(name) == {"x": [number, step], "large": LARGE, "mine": mine}
    assert {named(one.config) for one in saver.list(config(thread))} == {
        start,
        *chain.from_iterable(names),
    }
    pending = saver.get_tuple(config(thread, start)).pending_writes
    assert pending == [
        write
        for number in range(16)
        for step in range(15)
        for write in (
            (f"t{number:02} {step:02}", "x", [number, step]),
            (f"t{number:02} {step:02}", "y", LARGE),
        )
    ]


def test_sixteen_threads_on_many_thread_ids(saver, thread):
    def work(number):
        for turn in range(4):
            lineage = Lineage(saver, f"{thread} {number} {turn}")
            for step in range(8):
                lineage.put(x=step, text=f"{number}" + LARGE)
            if turn == 1:
                saver.copy_thread(lineage.thread, f"{thread} copy {number}")
            if turn == 2:
                saver.prune([lineage.thread])
            if turn == 3:
                saver.delete_thread(lineage.thread)

    together(16, work)
    for number in range(16):
        expected = {"x": 7, "text": f"{number}" + LARGE}
        names = [*(f"{number} {turn}" for turn in range(4)), f"copy {number}"]
        found = [Lineage(saver, f"{thread} {name}") for name in names]
        assert [one.at() for one in found] == [expected, expected, expected, None, expected]
        assert [len(one.ids()) for one in found] == [8, 8, 1, 0, 8]


def test_several_event_loops_in_several_threads(saver, thread):
    async def walk(number):
        lineage, parent = f"{thread} {number}", None
        for step in range(10):
            body = checkpoint({"x": [number, step]}, {"x": str(step)})
            put = await saver.aput(config(lineage, parent), body, {}, {"x": str(step)})
            parent = named(put)
            await saver.aput_writes(put, [("x", step)], "t")
            found = await saver.aget_tuple(put)
            assert found.checkpoint["channel_values"] == {"x": [number, step]}
            assert found.pending_writes == [("t", "x", step)]
        listed = [one async for one in saver.alist(config(lineage))]
        await saver.acopy_thread(lineage, lineage + " copy")
        await saver.aprune([lineage])
        history = await saver.aget_delta_channel_history(
            config=config(lineage + " copy"), channels=["x"]
        )
        assert history["x"]["seed"] == [number, 8]
        await saver.adelete_thread(lineage + " copy")
        return [one.checkpoint["channel_values"]["x"][1] for one in listed]

    async def main(loop):
        return await asyncio.gather(*(walk(8 * loop + number) for number in range(8)))

    found = together(6, lambda loop: asyncio.run(main(loop)))
    assert found == [[[*range(9, -1, -1)]] * 8] * 6
    assert all(len(Lineage(saver, f"{thread} {number}").ids()) == 1 for number in range(48))


def test_a_loop_may_end_in_the_middle(saver, thread):
    lineage = Lineage(saver, thread)
    for step in range(100):
        lineage.put(x=step)

    async def main():
        listed = saver.alist(config(thread))
        first = await anext(listed)
        task = asyncio.create_task(saver.aget_tuple(config(thread)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return named(first.config)

    for _ in range(5):
        assert asyncio.run(main()) == lineage.head


def test_one_graph_run_by_many_threads(saver, thread):
    graph = StateGraph(dict)
    for name, following in (("a", "b"), ("b", "c"), ("c", END)):
        graph.add_node(name, lambda state, name=name: {**state, name: state["x"]})
        graph.add_edge(name, following)
    graph.add_edge(START, "a")
    compiled = graph.compile(checkpointer=saver)

    def work(number):
        given = {"configurable": {"thread_id": f"{thread} {number}"}}
        return [compiled.invoke({"x": turn}, given)["c"] for turn in range(5)]

    assert together(16, work) == [[*range(5)]] * 16
    assert [len(Lineage(saver, f"{thread} {number}").ids()) for number in range(16)] == [25] * 16
