"""All executions of a batch come from one graph: what is passed again must have its nodes."""

import pytest
from bench_graphs import CASES, answer, build, chain, negate, prepare
from stores import store_at

from wtb import TestBench, Variant, Workflow
from wtb.errors import WorkflowNotBoundError


def renamed():
    return chain(prepare=prepare, answers=answer, review=lambda state: {})


@pytest.fixture
def later(tmp_path):
    with TestBench(store_at(tmp_path / "store")) as bench:
        yield bench


VERBS = {
    "resume": lambda bench, batch, **again: bench.resume_batch(batch, **again),
    "extend": lambda bench, batch, **again: bench.extend(batch, repeats=1, **again),
    "retry": lambda bench, batch, **again: bench.retry(batch, errors_only=False, **again),
}


@pytest.mark.parametrize("same_session", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_a_graph_with_other_nodes_is_refused(bench, later, verb, same_session):
    batch = bench.run_batch(build(), variants=[{}], test_cases=CASES)
    taker = bench if same_session else later
    before = [event.sequence for event in taker.journal()]
    with pytest.raises(WorkflowNotBoundError) as refused:
        VERBS[verb](taker, batch.id, workflow=Workflow("other", renamed()))
    text = str(refused.value)
    assert f"batch {batch.id} cannot be taken up with workflow 'other'" in text
    assert "missing: 'answer' (is it 'answers' now?)" in text
    assert "new: 'answers', 'review'" in text
    assert "start anew with run_batch" in text
    assert [event.sequence for event in taker.journal()] == before, "nothing was written"


@pytest.mark.parametrize("verb", VERBS)
def test_other_code_in_the_same_nodes_is_taken(bench, later, verb):
    batch = bench.run_batch(build(), variants=[{}], test_cases=CASES[:1])
    again = chain(answer=lambda state: {"y": "mended"}, prepare=prepare)
    VERBS[verb](later, batch.id, workflow=again)
    outputs = [one.output["y"] for one in later.batch(batch.id).results]
    assert outputs == {"resume": [10], "extend": [10, "mended"], "retry": ["mended"]}[verb]


def test_a_reference_whose_graph_has_changed_is_refused(bench, later, monkeypatch):
    batch = bench.run_batch("bench_graphs:build", variants=[{}], test_cases=CASES)
    monkeypatch.setattr("bench_graphs.build", renamed)
    with pytest.raises(WorkflowNotBoundError, match="missing: 'answer'"):
        later.resume_batch(batch.id)


def test_a_node_that_a_variant_substitutes_is_named_first(bench, later):
    batch = bench.run_batch(build(), variants=[{"answer": negate}], test_cases=CASES)
    with pytest.raises(
        WorkflowNotBoundError, match=r"run_batch\. .*'answer'.*Did you mean 'answers'"
    ):
        later.resume_batch(batch.id, workflow=renamed)


def test_implementations_are_no_nodes_of_the_graph(bench, later):
    inner = chain(deeper=negate).compile()
    batch = bench.run_batch(
        build(), variants=[Variant("v", nodes={"answer": inner})], test_cases=CASES
    )
    again = [Variant("v", nodes={"answer": negate})]
    assert later.resume_batch(batch.id, workflow=build, variants=again).status == "completed"


def test_nodes_of_subgraphs_count(bench, later):
    def outer(**inner):
        return chain(outer=chain(**inner).compile())

    batch = bench.run_batch(outer(p=prepare, q=answer), variants=[{}], test_cases=CASES)
    with pytest.raises(
        WorkflowNotBoundError, match=r"missing: 'outer/q'; nodes that are new: none"
    ):
        later.resume_batch(batch.id, workflow=outer(p=prepare))


def built(nodes):
    """A factory that cannot be called without params."""
    return chain(**{f"n{number}": answer for number in range(nodes)})


def test_factories_are_compared_with_the_params_of_each_variant(bench, later):
    variants = [Variant(f"of {number}", params={"nodes": number}) for number in (1, 2)]
    batch = bench.run_batch(built, variants=variants, test_cases=CASES)
    assert later.resume_batch(batch.id, workflow=built).status == "completed"
    with pytest.raises(WorkflowNotBoundError, match=r"variant 'of 2': .*missing: 'n1'"):
        later.resume_batch(batch.id, workflow=lambda nodes: built(1))


def test_what_is_added_may_have_a_graph_of_its_own(bench, later):
    batch = bench.run_batch("bench_graphs:build", variants=[{}], test_cases=CASES[:1])
    added = [Variant("own", graph=renamed)]
    assert [one.output["y"] for one in bench.extend(batch, variants=added).results] == [10, 10]
    with pytest.raises(
        WorkflowNotBoundError, match="variant 'own': nodes that are missing: 'answers'"
    ):
        later.resume_batch(batch.id, variants=[Variant("own", graph=build)])


def test_a_single_execution_is_not_retried_with_another_graph(bench):
    failed = bench.run(chain(answer=lambda state: 1 / 0), {"x": 1})
    with pytest.raises(WorkflowNotBoundError, match=rf"execution {failed.id} .*new: 'prepare'"):
        bench.retry(failed, workflow=build())
    assert bench.retry(failed, workflow=chain(answer=answer)).output["y"] == 10
