"""LangGraph's own conformance suite: every capability, every test."""

import asyncio
import importlib

from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import (
    ALL_CAPABILITIES,
    DetectedCapabilities,
)
from lineages import Lineage, config, named

from wtb.langgraph.saver import WtbSaver

NAMESPACES = ("", "child:1")


def size_of(capability):
    module = f"langgraph.checkpoint.conformance.spec.test_{capability}"
    return len(getattr(importlib.import_module(module), f"ALL_{capability.upper()}_TESTS"))


def assert_all_pass(make):
    report = asyncio.run(validate(make))
    results = report.results
    assert set(results) == {one.value for one in ALL_CAPABILITIES}
    failures = {name: one.failures for name, one in results.items() if one.failures}
    assert failures == {}
    assert all(one.detected and one.passed for one in results.values())
    assert {name: one.tests_passed for name, one in results.items()} == {
        name: size_of(name) for name in results
    }
    assert sum(one.tests_passed for one in results.values()) >= 81, "what version 0.0.2 has"
    assert report.conformance_level() == "FULL"


def test_every_capability_is_detected(saver):
    assert DetectedCapabilities.from_instance(saver).missing == frozenset()


def test_a_saver_passes_the_whole_suite(store_url):
    @checkpointer_test(name="WtbSaver")
    async def make():
        async with WtbSaver(store_url) as saver:
            yield saver

    assert_all_pass(make)


def fill(saver, threads):
    """Give threads a history, with writes, a namespace and a run."""
    for thread in threads:
        for ns in NAMESPACES:
            lineage = Lineage(saver, thread, ns)
            for step in range(3):
                lineage.put(x=step, text="x" * 3000, metadata={"run_id": f"{thread}-run"})
                at = config(thread, lineage.head, ns)
                saver.put_writes(at, [("x", step + 1)], f"task-{step}", "~path")


def dump(saver, threads):
    return [
        (named(one.config), one.checkpoint, one.metadata, one.parent_config, one.pending_writes)
        for thread in threads
        for one in saver.list({"configurable": {"thread_id": thread}})
    ]


def test_others_in_the_same_store_change_nothing_and_are_not_changed(store_url, thread):
    threads = [f"{thread}-{number}" for number in range(3)]
    with WtbSaver(store_url) as saver:
        fill(saver, threads)
        before = dump(saver, threads)
        assert len(before) == 18

        @checkpointer_test(name="WtbSaver, shared")
        async def make():
            yield saver

        assert_all_pass(make)
        assert dump(saver, threads) == before
