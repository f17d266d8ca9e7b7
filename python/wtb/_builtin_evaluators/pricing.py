"""What the tokens of an execution cost."""

import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

from wtb._builtin_evaluators.parts import built_in, short
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError, did_you_mean

__all__ = ["cost"]

_DATED = re.compile(r"-(?:latest|\d{4}-\d\d-\d\d|\d{4,8})$")
_KINDS = ("input", "output", "cached_input")


def cost(
    prices: Mapping[str, Mapping[str, float]], per: int = 1_000_000, *, name: str | None = None
) -> Evaluator:
    """Return an evaluator that tells what the tokens of an execution cost; less is better.

    Comparisons take the metric `cost` for the cost of an execution: its mean, ratios to the
    baseline, and the Pareto front.

    Args:
        prices: For each model what `input` and `output` tokens cost, and perhaps `cached_input`
            tokens, which cost as much as others else. A name stands for its dated versions as well
            (`gpt-5-mini` for `gpt-5-mini-2025-08-07`, not for `gpt-5-mini-high`).
        per: How many tokens the prices are for.
        name: See `exact_match`.

    Raises:
        ConfigurationError: A price is no number from 0 on, or one is missing.

    Example:
        >>> cost({"gpt-5-mini": {"input": 0.25, "output": 2.0}})
        Evaluator('cost', min)
    """
    known = {model: _checked(model, given) for model, given in _models(prices).items()}
    if isinstance(per, bool) or not isinstance(per, int) or per < 1:
        raise ConfigurationError(f"cost: per is a number of tokens, such as 1_000_000, not {per!r}")

    def evaluate(execution: Any) -> Score:
        parts = {
            model: _cost(model, counts, _prices(model, known)) / per
            for model, counts in execution.usage.items()
        }
        told = ", ".join(f"{model}: {part:.6g}" for model, part in parts.items())
        return Score(sum(parts.values()), reason=told or "no model was called")

    return built_in("cost", name, evaluate, direction="min", prices=known, per=per)


def _models(prices: object) -> Mapping[str, Any]:
    if not isinstance(prices, Mapping) or not prices:
        raise ConfigurationError(
            "cost: prices are a mapping of models to what their tokens cost, such as "
            f'{{"gpt-5-mini": {{"input": 0.25, "output": 2.0}}}}, not {short(prices)}'
        )
    return prices


def _checked(model: str, given: object) -> dict[str, float]:
    where = f"cost: the price of {model!r}"
    if not isinstance(given, Mapping) or not {"input", "output"} <= given.keys():
        raise ConfigurationError(f"{where} has 'input' and 'output', not {short(given)}")
    for kind, price in given.items():
        if kind not in _KINDS:
            known = did_you_mean(str(kind), _KINDS, listed_as="there are prices of")
            raise ConfigurationError(f"{where} has no {kind!r}. {known}")
        if isinstance(price, bool) or not isinstance(price, Real) or not 0 <= float(price) < 1e100:
            raise ConfigurationError(f"{where}: {kind} is a number from 0 on, not {price!r}")
    return {kind: float(price) for kind, price in given.items()}


def _prices(model: str, known: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    found = known.get(model) or known.get(_DATED.sub("", model))
    if found is None:
        near = did_you_mean(model, list(known), listed_as="there are prices of")
        raise EvaluatorError(f"cost: there is no price of the model {model!r}. {near}")
    return found


def _cost(model: str, counts: Mapping[str, Any], prices: Mapping[str, float]) -> float:
    given, made = counts.get("input_tokens"), counts.get("output_tokens")
    if given is None or made is None:
        raise EvaluatorError(
            f"cost: the provider of {model!r} did not tell how many tokens it took"
        )
    told = (counts.get("input_token_details") or {}).get("cache_read") or 0
    cached = min(told, given)
    fresh = given - cached
    cached_price = prices.get("cached_input", prices["input"])
    return float(fresh * prices["input"] + cached * cached_price + made * prices["output"])
