"""How good an answer is: right or wrong, and how far down the right one stood."""

from collections.abc import Mapping, Sequence
from typing import Any

import wtb


@wtb.evaluator()
def hit(output: Mapping[str, Any], expected: Sequence[str]) -> bool:
    """Whether the answer is one of the symbols that the case accepts."""
    return output["answer"] in expected


@wtb.evaluator()
def reciprocal_rank(output: Mapping[str, Any], expected: Sequence[str]) -> float:
    """Return 1 for a right answer in first place, 1/2 in second, and 0 if it was not found."""
    for rank, name in enumerate(output["candidates"], start=1):
        if name in expected:
            return 1 / rank
    return 0.0
