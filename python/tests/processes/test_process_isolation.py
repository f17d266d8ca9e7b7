"""What an attempt changes in its process is its own; where workers are shared, it is theirs."""

import os
import time

import pytest
from process_graphs import chain, looking
from stores import store_at

from wtb import Case, ProcessBatchTestRunner, TestBench, Variant

CHANGED = ("directory", "variable", "path")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looks")
    found = {}
    with TestBench(store_at(folder / "store")) as bench:
        for isolation in ("fresh", "warm"):
            runner = ProcessBatchTestRunner(
                1,
                isolation=isolation,
                nice=3,
                directory=str(folder),
                environment={"WTB_TEST_LOOK": "given = ü"},
                preload=["numpy"],
            )
            batch = bench.run_batch(
                looking(),
                variants=[{}, Variant("other", config={"tags": ["other"]})],
                test_cases=[Case({"how": name}, id=name) for name in "ab"],
                repeats=2,
                runner=runner,
            )
            batch.raise_for_status()
            found[isolation] = [
                (one.variant, one.case_id, one.repeat, one.output["y"]) for one in batch.results
            ]
    return folder, found


def test_a_fresh_attempt_sees_nothing_of_others(found):
    folder, looks = found
    for *_, look in looks["fresh"]:
        assert look["seen"] == []
        assert look["directory"] == str(folder)
        assert look["variable"] == "given = ü"
        assert look["path"] is False


def test_a_warm_worker_keeps_what_attempts_leave(found):
    folder, looks = found
    by_number = sorted((look for *_, look in looks["warm"]), key=lambda look: len(look["seen"]))
    assert [len(look["seen"]) for look in by_number] == list(range(8))
    assert len({look["pid"] for look in by_number}) == 1
    assert [by_number[0][name] for name in CHANGED] == [str(folder), "given = ü", False]
    assert [by_number[1][name] for name in CHANGED] == ["/", "changed", True]


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_a_process_finds_itself(found, isolation):
    for *_, look in found[1][isolation]:
        assert look["comm"].startswith("python")
        assert look["argv"]
        assert look["nice"] == os.nice(0) + 3
        assert look["core"] == 0
        assert look["stdin"] == ""
        assert look["imported here"] == (isolation == "warm"), "a template imports them once"


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_variants_draw_the_same_and_repeats_do_not(found, isolation):
    draws: dict[tuple, set] = {}
    for _, case, repeat, look in found[1][isolation]:
        draws.setdefault((case, repeat), set()).add(tuple(look["draws"]))
    assert all(len(drawn) == 1 for drawn in draws.values()), "by variant"
    firsts = {next(iter(drawn)) for drawn in draws.values()}
    assert len({one for one, _ in firsts}) == len({two for _, two in firsts}) == len(draws)


def test_both_isolations_draw_the_same(found):
    drawn = {name: [look["draws"] for *_, look in looks] for name, looks in found[1].items()}
    assert drawn["fresh"] == drawn["warm"]


def burn(state):
    until = time.process_time() + 0.7
    while time.process_time() < until:
        pass
    return {"y": os.getpid()}


def test_the_limit_of_cpu_time_is_that_of_an_attempt(bench):
    batch = bench.run_batch(
        chain(burn=burn),
        variants=[{}],
        test_cases=[{"how": number} for number in range(6)],
        runner=ProcessBatchTestRunner(1, isolation="warm", cpu_time=2),
    )
    assert [one.status for one in batch.results] == ["succeeded"] * 6
    assert len({one.output["y"] for one in batch.results}) == 1
