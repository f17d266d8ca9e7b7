"""The LLM example against the local server over real HTTP."""

from typing import Any

import llm_answers
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from local_server import Behaviour, LocalServer
from stdlib_docs import corpus

MEDIAN: Any = {"question": "The middle value of a list of numbers"}
HOPELESS: Any = {"question": "zqx xqz"}


def graph() -> Any:
    return llm_answers.build().compile()


@pytest.fixture
def endpoint(monkeypatch: Any) -> Any:
    """Start a server and name it in the environment."""
    with LocalServer() as server:
        name_endpoint(monkeypatch, server)
        yield server


def name_endpoint(monkeypatch: Any, server: Any) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "local")
    monkeypatch.setenv("WTB_EXAMPLE_MODEL", "rules-large")


def test_it_answers_and_reports_tokens(endpoint: Any) -> None:
    output = graph().invoke(MEDIAN)
    assert output["answer"] == "statistics.median"
    assert output["rounds"] == 1
    kinds = [SystemMessage, HumanMessage, AIMessage]
    assert [type(message) for message in output["messages"]] == kinds
    assert output["messages"][-1].usage_metadata["input_tokens"] > 0


def test_it_asks_again_and_then_gives_up(endpoint: Any) -> None:
    output = graph().invoke(HOPELESS)
    assert output["answer"] is None
    assert output["rounds"] == llm_answers.MAX_ROUNDS
    assert endpoint.statuses == [200] * llm_answers.MAX_ROUNDS
    kinds = [SystemMessage, HumanMessage, AIMessage, HumanMessage, AIMessage]
    assert [type(message) for message in output["messages"]] == kinds


def test_a_second_round_shows_only_new_candidates() -> None:
    state = MEDIAN | {"rounds": 1}
    state |= llm_answers.retrieve(state)
    text = llm_answers.prompt(state, llm_answers.Settings(prompt_style="concise")).text
    shown = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    assert shown == state["candidates"][llm_answers.CANDIDATES_PER_ROUND :]
    assert len(shown) == llm_answers.CANDIDATES_PER_ROUND


def test_prompt_styles_differ_in_what_they_cost(endpoint: Any) -> None:
    compiled = graph()

    def tokens(style: Any) -> Any:
        output = compiled.invoke(MEDIAN, context={"prompt_style": style})
        return output["messages"][2].usage_metadata["input_tokens"]

    assert tokens("concise") < tokens("plain") < tokens("careful")


def test_prompt_styles_differ_in_what_they_answer(endpoint: Any, cases: Any) -> None:
    compiled = graph()

    def right(style: Any) -> Any:
        outputs = [
            (compiled.invoke(case["input"], context={"prompt_style": style}), case["expected"])
            for case in cases("llm")
        ]
        return sum(output["answer"] == expected for output, expected in outputs)

    assert 0 < right("concise") < right("plain") < len(cases("llm"))


def test_the_context_chooses_the_model(endpoint: Any) -> None:
    output = graph().invoke(MEDIAN, context={"model": "rules-small"})
    assert output["messages"][-1].response_metadata["model_name"] == "rules-small"


def test_rate_limits_and_errors_are_waited_out(monkeypatch: Any) -> None:
    with LocalServer(Behaviour(rate_limited=1, retry_after=1.0)) as server:
        name_endpoint(monkeypatch, server)
        assert graph().invoke(MEDIAN)["answer"] == "statistics.median"
        assert server.statuses == [429, 200]
        assert server.early_retries == 0


def test_every_state_survives_the_serializer(endpoint: Any, stored: Any) -> None:
    compiled = graph()
    for question in (MEDIAN, HOPELESS):
        for state in compiled.stream(question, stream_mode="values"):
            assert stored(state) == state


@pytest.mark.parametrize("missing", ["OPENAI_BASE_URL", "OPENAI_API_KEY", "WTB_EXAMPLE_MODEL"])
def test_a_missing_variable_is_named_when_the_graph_is_built(
    endpoint: Any, monkeypatch: Any, missing: Any
) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=rf"set {missing} in the environment.*local_server"):
        llm_answers.build()


def test_an_unknown_prompt_style_is_named_with_the_known_ones(endpoint: Any) -> None:
    with pytest.raises(ValueError, match=r"'brief'.*plain, concise, careful"):
        graph().invoke(MEDIAN, context={"prompt_style": "brief"})


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("shutil.rmtree", "shutil.rmtree"),
        ("It is `shutil.rmtree()`.", "shutil.rmtree"),
        ("shutil.move fits less.\n\nshutil.rmtree", "shutil.rmtree"),
        ("NONE", None),
        ("os.made_up", None),
        ("", None),
    ],
)
def test_only_a_candidate_named_on_the_last_line_is_an_answer(reply: Any, answer: Any) -> None:
    state: Any = {"messages": [AIMessage(reply)], "candidates": ["shutil.rmtree", "shutil.move"]}
    assert llm_answers.check(state) == {"answer": answer}


def test_every_expected_answer_is_in_the_corpus(cases: Any) -> None:
    assert {case["expected"] for case in cases("llm")} <= corpus().keys()
