"""Attempts of one case of the fork trial: asked for, waited for, judged, killed when they hang."""

import math
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _harness import note
from _templates import Template, TemplateEndedError, TemplateHangsError

HANGS_AFTER_S = 20.0
GIVEN_UP_AFTER = 10
"""Attempts that hang, after which a case is not tried any further."""


@dataclass
class Running:
    """An attempt that has not ended: when it was asked for, and what was reported of it."""

    asked: float
    found: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came of the attempts of one kind in one case."""

    attempts: int = 0
    hangs: int = 0
    failures: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    fork_ms: list[float] = field(default_factory=list)
    private_kb: list[int] = field(default_factory=list)
    threads: int = 0

    def failed(self, text: str) -> None:
        """Count an attempt that failed."""
        self.failures += 1
        self._keep(text)

    def hung(self, text: str) -> None:
        """Count an attempt that hung."""
        self.hangs += 1
        self._keep(text)

    def _keep(self, text: str) -> None:
        self.attempts += 1
        if len(self.errors) < 3:
            self.errors.append(text)


class Trial:
    """Attempts of one case, on one template at a time.

    Args:
        python: The interpreter of the trial's environment.
        addresses: Those of the servers.
        case: The library and the state of its template.
        expected: What each library's work returns in a process that was never forked.
    """

    def __init__(
        self,
        python: Path,
        addresses: Mapping[str, str],
        case: tuple[str, str],
        expected: Mapping[str, Sequence[float]],
    ) -> None:
        self._arguments = (python, *case, addresses)
        self._expected = expected
        self.looks: dict[str, Any] = {}

    def run(self, what: str, attempts: int, together: int) -> Outcome:
        """Have the attempts made; a template that hangs or ends is followed by another one."""
        outcome = Outcome()
        while outcome.attempts < attempts and outcome.hangs < GIVEN_UP_AFTER:
            with Template(*self._arguments) as template:
                running: dict[int, Running] = {}
                try:
                    looks = template.first_report()
                    self.looks = self.looks or looks
                    self._on(template, outcome, running, what, attempts, together)
                except TemplateHangsError as error:
                    # Those that it has forked are not to blame, but are not waited for either.
                    kill(running.values())
                    outcome.hung(str(error))
                except TemplateEndedError as error:
                    kill(running.values())
                    outcome.failed(str(error)[-300:])
        return outcome

    def _on(
        self,
        template: Template,
        outcome: Outcome,
        running: dict[int, Running],
        what: str,
        attempts: int,
        together: int,
    ) -> None:
        number = outcome.attempts
        while True:
            more = number < attempts and outcome.hangs < GIVEN_UP_AFTER
            if more and len(running) < together:
                running[number] = Running(time.monotonic())
                template.ask({"number": number, "what": what})
                number += 1
                continue
            if not running:
                return
            oldest = min(one.asked for one in running.values())
            for report in template.reports(oldest + HANGS_AFTER_S - time.monotonic()):
                # What a killed one had left in the pipe is of no interest.
                if one := running.get(report["number"]):
                    self._take(report, one, outcome)
                    if "ended" in report:
                        del running[report["number"]]
            for late in [key for key, one in running.items() if one.asked < overdue()]:
                self._late(template, running.pop(late), outcome)

    def _take(self, report: dict[str, Any], one: Running, outcome: Outcome) -> None:
        one.found.update(report)
        if "fork_ms" in report:
            outcome.fork_ms.append(report["fork_ms"])
        if "ended" not in report:
            return
        outcome.seconds.append(time.monotonic() - one.asked)
        outcome.threads = max(outcome.threads, one.found.get("threads", 0))
        outcome.private_kb += [one.found["private_kb"]] if "private_kb" in one.found else []
        if wrong := self._wrong(one.found):
            outcome.failed(wrong)
        else:
            outcome.attempts += 1

    def _wrong(self, found: Mapping[str, Any]) -> str:
        """Return what is wrong with an attempt that has ended; nothing if it is right."""
        if found["ended"] != 0 or "error" in found:
            return str(found.get("error", f"exit status {found['ended']}"))
        for library, numbers in found.get("results", {}).items():
            if not close(numbers, self._expected[library]):
                return f"{library}: {numbers} instead of {self._expected[library]}"
        return ""

    def _late(self, template: Template, one: Running, outcome: Outcome) -> None:
        if "attempt" in one.found and not outcome.hangs:
            with suppress(ProcessLookupError):
                os.kill(one.found["attempt"], signal.SIGUSR1)
            time.sleep(0.5)
            note(f"where the first one hangs:\n{template.log()}")
        kill([one])
        if "keeper" not in one.found:
            raise TemplateHangsError("the template does not come back from forking")
        outcome.hung("the attempt" if "attempt" in one.found else "the keeper, while it forks")


def overdue() -> float:
    """Return the time before which an attempt that still runs must have been asked for."""
    return time.monotonic() - HANGS_AFTER_S


def kill(running: Iterable[Running]) -> None:
    """Kill attempts and their keepers: a keeper leads its group."""
    for one in running:
        if "keeper" in one.found:
            # It may just have ended by itself.
            with suppress(ProcessLookupError):
                os.killpg(one.found["keeper"], signal.SIGKILL)


def close(found: Sequence[float], expected: Sequence[float]) -> bool:
    """Return whether results are the same but for the order of a sum on several threads."""
    return len(found) == len(expected) and all(
        math.isclose(one, other, rel_tol=1e-4) for one, other in zip(found, expected, strict=True)
    )
