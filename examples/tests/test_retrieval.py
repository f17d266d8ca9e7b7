"""The retrieval example: it answers, loops a bounded number of times, and repeats exactly."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import retrieval
import retrievers
import stdlib_docs
from langchain_core.messages import AIMessage, HumanMessage

RETRIEVERS = [retrieval.retrieve, retrieval.retrieve_tfidf, retrieval.retrieve_hybrid]
EASY: Any = {"question": "The middle value of a list of numbers"}
HOPELESS: Any = {"question": "zqx xqz"}


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_every_retriever_answers_an_easy_question(replaced: Any, retriever: Any) -> None:
    output = replaced(retrieval.graph, retrieve=retriever).invoke(EASY)
    assert output["answer"] == "statistics.median"
    assert output["rounds"] == 1
    assert [type(message) for message in output["messages"]] == [HumanMessage, AIMessage, AIMessage]
    assert "statistics.median: Return the median" in output["messages"][-1].text


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_a_hopeless_question_ends_after_two_rounds_without_an_answer(
    replaced: Any, retriever: Any
) -> None:
    output = replaced(retrieval.graph, retrieve=retriever).invoke(HOPELESS)
    assert output["rounds"] == 2
    assert output["answer"] is None
    assert output["confidence"] == 0
    assert len(output["messages"]) == 5


def test_the_second_round_searches_with_synonyms() -> None:
    output = retrieval.graph.compile().invoke({"question": "a typo"})
    queries = [m.text for m in output["messages"] if m.text.startswith("Searching for")]
    assert queries == ["Searching for: typo", "Searching for: typo close match"]
    assert output["answer"] == "difflib.get_close_matches"


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_some_questions_are_answered_and_some_are_not(
    replaced: Any, cases: Any, retriever: Any
) -> None:
    graph = replaced(retrieval.graph, retrieve=retriever)
    hits = [
        graph.invoke(case["input"])["answer"] in case["expected"] for case in cases("retrieval")
    ]
    assert 0.4 < sum(hits) / len(hits) < 0.95


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_threads_get_the_same_states_as_one_caller(
    replaced: Any, cases: Any, retriever: Any
) -> None:
    graph = replaced(retrieval.graph, retrieve=retriever)
    questions = [case["input"] for case in cases("retrieval")[:8]]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(graph.invoke, questions))
    assert together == [graph.invoke(question) for question in questions]


def test_threads_share_one_corpus() -> None:
    stdlib_docs._read_corpus.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: stdlib_docs.corpus(), range(8)))
    assert all(corpus is found[0] for corpus in found)


@pytest.mark.parametrize("retriever", RETRIEVERS)
def test_every_state_survives_the_serializer(replaced: Any, stored: Any, retriever: Any) -> None:
    graph = replaced(retrieval.graph, retrieve=retriever)
    for question in (EASY, HOPELESS):
        for state in graph.stream(question, stream_mode="values"):
            assert stored(state) == state


def test_every_expected_symbol_is_in_the_corpus(cases: Any) -> None:
    found = cases("retrieval")
    assert len(found) == 40
    missing = {name for case in found for name in case["expected"]} - stdlib_docs.corpus().keys()
    assert not missing


def test_reading_the_corpus_imports_nothing() -> None:
    stdlib_docs._read_corpus.cache_clear()
    before = set(sys.modules)
    # Importing antigravity opens a web browser.
    assert "antigravity.geohash" in stdlib_docs.corpus()
    assert set(sys.modules) == before


def test_the_corpus_holds_what_users_may_call() -> None:
    corpus = stdlib_docs.corpus()
    assert corpus["os.walk"].kind == "function"
    assert corpus["tempfile"].kind == "module"
    assert corpus["tempfile.TemporaryDirectory"].kind == "class"
    assert not [name for name in corpus if "._" in name or name.startswith(("test.", "_"))]


def test_the_summary_is_the_first_sentence() -> None:
    entry = stdlib_docs.Entry("a.b", "function", "First line\ngoes on. Then more.\n\nAnd more.")
    assert entry.summary == "First line goes on."


def test_words_come_apart_and_endings_are_cut() -> None:
    text = "get_close_matches TemporaryDirectory JSONDecoder"
    assert " ".join(stdlib_docs.words(text)) == "get close matches temporary directory json decoder"
    assert len(set(stdlib_docs.stems("delete deleted deleting deletes"))) == 1


def test_bm25_prefers_rare_words_and_knows_none_of_others() -> None:
    entries = [
        stdlib_docs.Entry("a", "function", "common common"),
        stdlib_docs.Entry("b", "function", "common rare"),
        stdlib_docs.Entry("c", "function", "common"),
    ]
    index = retrievers.Bm25({entry.name: entry for entry in entries})
    assert index.search("common rare", 10)[0] == "b"
    assert index.search("common rare", 2) == ["b", "a"]
    assert index.search("unheard", 10) == []


def test_fusion_adds_up_reciprocal_ranks() -> None:
    assert retrievers.fuse(["a", "b", "c"], ["c", "b"], limit=2) == ["c", "b"]
    assert retrievers.fuse(["a"], ["b"], limit=5) == ["a", "b"]
