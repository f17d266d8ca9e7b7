"""Whether a regular expression is found in an output.

`re` says what an expression is. The library `regex` looks for it: it can be told to give up, and
lets go of the GIL, where `re` may stop the whole process for hours.
"""

import re
from typing import Any

from wtb._builtin_evaluators.parts import (
    built_in,
    check_field,
    comparing,
    pick,
    short,
    text_of,
)
from wtb._evaluator import Evaluator
from wtb._scores import Score
from wtb.errors import ConfigurationError, EvaluatorError

__all__ = ["regex_match"]

SEARCH_S_MAX = 10.0
"""How long one search may take, in seconds of the CPU time of this process."""

# A brace that repeats nothing is itself to `re`; to `regex` it may ask for a fuzzy match.
_BRACE = re.compile(r"\\N\{[^}]*\}|\\.|\{(?!\d*,?\d*\})", re.DOTALL)


def regex_match(
    pattern: str | None = None, field: str | None = None, *, name: str | None = None
) -> Evaluator:
    r"""Return an evaluator that gives 1 if a regular expression is found in the output, else 0.

    It may be found anywhere; `^` and `$` bind it to the ends. Expressions are those of `re`. The
    library `regex` looks for them, which lets other threads run and gives up after 10 seconds, with
    an error.

    Args:
        pattern: The expression for every case; by default each case expects its own.
        field: See `exact_match`.
        name: See `exact_match`.

    Raises:
        ConfigurationError: The pattern is no regular expression.

    Example:
        >>> regex_match(r"^\d{4}$")("2026")
        Score(value=True, name=None, reason=None)
    """
    if pattern is None:
        return comparing("regex_match", name, field, _is_found)
    if not isinstance(pattern, str):
        raise ConfigurationError(f"regex_match: the pattern is a text, not {pattern!r}")
    if (wrong := _refused(pattern)) is not None:
        raise ConfigurationError(f"regex_match: {pattern!r} is no regular expression: {wrong}")
    check_field("regex_match", field)

    def evaluate(output: Any) -> Score:
        return _is_found(output if field is None else pick(output, field), pattern)

    return built_in("regex_match", name, evaluate, pattern=pattern, field=field)


def _is_found(output: Any, pattern: Any) -> Score:
    if not isinstance(pattern, str):
        raise EvaluatorError(f"the expected value {short(pattern)} is no regular expression")
    text = text_of(output)
    if text is None:
        return Score(False, reason=f"the output {short(output)} is no text")
    if (wrong := _refused(pattern)) is not None:
        raise EvaluatorError(f"the expected value {pattern!r} is no regular expression: {wrong}")
    return Score(_search(pattern, text))


def _refused(pattern: str) -> str | None:
    """Return why a pattern is no regular expression, to either library; None if it is one."""
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    # Imported where it is needed, because most benches need none.
    import regex

    try:
        regex.compile(_as_in_re(pattern), regex.VERSION0)
    except regex.error as error:
        return f"{error}, says the library regex"
    return None


def _search(pattern: str, text: str) -> bool:
    import regex

    compiled = regex.compile(_as_in_re(pattern), regex.VERSION0)
    try:
        return compiled.search(text, timeout=SEARCH_S_MAX, concurrent=True) is not None
    except TimeoutError:
        raise EvaluatorError(
            f"looking for {short(pattern)} in a text of {len(text):,} characters took more than "
            f"{SEARCH_S_MAX:g} s and was given up. Such an expression tries the same characters in "
            "too many ways: let no two repetitions match the same text, as (a|a)* and (a+)+ do, or "
            "make them possessive (a++)"
        ) from None


def _as_in_re(pattern: str) -> str:
    return _BRACE.sub(lambda found: r"\{" if found[0] == "{" else found[0], pattern)
