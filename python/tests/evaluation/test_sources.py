"""One name from several sources: the first evaluator in the batch's order counts, everywhere."""

import csv
import json
from typing import Any, TypedDict

import pytest
from langgraph.graph import START, StateGraph

import wtb
from wtb.report import collect


class State(TypedDict, total=False):
    number: int


def log(state: State) -> State:
    """Log a metric under the evaluators' name, too."""
    wtb.log_metric("f1", 100.0)
    wtb.log_metric("own", 7.0)
    return state


@wtb.evaluator(name="zealous")
def first(output: Any) -> dict[str, float]:
    """Declared first, though last by the alphabet; it gives nothing of the last number."""
    return {} if output["number"] == 3 else {"f1": float(output["number"])}


@wtb.evaluator(name="amiable")
def second(output: Any) -> dict[str, float]:
    return {"f1": 50.0, "other": 5.0}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with wtb.TestBench(tmp_path_factory.mktemp("store")) as bench:
        yield bench


@pytest.fixture(scope="module")
def batch(bench):
    graph = StateGraph(State).add_node("log", log).add_edge(START, "log")
    return bench.run_batch(
        graph,
        variants=[{}],
        test_cases=[wtb.Case({"number": n}, id=f"c{n}") for n in (1, 2, 3)],
        evaluators=[first, second],
    )


def test_the_comparison_and_the_executions_agree(bench, batch):
    assert batch.comparison.metric == "f1"
    assert batch.comparison["baseline"]["mean"] == 1.5
    assert batch.comparison_matrix["scores"] == [[1.0, 2.0, None]]
    for results in (batch.results, bench.executions(batch=batch)):
        assert [one.scores for one in results] == [
            {"f1": 1.0, "other": 5.0}, {"f1": 2.0, "other": 5.0}, {"other": 5.0},
        ]  # fmt: skip
        assert results[0].metrics == {"f1": 100.0, "own": 7.0}
        assert len(results[0].score_records) == 5
    assert bench.execution(batch.results[0].id).scores == {"f1": 1.0, "other": 5.0}


def test_exports_and_reports_agree(bench, batch, tmp_path):
    (table,) = bench.export(batch, tmp_path / "a.csv")
    with table.open(newline="") as file:
        scores = [json.loads(row["scores"]) for row in csv.DictReader(file)]
    assert scores == [one.scores for one in batch.results]
    junit = bench.export(batch, tmp_path / "a.xml")[0].read_text()
    assert junit.count('name="score:f1"') == 2
    assert 'name="score:f1" value="1.0"' in junit
    assert collect(bench, batch).sources == {
        "f1": "zealous", "other": "amiable", "own": "workflow",
    }  # fmt: skip


def test_agreement_and_differences_agree(bench, batch):
    found = bench.diff(batch.results[0], batch.results[2])
    assert found.scores["f1"] == (1.0, None)
    with pytest.raises(wtb.ConfigurationError, match="no execution has a metric"):
        wtb.EvaluationEngine(bench).agreement(batch, ["f1", "nothing"])
    assert wtb.EvaluationEngine(bench).agreement(batch, ["f1", "own"]).n == 2
