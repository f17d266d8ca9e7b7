"""What a comparison says in sentences, in the words of `wtb compare`."""

from collections.abc import Mapping
from typing import Any

__all__ = ["advice", "legend", "pareto", "verdict"]

ADVICE_MAX = 5
"""As many variants get a sentence of what would settle them; the rest is counted."""

SPENT = (("cost", "cost"), ("tokens", "tokens"), ("duration_s", "time"))
"""What a score costs: the key of a comparison, and its word."""

Data = Mapping[str, Any]


def verdict(comparison: Data) -> str:
    """Return who is best, or who might be."""
    if comparison["metric"] is None:
        return "nothing has a score"
    sure = f"at {comparison['confidence'] * 100:g} %"
    competing = sum(1 for line in comparison["variants"] if line["competes"])
    if comparison["best"] is not None:
        others = competing - 1
        whom = "the other one" if others == 1 else f"the {others} others"
        return f"best: {comparison['best']}, better than {whom} {sure}"
    if len(comparison["best_set"]) < 2:
        return "no best: there is no contest"
    if len(comparison["best_set"]) == competing:
        return f"no best: no variant can be told apart from another {sure}"
    return f"no best: {', '.join(comparison['best_set'])} cannot be told apart {sure}"


def legend(comparison: Data) -> str:
    """Return what the figures mean."""
    if comparison["metric"] is None:
        return ""
    better = "higher" if comparison["direction"] == "max" else "lower"
    text = f"{comparison['metric']}: mean over cases, {better} is better"
    if any(line["vs_baseline"] for line in comparison["variants"]):
        text += f"; differences are to {comparison['baseline']}, case by case"
    if comparison["looks"] > 1:
        text += f"; intervals and findings hold over all {comparison['looks']} looks"
    lower = [name for name, direction in comparison["metrics"][1:] if direction == "min"]
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
    if versus["detectable"] is not None:
        cases = _plural(versus["cases"], "case")
        text += f": {cases} can show a difference of {_figure(versus['detectable'])}"
    more = versus["cases_needed"] - versus["cases"]
    if more > 0:
        text += f"; {_plural(more, 'more case')} would show one of this size"
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


def _figure(value: float) -> str:
    """Write a figure with as many decimals as its size deserves."""
    return f"{value:.{next(n for most, n in _DECIMALS if value < most)}f}"


_DECIMALS = ((10.0, 4), (100.0, 3), (1_000.0, 2), (float("inf"), 0))


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
