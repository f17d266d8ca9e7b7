"""Whether attempts forked from a template stay safe with libraries that have threads of their own.

A template imports libraries and calls nothing of them; each attempt is a fork of it that uses the
library for real, and has to come to the result of a process that was never forked. Controls, whose
template has used the library, must be seen to hang or fail, or the trial says nothing.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _fork_trial import GIVEN_UP_AFTER, HANGS_AFTER_S, Trial
from _harness import CONTENDERS, note, print_caveats, table
from _templates import Template, installed, servers, trial_python

sys.path.insert(0, str(CONTENDERS))
from fork_works import LIBRARIES

TOGETHER = 2
EMPTY_FORKS = 50

CASES = (
    *((name, "imported") for name in (*LIBRARIES, "all")),
    *((name, "made") for name, library in LIBRARIES.items() if library.make is not None),
    ("grpc", "bare"),
    *((name, "used") for name in LIBRARIES),
)
CONTROLS = {
    ("sklearn", "used"),
    ("xgboost", "used"),
    ("torch", "used"),
    ("grpc", "bare"),
    ("httpx", "used"),
}
"""Cases that have to hang or fail."""

HARMLESS = ("jemalloc_bg_thd",)
"""Names of threads that a child does not miss: jemalloc makes its own anew after a fork."""
OWN_FILES = {"pipe": 1}
"""What a template of the trial has open itself, beside its standard streams."""

CAVEATS = (
    "imported: the template has imported the library. made: it has also made a client, channel or "
    "model, as a user's module does. bare: the same, with gRPC's own handling of forks switched "
    "off. used: it has done the work itself",
    "the rule looks at a template once it has forked a probe: a thread beside the main one, or a "
    "socket, pipe or event descriptor that is not its supervisor's, and it is not forked from",
    f"an attempt without an end after {HANGS_AFTER_S:.0f} s counts as hanging and is killed; a "
    f"case that has hung {GIVEN_UP_AFTER} times is given up",
    "a run without a hang does not prove that there is none: see docs/forking.md for what it says",
)


def measure_case(trial: Trial, case: tuple[str, str], attempts: int) -> dict[str, Any]:
    """Make the attempts of one case and, where they are safe, empty ones for the cost of a fork."""
    begun = time.monotonic()
    worked = trial.run("work", attempts, TOGETHER)
    row: dict[str, Any] = {
        "case": "-".join(case),
        "attempts": worked.attempts,
        "hangs": worked.hangs,
        "failures": worked.failures,
        "errors": worked.errors,
        "attempt_ms": statistics.median(worked.seconds) * 1000 if worked.seconds else None,
        "attempt_threads": worked.threads,
        **trial.looks,
        "flagged": flags(trial.looks),
    }
    if case[1] == "imported":
        empty = trial.run("nothing", EMPTY_FORKS, 1)
        row["fork_ms"] = statistics.median(empty.fork_ms)
        row["fork_exit_ms"] = statistics.median(empty.seconds) * 1000
        row["fork_private_mb"] = statistics.median(empty.private_kb) / 1024
    row["took_s"] = time.monotonic() - begun
    return row


def flags(looks: Mapping[str, Any]) -> list[str]:
    """Return why a template is not to be forked from, by what it has seen of itself."""
    probe, after = looks["probe"], looks["after"]
    found = ["probe"] if probe["stalled"] or probe["code"] else []
    others = len(after["threads"]) - 1 - sum(after["threads"].count(name) for name in HARMLESS)
    if others > 0:
        found.append(f"{others} threads")
    for kind, count in after["files"].items():
        shared = kind in ("socket", "pipe") or kind.startswith(("anon_inode:", "/dev/"))
        if shared and count > OWN_FILES.get(kind, 0):
            found.append(kind)
    return found


def references(python: Path, addresses: Mapping[str, str]) -> dict[str, list[float]]:
    """Return what each library's work returns in a fresh process that does not fork."""
    found: dict[str, list[float]] = {}
    for name in LIBRARIES:
        with Template(python, name, "reference", addresses) as process:
            found.update(process.first_report()["results"])
    return found


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the cases below each other."""
    head = ["case", "attempts", "hangs", "failures", "ms per attempt", "its threads"]
    head += ["template's threads", "after a fork", "the rule"]
    cells = [
        [
            row["case"],
            *(str(row[name]) for name in ("attempts", "hangs", "failures")),
            "-" if row["attempt_ms"] is None else f"{row['attempt_ms']:.0f}",
            str(row["attempt_threads"] or "-"),
            *(str(len(row[when]["threads"])) for when in ("before", "after")),
            ", ".join(row["flagged"]) or "fork",
        ]
        for row in rows
    ]
    return table(head, cells)


def cost_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what a fork costs, case by case."""
    head = ["case", "template MB", "fork ms", "fork, keeper, exit ms", "private MB of a fork"]
    cells = [
        [
            row["case"],
            f"{row['before']['rss_kb'] / 1024:.0f}",
            *(f"{row[name]:.1f}" for name in ("fork_ms", "fork_exit_ms", "fork_private_mb")),
        ]
        for row in rows
        if "fork_ms" in row
    ]
    return table(head, cells)


def main() -> int:
    """Try the cases asked for; the exit code is 1 when a control was not detected."""
    names = ["-".join(case) for case in CASES]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--attempts", type=int, default=1000, help="a tenth of it for controls")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CASE")
    parser.add_argument("--quick", action="store_true", help="20 attempts for each case")
    options = parser.parse_args()
    attempts = 20 if options.quick else options.attempts
    python = trial_python()
    print_caveats((*CAVEATS, ", ".join(f"{a} {b}" for a, b in installed(python).items())))
    rows = []
    with servers(python) as addresses:
        expected = references(python, addresses)
        for case in CASES:
            if "-".join(case) not in options.only:
                continue
            count = max(attempts // 10, 20) if case[1] in ("bare", "used") else attempts
            note(f"{'-'.join(case)}: {count} attempts")
            rows.append(measure_case(Trial(python, addresses, case, expected), case, count))
            print(json.dumps(rows[-1]), flush=True)
    print(f"\n{rows_table(rows)}\n\n{cost_table(rows)}\n")
    return verdict(rows)


def verdict(rows: Sequence[Mapping[str, Any]]) -> int:
    """Print whether the controls were detected, and whether the rule tells safe from unsafe."""
    controls = {"-".join(case) for case in CONTROLS} & {row["case"] for row in rows}
    unsafe = {row["case"] for row in rows if row["hangs"] or row["failures"]}
    flagged = {row["case"] for row in rows if row["flagged"]}
    for what, names in (
        ("unsafe", unsafe),
        ("unsafe, but the rule would fork", unsafe - flagged),
        ("safe here, but the rule would not fork", flagged - unsafe),
        ("controls that were not detected", controls - unsafe),
    ):
        print(f"{what}: {', '.join(sorted(names)) or 'none'}")
    return 1 if controls - unsafe else 0


if __name__ == "__main__":
    sys.exit(main())
