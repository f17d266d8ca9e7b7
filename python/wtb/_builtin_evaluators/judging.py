"""A judge: a language model, asked through a function of the user's, that scores an output."""

from collections.abc import Callable, Generator
from itertools import combinations
from statistics import fmean
from typing import Any

from wtb._builtin_evaluators.dialogue import carry_on
from wtb._builtin_evaluators.parts import (
    built_in,
    check_field,
    expected_part,
    pick,
    users_function,
)
from wtb._builtin_evaluators.prompts import Prompt, PromptLike, read_prompt
from wtb._builtin_evaluators.scales import Scale, ScaleLike, read_answer, read_scale
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["judge", "read_rubric"]

_TASK = "You judge the output that a program gave for an input."
_RUBRIC = "how well the output serves its input, and whether it says what is expected of it."


def judge(
    ask: Callable[[str], Any] | str,
    *,
    rubric: str | None = None,
    scale: ScaleLike = (1, 5),
    repeats: int = 1,
    field: str | None = None,
    prompt: PromptLike | None = None,
    name: str = "judge",
    timeout: float | None = None,
) -> Evaluator:
    """Return an evaluator that asks a language model, through your own function, for a score.

    The model gets the criteria, the case's input, what is expected (if anything is), the output and
    the scale. It has to answer with one JSON object, `{"reason": "...", "score": ...}`, perhaps in
    a code fence. Anything else, and whatever `ask` raises, is an error of this score.

    Input, expected value and output stand between marks that are made of their own content, so that
    a text in them cannot close its fence. That makes it harder for an output to pose as an
    instruction; it is no guarantee.

    Args:
        ask: Takes a prompt and returns the model's answer, both texts. It may be async. In a bench
            file its `"module:attribute"` reference.
        rubric: The criteria; by default how well the output serves the input.
        scale: The worst and the best number, between which the score is brought to 0 to 1; or
            labels with their values, `{"wrong": 0, "partly": 0.5, "right": 1}`.
        repeats: How often to ask. The score is the mean of the answers. With more than one there is
            a metric `<name>_agreement` too, the share of the pairs of answers that agree. One
            answer that cannot be used is an error of the whole.
        field: What of the output, and of an expected mapping that has it, is shown; by default all.
        prompt: A text with placeholders `{input}`, `{expected}`, `{output}`, `{rubric}` and
            `{form}` (how to answer, with the scale), in which other braces stay as they are; or a
            function of any of these names, which gets the values as they are, or its reference.
        name: Name of the evaluator and its metric.
        timeout: Seconds that one execution may take, all repeats together; by default the batch's
            setting counts.

    Raises:
        ConfigurationError: An argument is unusable.
        WorkflowImportError: A reference cannot be imported.

    Example:
        >>> def ask(prompt):
        ...     return '{"reason": "It is right.", "score": 4}'
        >>> judge(ask)("Paris", "Paris")
        Score(value=0.75, name=None, reason='It is right.')
    """
    function, reference = users_function("judge", "ask", ask)
    check_field("judge", field)
    used = read_scale("judge", scale)
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise ConfigurationError(f"judge: repeats is a positive whole number, not {repeats!r}")
    plain = Prompt(_TASK, read_rubric("judge", rubric) or _RUBRIC, used.form)
    prompts = read_prompt(
        "judge", prompt, plain, ("input", "expected", "output"), ("output", "form")
    )

    def evaluate(output: Any, expected: Any = None, case: Any = None) -> Any:
        material = {
            "input": None if case is None else case.input,
            "expected": expected if field is None else expected_part(expected, field),
            "output": output if field is None else pick(output, field),
        }
        return carry_on(_asked(prompts.text(material), used, repeats, name), function)

    return built_in(
        "judge",
        name,
        evaluate,
        timeout=timeout,
        is_found_again=reference is not None and prompts.is_found_again,
        ask=reference,
        rubric=rubric,
        scale=used.argument,
        repeats=repeats,
        field=field,
        prompt=prompts.reference,
    )


def read_rubric(use: str, rubric: object) -> str | None:
    """Return the criteria if they are a text, or None if there are none.

    Raises:
        ConfigurationError: They are something else.
    """
    if rubric is not None and (not isinstance(rubric, str) or not rubric.strip()):
        raise ConfigurationError(f"{use}: the rubric is a text, not {rubric!r}")
    return rubric


def _asked(
    prompt: str, scale: Scale, repeats: int, name: str
) -> Generator[str, Any, Score | dict[str, Score]]:
    found: list[tuple[Any, float, str]] = []
    for number in range(1, repeats + 1):
        answer = yield prompt
        try:
            score, reason = read_answer(answer, "score")
            found.append((score, scale.value(score), reason))
        except EvaluatorError as error:
            where = f"answer {number} of {repeats}: " if repeats > 1 else ""
            raise EvaluatorError(f"{where}{error}") from None
    if repeats == 1:
        return Score(found[0][1], reason=found[0][2])
    reasons = "\n".join(f"{score}: {reason}" for score, _, reason in found)
    same = [one[0] == other[0] for one, other in combinations(found, 2)]
    return {
        name: Score(fmean(value for _, value, _ in found), reason=reasons),
        f"{name}_agreement": Score(fmean(same)),
    }
