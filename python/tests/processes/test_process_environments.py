"""Variants that need environment variables: processes of their own for each set of them."""

import pytest
from process_graphs import looking
from stores import store_at

from wtb import ProcessBatchTestRunner, TestBench, Variant
from wtb.errors import ConfigurationError

PLAIN = Variant("plain")


def variant(name, value):
    return Variant(name, environment={"env_vars": {"WTB_TEST_LOOK": value}})


def seen(batch):
    return {
        name: {one.output["y"]["variable"] for one in batch.results if one.variant == name}
        for name in {one.variant for one in batch.results}
    }


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_each_variant_finds_its_own(bench, isolation):
    # A warm worker also finds what the attempt before it has left.
    left = {"changed"} if isolation == "warm" else set()
    runner = ProcessBatchTestRunner(
        2, isolation=isolation, environment={"WTB_TEST_LOOK": "the runner's"}
    )
    batch = bench.run_batch(
        looking(),
        variants=[PLAIN, variant("a", "one"), variant("b", "two"), variant("c", "one")],
        test_cases=[{"how": name} for name in "abcd"],
        runner=runner,
    )
    batch.raise_for_status()
    for value, names in {"the runner's": ["plain"], "one": ["a", "c"], "two": ["b"]}.items():
        found = set().union(*(seen(batch)[name] for name in names))
        assert {value} <= found <= {value, *left}


def test_a_single_execution_finds_its_own(bench):
    execution = bench.run(looking(), {"how": "x"}, variant=variant("a", "one"), runner="process")
    assert execution.output["y"]["variable"] == "one"
    again = bench.resume(bench.fork(execution, at=bench.checkpoints(execution)[0]))
    assert again.output["y"]["variable"] == "one"


def test_it_is_found_again_in_a_later_session_and_refused_where_it_cannot_be_given(bench, tmp_path):
    batch = bench.start_batch(
        looking(),
        variants=[variant("a", "one"), variant("b", "two")],
        test_cases=[{"how": str(number)} for number in range(10)],
        runner=ProcessBatchTestRunner(1),
    )
    batch.pause()
    batch.stop()
    bench.close()
    with TestBench(store_at(tmp_path / "store")) as later:
        before = [event.sequence for event in later.journal()]
        with pytest.raises(ConfigurationError, match=r"'a' needs .*runner='process' or 'ray' can"):
            later.resume_batch(batch.id, workflow=looking(), runner="thread")
        needy = Variant("c", environment={"env_vars": {"A": "1"}, "pip": ["x"]})
        with pytest.raises(ConfigurationError, match=r"'c' needs .*\(pip\)"):
            later.extend(batch.id, workflow=looking(), variants=[needy])
        assert [event.sequence for event in later.journal()] == before
        found = later.resume_batch(batch.id, workflow=looking())
        assert seen(found) == {"a": {"one"}, "b": {"two"}}


@pytest.mark.parametrize("runner", ["inline", "thread"])
def test_runners_of_this_process_refuse_it(bench, runner):
    for call in (
        lambda: bench.run_batch(
            looking(), variants=[variant("a", "1")], test_cases=[{"how": "x"}], runner=runner
        ),
        lambda: bench.run(looking(), {"how": "x"}, variant=variant("a", "1"), runner=runner),
    ):
        with pytest.raises(ConfigurationError, match=r"'a' needs .*\(env_vars\).* cannot give"):
            call()
    assert not bench.executions()
