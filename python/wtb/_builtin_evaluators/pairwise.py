"""A judge of pairs: which of two outputs for one case is better."""

import hashlib
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

from wtb._builtin_evaluators.dialogue import carry_on
from wtb._builtin_evaluators.judging import read_rubric
from wtb._builtin_evaluators.parts import (
    check_field,
    check_flag,
    expected_part,
    pick,
    users_function,
)
from wtb._builtin_evaluators.prompts import Prompt, PromptLike, read_prompt
from wtb._builtin_evaluators.scales import read_answer
from wtb._evaluator import check_timeout
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["Better", "PairwiseJudge", "pairwise_judge"]

Better = Literal["first", "second", "tie"]

_TASK = "You compare two outputs that programs gave for the same input."
_RUBRIC = "which output serves the input better, and says rather what is expected of it."
_FORM = (
    "Answer with one JSON object and nothing else: "
    '{"reason": "one or two sentences", "better": ...}. '
    'What is better is one of "first", "second", "tie".'
)


@dataclass(frozen=True)
class PairwiseJudge:
    """What `pairwise_judge` returns, for `EvaluationEngine.judge_pairs`.

    Attributes:
        name: What results call it.
        both_orders: Whether each pair is asked about in both orders.
        seed: What the order depends on, besides case and repeat.
        timeout: Seconds that one question may take; None if the engine's setting counts.
    """

    name: str
    both_orders: bool
    seed: int
    timeout: float | None
    _ask: Callable[..., Any]
    _field: str | None
    _prompt: Prompt

    def is_swapped(self, case: str, repeat: int) -> bool:
        """Return whether the baseline's output of a pair is shown first."""
        content = f"{self.seed}\0{repeat}\0{case}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(content, digest_size=1).digest()[0] % 2 == 1

    def verdict(
        self, case: Any, first: Any, second: Any
    ) -> tuple[Better, str] | Awaitable[tuple[Better, str]]:
        """Ask which of two outputs is better, and return the answer with its reason.

        Returns:
            The verdict; an awaitable of it if `ask` is async.

        Raises:
            EvaluatorError: The answer cannot be used.
        """
        field = self._field
        material = {
            "input": case.input,
            "expected": case.expected if field is None else expected_part(case.expected, field),
            "first": first if field is None else pick(first, field),
            "second": second if field is None else pick(second, field),
        }
        return carry_on(_asked(self._prompt.text(material)), self._ask)


def pairwise_judge(
    ask: Callable[[str], Any] | str,
    *,
    rubric: str | None = None,
    both_orders: bool = False,
    seed: int = 0,
    field: str | None = None,
    prompt: PromptLike | None = None,
    name: str = "pairwise_judge",
    timeout: float | None = None,
) -> PairwiseJudge:
    """Return a judge that says which of two outputs is better, for `EvaluationEngine.judge_pairs`.

    It is no evaluator, because it needs two executions. It asks as `judge` does, with the two
    outputs as `first` and `second`; the answer is `{"reason": "...", "better": "first"}` (or
    "second", or "tie").

    Args:
        ask: See `judge`.
        rubric: See `judge`.
        both_orders: Whether to ask about each pair in both orders, which costs twice as much. A
            verdict that changes with the order is a tie then. Otherwise one order is drawn for each
            case and repeat, always the same one.
        seed: Draws other orders.
        field: See `judge`.
        prompt: See `judge`; the names are `input`, `expected`, `first`, `second`, `rubric` and
            `form`.
        name: What results call it.
        timeout: Seconds that one question may take; by default the engine's setting counts.

    Raises:
        ConfigurationError: An argument is unusable.
        WorkflowImportError: A reference cannot be imported.

    Example:
        >>> def ask(prompt):
        ...     return '{"reason": "It is shorter.", "better": "second"}'
        >>> pairwise_judge(ask).verdict(Case({"query": "?"}), "a long answer", "an answer")
        ('second', 'It is shorter.')
    """
    function, _ = users_function("pairwise_judge", "ask", ask)
    check_field("pairwise_judge", field)
    check_flag("pairwise_judge", "both_orders", both_orders)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ConfigurationError(f"pairwise_judge: seed is a whole number, not {seed!r}")
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"pairwise_judge: name is a non-empty text, not {name!r}")
    plain = Prompt(_TASK, read_rubric("pairwise_judge", rubric) or _RUBRIC, _FORM)
    material = ("input", "expected", "first", "second")
    return PairwiseJudge(
        name,
        both_orders,
        seed,
        None if timeout is None else check_timeout(timeout, "pairwise_judge"),
        function,
        field,
        read_prompt("pairwise_judge", prompt, plain, material, ("first", "second", "form")),
    )


def _asked(prompt: str) -> Generator[str, Any, tuple[Better, str]]:
    better, reason = read_answer((yield prompt), "better")
    if better not in ("first", "second", "tie"):
        raise EvaluatorError(f"what is better is 'first', 'second' or 'tie', not {better!r}")
    return better, reason
