"""Finding batches and executions, and how they show themselves."""

import pytest
from bench_graphs import CASES, build, is_positive, workflow

from wtb import Case, TestBench
from wtb.errors import AmbiguousIdError, ConfigurationError, NotFoundError


@pytest.fixture
def batches(bench):
    return [
        bench.run_batch(
            workflow,
            variants=[{}, {"answer": "failing"}],
            test_cases=[Case({"x": 2}, id="two"), Case({"x": 1}, id="<one>")],
            evaluators=[is_positive],
            name=name,
        )
        for name in ("first <b>", "second")
    ]


def test_batches_are_listed_newest_first(bench, batches):
    def ids(**filters):
        return [one.id for one in bench.batches(**filters)]

    first, second = (one.id for one in batches)
    assert ids() == [second, first]
    assert ids(limit=1) == [second]
    assert ids(name="first") == [first]
    assert ids(status="completed") == []
    assert ids(status="completed_with_errors") == [second, first]
    assert ids(workflow="numbers") == [second, first]
    assert ids(workflow="other") == []


def test_executions_are_found_by_what_they_are(bench, batches):
    single = bench.run(build(), {"x": 1})
    assert len(bench.executions()) == 9
    assert [one.case_id for one in bench.executions(batch=batches[0], status="failed")] == ["two"]
    assert {one.batch_id for one in bench.executions(variant="answer=failing", case_id="two")} == {
        one.id for one in batches
    }
    assert len(bench.executions(status=["failed", "succeeded"], batch="latest")) == 4
    assert len(bench.executions(limit=2)) == 2
    assert bench.execution("latest").id == single.id
    assert bench.execution(single.id[:8]).id == single.id


def test_what_is_not_there_is_said(bench, batches):
    with pytest.raises(NotFoundError, match="b_nothing"):
        bench.batch("b_nothing")
    with pytest.raises(NotFoundError):
        bench.execution("e_nothing")
    with pytest.raises(ConfigurationError, match="done"):
        bench.executions(status="done")
    with pytest.raises(ConfigurationError, match=r"no variant is called 'basline'\. Did you mean"):
        bench.compare(batches[0], baseline="basline")
    with pytest.raises(ConfigurationError, match=r"'is_postive'\. Did you mean 'is_positive'"):
        bench.compare(batches[0], metric="is_postive")
    with pytest.raises(ConfigurationError, match="at least one batch"):
        bench.compare()


def test_a_prefix_that_fits_several_is_ambiguous(bench):
    bench.run_batch(build(), variants=[{}], test_cases=[{"x": 1}], repeats=40)
    # Ids have 32 letters, so that two of 40 begin alike.
    letters = [one.id[:3] for one in bench.executions()]
    shared = next(letter for letter in letters if letters.count(letter) > 1)
    with pytest.raises(AmbiguousIdError, match=shared):
        bench.execution(shared)


def test_how_they_show_themselves(bench, batches):
    batch = batches[0]
    assert repr(batch) == (
        f"<Batch {batch.id} 'first <b>' of 'numbers' completed_with_errors: 3 succeeded, 1 failed>"
    )
    page = batch._repr_html_()
    assert "first &lt;b&gt;" in page
    assert "<b>" not in page
    failed = batch.results[2]
    assert repr(failed) == (
        f"<Execution {failed.id} failed ('answer=failing', 'two'), ValueError in 'answer'>"
    )
    assert "two is too much" in failed._repr_html_()
    assert "&lt;one&gt;" in batch.results[1]._repr_html_()
    assert repr(batch.results[0].nodes[0]).startswith("NodeRecord('prepare', succeeded, ")
    assert repr(batch.comparison) == "<Comparison of 2 variants by is_positive, best: None>"
    assert repr(bench) == f"<TestBench on {bench.url}>"


def test_the_directory_of_a_store_is_made_where_the_program_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with TestBench() as bench:
        bench.run(build(), {"x": 1})
    assert (tmp_path / ".wtb" / "wtb.db").is_file()
    with TestBench(tmp_path / ".wtb" / "wtb.db") as bench:
        assert len(bench.executions()) == 1


def test_results_are_read_again_after_something_has_happened(bench):
    batch = bench.run_batch(workflow, variants=[{}], test_cases=CASES)
    before = batch.results
    assert batch.results is before
    bench.score(batch, [is_positive])
    assert batch.results is not before
    assert batch.results[0].scores == {"is_positive": 1.0}
    bench.extend(batch, variants=[{"answer": "negated"}])
    assert len(batch.results) == 8
    assert len(batch.comparison.variants) == 2
    assert batch.comparison.leader == "baseline"


def test_pytest_does_not_collect_the_bench():
    assert TestBench.__test__ is False


def test_plain_data_is_the_callers_own(bench, batches):
    comparison = batches[0].comparison
    before = comparison.to_dict()
    comparison.to_dict()["variants"][0]["mean"] = "changed"
    comparison.to_dict()["warnings"].append("changed")
    assert comparison.to_dict() == before
    verdict = bench.gate(batches[0], baseline="baseline", inconclusive="pass")
    before = verdict.to_dict()
    verdict.to_dict()["warnings"].append("changed")
    assert verdict.to_dict() == before
