"""Runners on their own, as the seeds use them: `BatchTest` and `runner.run_batch_test`."""

import threading

import pytest
from bench_graphs import CASES, build, chain, prepare
from seeds_example import check_comparison, pipeline_comparison
from stores import store_at

import wtb
from wtb import (
    BatchTest,
    BatchTestRunner,
    BatchTestStatus,
    Case,
    SequentialBatchTestRunner,
    TestBench,
    ThreadPoolBatchTestRunner,
    VariantCombination,
    Workflow,
)
from wtb.errors import ConfigurationError, NotFoundError, UnknownWorkflowError

ACCURACY = {"rf": 0.9, "xgb": 0.95}


@pytest.fixture
def pipeline():
    def load(state):
        return {"x": 1}

    def train(name):
        def node(state):
            wtb.log_metric("accuracy", ACCURACY[name])
            return {"y": name}

        return node

    workflow = Workflow("wf-ml-pipeline", chain(load=load, train=lambda state: {"y": "none"}))
    for name in ACCURACY:
        workflow.register_variant("train", name, train(name))
    return workflow


@pytest.mark.filterwarnings("ignore:max_workers=4 is more:RuntimeWarning")
@pytest.mark.parametrize("runner", [SequentialBatchTestRunner, ThreadPoolBatchTestRunner])
def test_the_seeds_usage_example(tmp_path, monkeypatch, pipeline, runner):
    monkeypatch.chdir(tmp_path)
    with pytest.warns(DeprecationWarning, match="agentgit_db_url is not used") as warned:
        runner = runner(
            agentgit_db_url="data/agentgit.db",
            wtb_db_url="sqlite:///data/wtb.db",
        )
    assert warned[0].filename == __file__
    runner.register(pipeline)

    batch_test = pipeline_comparison()
    assert batch_test.status == BatchTestStatus.PENDING
    result = runner.run_batch_test(batch_test)
    assert result is batch_test
    assert result.status == BatchTestStatus.COMPLETED
    check_comparison(result)
    assert [one.output["y"] for one in result.results] == ["rf", "xgb"]
    assert runner.get_status(batch_test.id) == "completed"
    assert runner.get_progress(batch_test.id).ended == 2
    assert not runner.cancel(batch_test.id)
    runner.shutdown()
    runner.shutdown()
    assert (tmp_path / "data" / "wtb.db").is_file()
    with TestBench("sqlite:///data/wtb.db") as bench:
        assert bench.batch("latest").name == "ML Pipeline Comparison"


def test_fewer_workers_than_asked_for_are_told_where_the_user_asked(tmp_path, bench):
    cases = {"workflow": build, "test_cases": CASES[:1], "parallel_count": 4}
    batch_test = BatchTest("b", variant_combinations=[VariantCombination("v")], **cases)
    said = "max_workers=4 is more than the inline runner has: 1 is used"
    with SequentialBatchTestRunner(store=str(tmp_path)) as runner:
        with pytest.warns(RuntimeWarning, match=said) as warned:
            runner.run_batch_test(batch_test)
        assert [one.filename for one in warned] == [__file__]
    batch = bench.run_batch(build, variants=[{}], test_cases=CASES[:1])
    given = {"variants": [{}], "test_cases": CASES[:1], "max_workers": 4, "runner": "inline"}
    for call in (
        lambda: bench.run_batch(build, **given),
        lambda: bench.start_batch(build, **given).wait(),
        lambda: bench.resume_batch(batch, max_workers=4, runner="inline"),
    ):
        with pytest.warns(RuntimeWarning, match=said) as warned:
            call()
        assert [one.filename for one in warned] == [__file__]


def test_a_workflow_that_the_program_registered(tmp_path, pipeline, monkeypatch):
    monkeypatch.setattr(wtb.registry.registered, "_workflows", {})
    wtb.register(pipeline)
    with SequentialBatchTestRunner(store=str(tmp_path)) as runner:
        found = runner.run_batch_test(
            BatchTest("b", "wf-ml-pipeline", [VariantCombination("v", {"train": "rf"})])
        )
        assert found.status == "completed"
        with pytest.raises(UnknownWorkflowError, match=r"'wf-ml-pipelin'\. Did you mean"):
            runner.run_batch_test(BatchTest("b", "wf-ml-pipelin", [VariantCombination("v")]))


def test_cases_of_a_batch_test(tmp_path):
    combinations = [VariantCombination("as it is"), VariantCombination("n", {"answer": prepare})]
    with ThreadPoolBatchTestRunner(2, store=str(tmp_path)) as runner:
        many = runner.run_batch_test(
            BatchTest("b", workflow=build, variant_combinations=combinations, test_cases=CASES)
        )
        assert [one.output["x"] for one in many.results] == [1, 2, 3, 4, 2, 3, 4, 5]
        one = BatchTest(
            "b", workflow=build, variant_combinations=combinations[:1], initial_state={"x": 6}
        )
        (found,) = runner.run_batch_test(one).results
        assert (found.case_id, found.output["y"]) == ("initial_state", 70)
        assert one.best_combination_name is None


def test_what_a_runner_refuses(tmp_path):
    with SequentialBatchTestRunner(store=str(tmp_path)) as runner:
        with pytest.raises(ConfigurationError, match="names no workflow"):
            runner.run_batch_test(BatchTest("b"))
        with pytest.raises(ConfigurationError, match="list of variants is empty"):
            runner.run_batch_test(BatchTest("b", workflow=build, test_cases=CASES))
        for ask in (runner.get_status, runner.get_progress, runner.cancel):
            with pytest.raises(NotFoundError, match="no batch test 'bt_1'"):
                ask("bt_1")


def test_a_batch_test_is_cancelled_from_another_thread(tmp_path, released, until):
    began = threading.Event()

    def node(state):
        began.set()
        released.wait()

    batch_test = BatchTest(
        "b",
        workflow=chain(node=node),
        variant_combinations=[VariantCombination("v")],
        test_cases=[Case({"x": 1}, id=str(number)) for number in range(5)],
    )
    with ThreadPoolBatchTestRunner(store=str(tmp_path)) as runner:
        thread = threading.Thread(target=runner.run_batch_test, args=(batch_test,))
        thread.start()
        assert began.wait(30)
        assert runner.get_status(batch_test.id) == BatchTestStatus.RUNNING
        assert runner.cancel(batch_test.id)
        thread.join(30)
        assert not thread.is_alive()
    assert batch_test.status == BatchTestStatus.CANCELLED


class Backwards:
    """A runner of the user's own."""

    kind = "backwards"
    max_workers = 1

    def drive(self, active, job, workers):
        SequentialBatchTestRunner().drive(active, job, workers)


def test_a_runner_of_ones_own(bench, tmp_path):
    assert isinstance(Backwards(), BatchTestRunner)
    batch = bench.run_batch(
        "bench_graphs:build", variants=[{}], test_cases=CASES, runner=Backwards()
    )
    assert batch.status == "completed"
    with TestBench(store_at(tmp_path / "store")) as later:
        with pytest.raises(ConfigurationError, match="no runner 'backwards'"):
            later.resume_batch(batch.id)
        assert later.resume_batch(batch.id, runner=Backwards()).status == "completed"
