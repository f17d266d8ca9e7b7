"""The evaluators that come with the package, by the names that bench files use.

Those that ask a model do so through a function of the user's: the package itself calls no service.
"""

from collections.abc import Callable, Mapping
from typing import Final

from wtb._builtin_evaluators.comparing import (
    contains,
    exact_match,
    json_equal,
    numeric_close,
)
from wtb._builtin_evaluators.distance import edit_distance
from wtb._builtin_evaluators.embedding import embedding_similarity
from wtb._builtin_evaluators.judging import judge
from wtb._builtin_evaluators.overlap import set_overlap
from wtb._builtin_evaluators.pairwise import PairwiseJudge, pairwise_judge
from wtb._builtin_evaluators.pattern import regex_match
from wtb._builtin_evaluators.pricing import cost
from wtb._builtin_evaluators.schema import json_schema
from wtb._evaluator import Evaluator

__all__ = [
    "BUILT_IN",
    "PairwiseJudge",
    "contains",
    "cost",
    "edit_distance",
    "embedding_similarity",
    "exact_match",
    "json_equal",
    "json_schema",
    "judge",
    "numeric_close",
    "pairwise_judge",
    "regex_match",
    "set_overlap",
]

BUILT_IN: Final[Mapping[str, Callable[..., Evaluator]]] = {
    "exact_match": exact_match,
    "contains": contains,
    "regex_match": regex_match,
    "json_equal": json_equal,
    "json_schema": json_schema,
    "numeric_close": numeric_close,
    "set_overlap": set_overlap,
    "edit_distance": edit_distance,
    "embedding_similarity": embedding_similarity,
    "judge": judge,
    "cost": cost,
}
"""The built-in evaluators by the names that bench files use."""
