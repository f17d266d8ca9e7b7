"""What tokens cost: prices, names of models, and what it becomes in a comparison."""

from types import SimpleNamespace
from typing import TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph

import wtb
from wtb.evaluators import cost

PRICES = {
    "gpt-5": {"input": 2, "output": 10},
    "gpt-5-mini": {"input": 0.25, "output": 2.0, "cached_input": 0.025},
}


def told(model, given, made, cached=None):
    details = {} if cached is None else {"input_token_details": {"cache_read": cached}}
    return {model: {"calls": 1, "input_tokens": given, "output_tokens": made, **details}}


def scored(usage, **options):
    (score,) = cost(PRICES, **options).evaluate(None, None, None, SimpleNamespace(usage=usage))
    return score


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (told("gpt-5", 1_000_000, 0), 2.0),
        (told("gpt-5", 0, 500_000), 5.0),
        (told("gpt-5-2025-08-07", 1_000_000, 0), 2.0),
        (told("gpt-5-mini-2025-08-07", 1_000_000, 1_000_000), 2.25),
        (told("gpt-5-mini", 1_000_000, 0, cached=400_000), 0.6 * 0.25 + 0.4 * 0.025),
        (told("gpt-5", 1_000_000, 0, cached=400_000), 2.0),
        (told("gpt-5-latest", 1_000_000, 0, cached=2_000_000), 2.0),
        ({**told("gpt-5", 1_000_000, 0), **told("gpt-5-mini", 0, 1_000_000)}, 4.0),
        ({}, 0.0),
    ],
)
def test_tokens_are_priced_by_model(usage, expected):
    assert scored(usage).value == pytest.approx(expected)
    assert scored(usage, per=1_000).value == pytest.approx(expected * 1_000)


def test_what_has_no_price_is_an_error_and_no_number():
    score = scored(told("gpt5", 10, 10))
    assert score.value is None
    assert "no price of the model 'gpt5'. Did you mean 'gpt-5'" in score.error
    score = scored(told("gpt-5-nano", 10, 10))
    assert "no price of the model 'gpt-5-nano'" in score.error
    score = scored({"gpt-5": {"calls": 1}})
    assert "'gpt-5' did not tell how many tokens" in score.error


@pytest.mark.parametrize(
    ("prices", "text"),
    [
        ({}, "prices are a mapping of models"),
        ([("m", 1)], "prices are a mapping of models"),
        ({"m": 1.0}, "'m' has 'input' and 'output', not 1.0"),
        ({"m": {"input": 1.0}}, "'m' has 'input' and 'output'"),
        ({"m": {"input": 1.0, "output": -1}}, "output is a number from 0 on, not -1"),
        ({"m": {"input": float("nan"), "output": 1}}, "input is a number from 0 on"),
        ({"m": {"input": 1, "output": 1, "cached": 1}}, "no 'cached'. Did you mean 'cached_input'"),
    ],
)
def test_wrong_prices_are_refused(prices, text):
    with pytest.raises(wtb.ConfigurationError, match=text.replace("[", "\\[")):
        cost(prices)
    with pytest.raises(wtb.ConfigurationError, match="per is a number of tokens"):
        cost(PRICES, per=0)


class State(TypedDict):
    text: str


def asked(tokens):
    def node(state):
        usage = {"input_tokens": tokens, "output_tokens": 10, "total_tokens": tokens + 10}
        answer = AIMessage("yes", usage_metadata=usage, response_metadata={"model_name": "gpt-5"})
        return {"text": GenericFakeChatModel(messages=iter([answer])).invoke(state["text"]).content}

    return node


def test_a_comparison_shows_what_variants_cost(tmp_path):
    graph = StateGraph(State).add_node("ask", asked(1_000))
    graph.add_edge(START, "ask").add_edge("ask", END)
    with wtb.TestBench(tmp_path) as bench:
        batch = bench.run_batch(
            graph,
            variants=[{}, wtb.Variant("short", nodes={"ask": asked(400)})],
            test_cases=[wtb.Case({"text": str(number)}, "yes") for number in range(8)],
            evaluators=[
                wtb.evaluators.exact_match("text"),
                {"use": "cost", "prices": PRICES, "per": 1},
            ],
        )
        assert batch.results[0].cost == 2_100
        lines = {one["name"]: one for one in batch.comparison.to_dict()["variants"]}
        assert (lines["baseline"]["cost"], lines["short"]["cost"]) == (2_100, 900)
        ratio = lines["short"]["vs_baseline"]
        assert batch.comparison.direction == "max"
        assert ratio["ratios"]["cost"]["ratio"] == pytest.approx(900 / 2_100)
        assert "cost" in str(batch.comparison)
