"""The evaluation engine: evaluators under names, scoring again, agreement, pairs.

Nothing here runs a workflow: what is scored is what executions have left.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wtb import _restore
from wtb._agreement import Agreement, Level, Weights, agreement_of
from wtb._builtin_evaluators import BUILT_IN, PairwiseJudge
from wtb._later import SCORING_WORKERS
from wtb._pairs import PairAnswer, PairRecord, PairVerdicts, judge_executions
from wtb._restore_single import case_of
from wtb._scores import ScoreTuple
from wtb._scoring import score_executions
from wtb.batch import Batch
from wtb.context import Direction
from wtb.errors import ConfigurationError, InvalidTransitionError, did_you_mean
from wtb.evaluators import Evaluator, EvaluatorLike, resolve_evaluators
from wtb.execution import Execution

if TYPE_CHECKING:
    from wtb.bench import TestBench

__all__ = [
    "Agreement",
    "EvaluationEngine",
    "PairAnswer",
    "PairRecord",
    "PairVerdicts",
    "agreement_of",
]


class EvaluationEngine:
    """Evaluators under names, and what can be found out with them about what has run.

    It begins with the built-in evaluators that need no arguments, under their own names.

    Args:
        bench: Where batches and executions are read, and scores stored.

    Example:
        >>> engine = EvaluationEngine(bench)                                    # doctest: +SKIP
        >>> engine.register(wtb.evaluators.exact_match("answer"), name="right") # doctest: +SKIP
        >>> engine.evaluate_batch("latest", ["right"]).comparison               # doctest: +SKIP
    """

    def __init__(self, bench: "TestBench") -> None:
        self._bench = bench
        self._built_in = {
            name: make() for name, make in BUILT_IN.items() if _needs_no_arguments(make)
        }
        self._own: dict[str, Evaluator] = {}

    @property
    def names(self) -> Sequence[str]:
        """The names of all evaluators: the built-in ones, then those that were registered."""
        return list(dict.fromkeys([*self._built_in, *self._own]))

    def register(
        self,
        evaluator: EvaluatorLike,
        *,
        name: str | None = None,
        direction: Direction | None = None,
    ) -> Evaluator:
        """Make an evaluator known by its name, and return it.

        One of the name of a built-in one takes its place until it is unregistered.

        Args:
            evaluator: An evaluator, a function, a built-in name, a reference or a `{"use": ...}`.
            name: Name of the evaluator; by default its own.
            direction: "max" when more is better, "min" when less is; by default its own.

        Raises:
            ConfigurationError: Another evaluator was registered under that name, or it cannot be
                used.
        """
        (found,) = resolve_evaluators([evaluator])
        given = {"name": name, "direction": direction}
        settings = {key: value for key, value in given.items() if value is not None}
        made = found.with_settings(**settings) if settings else found
        known = self._own.get(made.name)
        if known is not None and known.version != made.version:
            raise ConfigurationError(
                f"another evaluator is registered as {made.name!r}; unregister it first, or give "
                "this one another name: register(..., name=...)"
            )
        self._own[made.name] = made
        return made

    def unregister(self, name: str) -> None:
        """Forget an evaluator that was registered.

        Raises:
            ConfigurationError: None was registered under that name.
        """
        if name not in self._own:
            known = did_you_mean(name, list(self._own), listed_as="those that were registered")
            raise ConfigurationError(f"no evaluator was registered as {name!r}. {known}")
        del self._own[name]

    def get(self, name: str) -> Evaluator:
        """Return the evaluator of a name.

        Raises:
            ConfigurationError: There is none.
        """
        found = self._own.get(name) or self._built_in.get(name)
        if found is None:
            known = did_you_mean(name, self.names, listed_as="the evaluators")
            raise ConfigurationError(f"there is no evaluator {name!r}. {known}")
        return found

    def evaluate_execution(
        self,
        execution: Execution | str,
        evaluators: Sequence[EvaluatorLike] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Sequence[ScoreTuple]:
        """Return the scores of an execution that has succeeded; nothing is stored.

        Args:
            execution: The execution, its id, or a unique prefix of it.
            evaluators: Names, or anything that `register` takes; by default all that were
                registered.
            evaluator_timeout: Seconds that one evaluator may take.

        Raises:
            ConfigurationError: There is no such evaluator, or none at all.
            InvalidTransitionError: The execution has not succeeded.
        """
        chosen = self._chosen(evaluators)
        found = self._bench.execution(execution if isinstance(execution, str) else execution.id)
        if not found.succeeded:
            raise InvalidTransitionError(
                f"execution {found.id} has nothing to score (status {found.status!r})"
            )
        scores: list[ScoreTuple] = []
        score_executions(
            [(found, case_of(self._bench._core, found))],
            chosen,
            lambda _, given: scores.extend(given),
            workers=1,
            timeout=evaluator_timeout,
        )
        # What stands for "no score" is for the store.
        return [one for one in scores if one.value is not None or one.error is not None]

    def evaluate_batch(
        self,
        batch: Batch | str,
        evaluators: Sequence[EvaluatorLike] | None = None,
        *,
        evaluator_timeout: float = 60.0,
    ) -> Batch:
        """Score a batch's finished executions and store the scores, without running anything.

        Scores of the same evaluator and name are replaced; others stay.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            evaluators: See `evaluate_execution`.
            evaluator_timeout: Seconds that one evaluator may take for one execution.

        Raises:
            ConfigurationError: There is no such evaluator, or none at all.
        """
        chosen = self._chosen(evaluators)
        return self._bench.score(batch, chosen, evaluator_timeout=evaluator_timeout)

    def agreement(
        self,
        batch: Batch | str,
        metrics: Sequence[str],
        *,
        level: Level = "interval",
        weights: Weights | None = None,
    ) -> Agreement:
        """Return how far metrics agree over the executions of a batch.

        Metrics are scores of evaluators, judges for example, or what nodes logged; labels of people
        become a metric by an evaluator that looks them up.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            metrics: At least two names of metrics.
            level: See `agreement_of`.
            weights: See `agreement_of`.

        Raises:
            ConfigurationError: No execution has a metric of that name, or see `agreement_of`.
        """
        if isinstance(metrics, str):
            raise ConfigurationError(f"metrics are a list of names, not {metrics!r}")
        if len(set(metrics)) != len(metrics):
            raise ConfigurationError("the metrics are compared with each other: name each once")
        values = [one._counted for one in self._batch(batch).results]
        known = list(dict.fromkeys(name for one in values for name in one))
        for metric in metrics:
            if metric not in known:
                told = did_you_mean(metric, known, listed_as="its metrics")
                raise ConfigurationError(f"no execution has a metric {metric!r}. {told}")
        ratings = {metric: [one.get(metric) for one in values] for metric in metrics}
        return agreement_of(ratings, level=level, weights=weights)

    def judge_pairs(
        self,
        batch: Batch | str,
        judge: PairwiseJudge,
        *,
        variant: str,
        baseline: str = "baseline",
        evaluator_timeout: float = 60.0,
    ) -> PairVerdicts:
        """Ask a judge, for each case and repeat, which of two variants' outputs is better.

        Nothing is stored. A pair of which an execution has not succeeded, and a question that
        fails, are recorded with their reason and count neither as win nor as loss.

        Args:
            batch: The batch, its id, a unique prefix of it, or "latest".
            judge: What `wtb.evaluators.pairwise_judge` returned.
            variant: The variant's name.
            baseline: The name of what it is compared with.
            evaluator_timeout: Seconds for one question, unless the judge has its own.

        Raises:
            ConfigurationError: The batch has no such variant, or `judge` is none.
        """
        if not isinstance(judge, PairwiseJudge):
            raise ConfigurationError(
                f"judge_pairs asks what wtb.evaluators.pairwise_judge makes, not {judge!r}"
            )
        found = self._batch(batch)
        names = list(dict.fromkeys(one.variant for one in found.results))
        for name in (variant, baseline):
            if name not in names:
                told = did_you_mean(name, names, listed_as="its variants")
                raise ConfigurationError(f"batch {found.id} has no variant {name!r}. {told}")
        if variant == baseline:
            raise ConfigurationError(f"{variant!r} cannot be compared with itself")
        base = {(one.case_id, one.repeat): one for one in found.results if one.variant == baseline}
        pairs = [
            (one, base[one.case_id, one.repeat]) for one in found.results if one.variant == variant
        ]
        cases = _restore.restore_cases(self._bench._core.engine, found.id)
        return judge_executions(
            pairs,
            {one.id: one for one in cases},
            judge,
            (variant, baseline),
            SCORING_WORKERS,
            evaluator_timeout,
        )

    def _batch(self, batch: Batch | str) -> Batch:
        return batch if isinstance(batch, Batch) else self._bench.batch(batch)

    def _chosen(self, evaluators: Sequence[EvaluatorLike] | None) -> list[Evaluator]:
        if evaluators is None:
            if not self._own:
                raise ConfigurationError(
                    "no evaluator was registered: register one, or name those that are meant"
                )
            return list(self._own.values())
        if isinstance(evaluators, str):
            raise ConfigurationError(f"evaluators are a list; write [{evaluators!r}]")
        chosen = resolve_evaluators([self._named(one) for one in evaluators])
        if not chosen:
            raise ConfigurationError("there is nothing to score with: name at least one evaluator")
        return chosen

    def _named(self, spec: EvaluatorLike) -> EvaluatorLike:
        is_name = isinstance(spec, str) and ":" not in spec
        return self.get(spec) if is_name else spec  # type: ignore[arg-type]


def _needs_no_arguments(make: Callable[..., Evaluator]) -> bool:
    parameters = inspect.signature(make).parameters.values()
    return all(one.default is not one.empty for one in parameters)
