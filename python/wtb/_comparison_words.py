"""What a comparison says in sentences, in the words of `wtb compare`."""

from collections.abc import Callable, Mapping
from typing import Any

from wtb._figures import NONE, decimals_of, figure, interval, percent, plural

__all__ = ["advice", "legend", "pareto", "verdict"]

ADVICE_MAX = 5
"""As many variants get a sentence of what would settle them; the rest is counted."""

SPENT = (("cost", "cost"), ("tokens", "tokens"), ("duration_s", "time"))
"""What a score costs: the key of a comparison, and its word."""

Data = Mapping[str, Any]

Mark = Callable[[str], str]
"""Writes a name of the user's, where others write it as it is: escaped, or as code."""


def verdict(comparison: Data, *, mark: Mark = str, most: int | None = None) -> str:
    """Return who is best, or who might be.

    Args:
        comparison: The comparison as plain data.
        mark: Writes the names of variants and metrics; nothing else in the sentence is markup.
        most: Of variants that cannot be told apart so many are named; by default all.
    """
    if comparison["metric"] is None:
        return "nothing has a score"
    if len(comparison["variants"]) == 1:
        return _alone(comparison, comparison["variants"][0], mark)
    sure = f"at {percent(comparison['confidence'])} %"
    competing = sum(1 for line in comparison["variants"] if line["competes"])
    if comparison["best"] is not None:
        others = competing - 1
        whom = "the other one" if others == 1 else f"the {others} others"
        return f"best: {mark(comparison['best'])}, better than {whom} {sure}"
    if len(comparison["best_set"]) < 2:
        return "no best: there is no contest"
    if len(comparison["best_set"]) == competing:
        return f"no best: no variant can be told apart from another {sure}"
    named = [mark(name) for name in comparison["best_set"][:most]]
    more = len(comparison["best_set"]) - len(named)
    who = ", ".join(named) + (f" and {more} more" if more else "")
    return f"no best: {who} cannot be told apart {sure}"


def _alone(comparison: Data, line: Data, mark: Mark) -> str:
    metric = mark(comparison["metric"])
    if line["mean"] is None:
        return f"one variant: {mark(line['name'])}, without a mean {metric}"
    decimals = decimals_of([line["mean"]])
    ends = interval(line["ci_low"], line["ci_high"], decimals)
    told = f"{figure(line['mean'], decimals)} {'' if ends == NONE else ends}".strip()
    return f"one variant: {mark(line['name'])}, mean {metric} {told}"


def legend(comparison: Data, *, mark: Mark = str) -> str:
    """Return what the figures mean; `mark` is as in `verdict`."""
    if comparison["metric"] is None:
        return ""
    better = "higher" if comparison["direction"] == "max" else "lower"
    text = f"{mark(comparison['metric'])}: mean over cases, {better} is better"
    if any(line["vs_baseline"] for line in comparison["variants"]):
        text += f"; differences are to {mark(comparison['baseline'])}, case by case"
    if comparison["looks"] > 1:
        text += f"; intervals and findings hold over all {comparison['looks']} looks"
    lower = [mark(name) for name, direction in comparison["metrics"][1:] if direction == "min"]
    return f"{text}; lower is better for {', '.join(lower)}" if lower else text


def advice(comparison: Data) -> list[str]:
    """Return what would settle the differences to the baseline that are not settled."""
    lines = [line for line in comparison["variants"] if line["vs_baseline"]]
    needing = [line for line in lines if line["vs_baseline"]["cases_needed"] is not None]
    told = [_advice(line, comparison["baseline"]) for line in needing[:ADVICE_MAX]]
    more = len(needing) - ADVICE_MAX
    return [*told, f"{more} more are not settled"] if more > 0 else told


def _advice(line: Data, baseline: str) -> str:
    versus = line["vs_baseline"]
    text = f"{line['name']} and {baseline} are not settled"
    size = versus["detectable"]
    if size is not None:
        cases = plural(versus["cases"], "case")
        text += f": {cases} can show a difference of {figure(size, decimals_of([size]))}"
    more = versus["cases_needed"] - versus["cases"]
    if more > 0:
        text += f"; {plural(more, 'more case')} would show one of this size"
    if (versus["noise_share"] or 0) > 0.5:
        text += "; more repeats would help, too"
    return text


def pareto(comparison: Data) -> str:
    """Return who is not beaten in both the score and what it takes; "" where nobody is."""
    for key, what in SPENT:
        names = comparison["pareto"].get(key)
        if names is None:
            continue
        if len(names) == len(comparison["variants"]):
            return ""
        return f"not beaten in both {comparison['metric']} and {what}: {', '.join(names)}"
    return ""
