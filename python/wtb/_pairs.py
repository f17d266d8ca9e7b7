"""Asks a pairwise judge about the pairs of executions of two variants of a batch."""

import inspect
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from wtb._builtin_evaluators.pairwise import Better, PairwiseJudge
from wtb._evaluator import Evaluator
from wtb._figures import plural
from wtb._scores import Score, ScoreTuple
from wtb._scoring import score_executions
from wtb.cases import Case
from wtb.execution import Execution

__all__ = ["PairAnswer", "PairRecord", "PairVerdicts", "judge_executions"]

Side = Literal["variant", "baseline"]
Outcome = Literal["win", "tie", "loss"]

_VALUES: Mapping[Better, float] = {"first": 1.0, "tie": 0.5, "second": 0.0}


@dataclass(frozen=True)
class PairAnswer:
    """One question about a pair.

    Attributes:
        first: Whose output was shown first.
        better: Whose output is better; None if there is no answer that can be used.
        reason: What the judge said.
        error: Why there is no answer.
    """

    first: Side
    better: Side | Literal["tie"] | None
    reason: str | None
    error: str | None


@dataclass(frozen=True)
class PairRecord:
    """Two executions of one case and repeat.

    Attributes:
        case_id: The case.
        repeat: Which repeat, from 0.
        variant_execution: The variant's execution.
        baseline_execution: The baseline's.
        answers: What was asked: nothing if one of the two has no output, else one question or,
            with both orders, two.
        outcome: "win" of the variant, "tie" or "loss"; None if the pair could not be judged.
        error: Why it could not.
    """

    case_id: str
    repeat: int
    variant_execution: str
    baseline_execution: str
    answers: Sequence[PairAnswer]
    outcome: Outcome | None
    error: str | None

    @property
    def follows_order(self) -> bool:
        """Whether what was shown first, or what was shown second, won in both orders."""
        sides = [one.better for one in self.answers]
        return sorted(map(str, sides)) == ["baseline", "variant"]


@dataclass(frozen=True)
class PairVerdicts:
    """Which of two variants a judge finds better, pair by pair.

    It counts and tests nothing: a difference between wins and losses may be chance.

    Attributes:
        judge: The judge's name.
        variant: The variant.
        baseline: What it was compared with.
        both_orders: Whether each pair was asked about in both orders.
        records: The pairs, by case and repeat in the batch's order.
    """

    judge: str
    variant: str
    baseline: str
    both_orders: bool
    records: Sequence[PairRecord]

    @property
    def wins(self) -> int:
        """In how many pairs the variant is better."""
        return self._count("win")

    @property
    def ties(self) -> int:
        """In how many pairs neither is better, or the verdict changes with the order."""
        return self._count("tie")

    @property
    def losses(self) -> int:
        """In how many pairs the baseline is better."""
        return self._count("loss")

    @property
    def n(self) -> int:
        """How many pairs were judged."""
        return self.wins + self.ties + self.losses

    @property
    def position_bias(self) -> float | None:
        """The share of the judged pairs whose verdict followed the order of the two outputs.

        None without both orders, or without a judged pair.
        """
        if not self.both_orders or not self.n:
            return None
        return sum(one.follows_order for one in self._judged) / self.n

    @property
    def first_share(self) -> float | None:
        """How often what was shown first won, among the answers that are no tie.

        A judge without position bias is near 0.5 with both orders. None without such an answer.
        """
        decided = [
            one
            for record in self.records
            for one in record.answers
            if one.better in ("variant", "baseline")
        ]
        return sum(one.better == one.first for one in decided) / len(decided) if decided else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        counts = ("n", "wins", "ties", "losses", "position_bias", "first_share")
        return {
            "judge": self.judge,
            "variant": self.variant,
            "baseline": self.baseline,
            "both_orders": self.both_orders,
            **{name: getattr(self, name) for name in counts},
            "records": [asdict(one) for one in self.records],
            "sentence": str(self),
        }

    def __str__(self) -> str:
        left_out = len(self.records) - self.n
        also = f"; {plural(left_out, 'pair')} could not be judged" if left_out else ""
        if not self.n:
            return f"No pair of {self.variant!r} and {self.baseline!r} was judged{also}."
        text = (
            f"{self.variant!r} was judged better than {self.baseline!r} in {self.wins} of "
            f"{plural(self.n, 'pair')}, equal in {self.ties}, worse in {self.losses}{also}."
        )
        if self.position_bias is not None:
            text += f" In {self.position_bias:.0%} of the pairs the verdict followed the order."
        elif self.first_share is not None:
            text += f" What was shown first won {self.first_share:.0%} of the decided answers."
        return text

    @property
    def _judged(self) -> list[PairRecord]:
        return [one for one in self.records if one.outcome is not None]

    def _count(self, outcome: Outcome) -> int:
        return sum(one.outcome == outcome for one in self.records)


@dataclass(frozen=True)
class _Question:
    """A pair in one order, as what scores executions takes it."""

    place: int
    first: Side
    variant: Execution
    baseline: Execution

    @property
    def id(self) -> str:
        return f"{self.place}/{self.first}"

    @cached_property
    def output(self) -> tuple[Any, Any]:
        outputs = (self.variant.output, self.baseline.output)
        return outputs if self.first == "variant" else outputs[::-1]


def judge_executions(
    pairs: Sequence[tuple[Execution, Execution]],
    cases: Mapping[str, Case],
    judge: PairwiseJudge,
    names: tuple[str, str],
    workers: int,
    timeout: float,
) -> PairVerdicts:
    """Ask a judge about pairs; what goes wrong with a question is recorded.

    Args:
        pairs: The variant's execution and the baseline's, of the same case and repeat.
        cases: The cases by their ids.
        judge: Who is asked.
        names: The names of variant and baseline.
        workers: How many questions are asked at a time.
        timeout: Seconds for a question, unless the judge has its own.
    """
    questions = list(_questions(pairs, judge))
    found: dict[str, ScoreTuple] = {}
    score_executions(
        ((one, cases[one.variant.case_id]) for one in questions),
        [Evaluator(_asking(judge), name=judge.name, timeout=judge.timeout)],
        lambda question, scores: found.update({question: scores[0]}),
        workers=workers,
        timeout=timeout,
    )
    answers: list[list[PairAnswer]] = [[] for _ in pairs]
    for one in questions:
        answers[one.place].append(_answer(one, found[one.id]))
    records = [_record(*pair, of_pair) for pair, of_pair in zip(pairs, answers, strict=True)]
    return PairVerdicts(judge.name, *names, judge.both_orders, records)


def _questions(
    pairs: Sequence[tuple[Execution, Execution]], judge: PairwiseJudge
) -> Iterator[_Question]:
    for place, (variant, baseline) in enumerate(pairs):
        if not (variant.succeeded and baseline.succeeded):
            continue
        orders: tuple[Side, Side] = ("variant", "baseline")
        if judge.is_swapped(variant.case_id, variant.repeat):
            orders = ("baseline", "variant")
        for first in orders if judge.both_orders else orders[:1]:
            yield _Question(place, first, variant, baseline)


def _asking(judge: PairwiseJudge) -> Any:
    def ask(output: Any, case: Case) -> Score | Awaitable[Score]:
        verdict = judge.verdict(case, *output)
        return _later(verdict) if inspect.isawaitable(verdict) else _scored(verdict)

    return ask


async def _later(verdict: Awaitable[tuple[Better, str]]) -> Score:
    return _scored(await verdict)


def _scored(verdict: tuple[Better, str]) -> Score:
    better, reason = verdict
    return Score(_VALUES[better], reason=reason)


def _answer(question: _Question, score: ScoreTuple) -> PairAnswer:
    second: Side = "baseline" if question.first == "variant" else "variant"
    better: Side | Literal["tie"] | None = None
    if score.value is not None:
        better = "tie" if score.value == 0.5 else question.first if score.value else second
    return PairAnswer(question.first, better, score.reason, score.error)


def _record(variant: Execution, baseline: Execution, answers: Sequence[PairAnswer]) -> PairRecord:
    record = PairRecord(
        variant.case_id, variant.repeat, variant.id, baseline.id, answers, None, None
    )
    if not answers:
        failed = variant if not variant.succeeded else baseline
        return replace(record, error=f"execution {failed.id} of {failed.variant!r} {failed.status}")
    if error := next((one.error for one in answers if one.error is not None), None):
        return replace(record, error=error)
    sides = {one.better for one in answers}
    if sides == {"variant"}:
        return replace(record, outcome="win")
    return replace(record, outcome="loss" if sides == {"baseline"} else "tie")
