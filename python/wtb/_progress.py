"""How far a batch is, and waiting for it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

__all__ = ["Progress", "poll_until"]


@dataclass(frozen=True)
class Progress:
    """How far a batch is.

    Attributes:
        total: How many executions it has.
        counts: How many executions stand where, by status.
        unscored: How many await their scores.
        retried: How many attempts were retried in this session.
        elapsed_s: Seconds since this session took the batch up.
        per_second: Executions ended per second in this session.
        remaining_s: Estimated seconds until the last one ends, once there is a rate.
        status: The batch's status.
        backpressure: Whether work is held back because too much awaits its scores.
        failures: The most recent failures.
    """

    total: int
    counts: Mapping[str, int]
    unscored: int
    retried: int
    elapsed_s: float
    per_second: float
    remaining_s: float | None
    status: str
    backpressure: bool
    failures: Sequence[Mapping[str, Any]]

    @property
    def ended(self) -> int:
        """How many executions have ended, well or not."""
        return self.total - self.counts["queued"] - self.counts["running"]

    @property
    def failed(self) -> int:
        """How many executions ended with an error."""
        return self.counts["failed"] + self.counts["timed_out"]

    @classmethod
    def parse(cls, text: str) -> "Progress":
        """Read what the engine reports."""
        data = json.loads(text)
        remaining = data["remaining_ms"]
        return cls(
            total=data["total"],
            counts=data["counts"],
            unscored=data["unscored"],
            retried=data["retried"],
            elapsed_s=data["elapsed_ms"] / 1000,
            per_second=data["per_second"],
            remaining_s=None if remaining is None else remaining / 1000,
            status=data["status"],
            backpressure=data["backpressure"],
            failures=data["failures"],
        )


def poll_until(done: Callable[[float], bool], timeout: float | None) -> bool:
    """Call `done(seconds)` in short waits, so that Ctrl-C is noticed; returns whether it was."""
    until = None if timeout is None else monotonic() + timeout
    while True:
        rest = 0.1 if until is None else min(0.1, until - monotonic())
        if done(max(rest, 0.0)):
            return True
        if until is not None and monotonic() >= until:
            return False
