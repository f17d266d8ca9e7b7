"""What a gate says of a batch."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from wtb.errors import GateError

__all__ = ["Verdict"]

Outcome = Literal["pass", "regression", "inconclusive"]

_CODES: Mapping[str, int] = {"pass": 0, "regression": 101, "inconclusive": 102}


class Verdict:
    """What a gate says: pass, regression or inconclusive, and why.

    Attributes:
        outcome: "pass", "regression" or "inconclusive".
        reason: Why, in one sentence.
        metric: The metric; None when no execution has a score.
        candidate: The variant that was to pass.
        baseline: The variant that it was measured against.
        difference: The candidate's mean less the baseline's, on the cases of both; None without
            any.
        ci_low: The lower end of its interval; None where there is none.
        ci_high: The upper end.
        cases: How many cases both have.
        detectable: The smallest difference that these cases would have found in 80 of 100 batches.
        cases_needed: How many cases would settle it if the true difference is the one found.
        cases_needed_if_unchanged: How many cases would let an unchanged candidate pass.
        warnings: What to know before believing it.
    """

    def __init__(
        self, data: Mapping[str, Any], text: str, markdown: str, inconclusive: str = "fail"
    ) -> None:
        self._data = dict(data)
        self._text = text
        self._markdown = markdown
        self._inconclusive = inconclusive
        self.outcome: Outcome = data["outcome"]
        self.reason: str = data["reason"]
        self.metric: str | None = data["metric"]
        self.candidate: str = data["candidate"]
        self.baseline: str = data["baseline"]
        self.difference: float | None = data["difference"]
        self.ci_low: float | None = data["ci_low"]
        self.ci_high: float | None = data["ci_high"]
        self.cases: int = data["cases"]
        self.detectable: float | None = data["detectable"]
        self.cases_needed: int | None = data["cases_needed"]
        self.cases_needed_if_unchanged: int | None = data["cases_needed_if_unchanged"]
        self.warnings: Sequence[str] = data["warnings"]

    @classmethod
    def parse(cls, data: str, text: str, markdown: str, *, inconclusive: str) -> "Verdict":
        """Read what the engine found, and what it rendered."""
        return cls(json.loads(data), text, markdown, inconclusive)

    @property
    def exit_code(self) -> int:
        """The exit code that says the same: 0, 101 for a regression, 102 if inconclusive."""
        if self.outcome == "inconclusive" and self._inconclusive == "pass":
            return 0
        return _CODES[self.outcome]

    def raise_for_outcome(self) -> "Verdict":
        """Return the verdict if its exit code is 0.

        Raises:
            GateError: It is a regression, or inconclusive and that is taken for a failure.
        """
        if self.exit_code:
            raise GateError(f"{self.outcome}: {self.reason}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return copy.deepcopy(self._data)

    def to_markdown(self) -> str:
        """Return the verdict as Markdown, for the summary of a CI job."""
        return self._markdown

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Verdict {self.outcome}: {self.reason}>"
