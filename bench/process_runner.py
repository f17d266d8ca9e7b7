"""What a process for each attempt costs, and how quickly one that does not want to end is gone.

A graph of three nodes that do nothing, with checkpoints at every step, beside the same graph in
processes that one would start oneself.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from _harness import (
    Contender,
    Figure,
    Measured,
    interleaved,
    main,
    print_caveats,
    ratio,
    samples_table,
)

VARIANTS = 2
WORKERS = 2
GRACE_MS = 300

INLINE = "wtb inline"
WARM = "wtb process, warm"
FRESH = "wtb process, fresh"
FORK = "os.fork for each"
FORKSERVER = "ProcessPoolExecutor, forkserver, one task each"
DEADLINE = "deadline"
CANCEL = "cancel of 8"

NOTES = {
    INLINE: "one process; checkpoints at every step, result stored",
    WARM: f"{WORKERS} processes that make many attempts; the same is stored",
    FRESH: f"a process for each attempt, {WORKERS} at once; the same is stored",
    FORK: f"{WORKERS} at once, InMemorySaver; nothing is stored, nothing is watched",
    FORKSERVER: f"{WORKERS} at once, LangGraph preloaded, InMemorySaver; nothing is stored",
}
CAVEATS = (
    "time per execution is the whole call divided by the executions: with the start of the "
    "template (an interpreter that imports LangGraph, 1 to 2 s), which counts less the larger a "
    "batch is: 1,000 executions, and 4,000 where throughputs are compared",
    "what a fork costs depends on the machine: virtual ones, whose page tables are emulated, take "
    "five to ten times as long as others. The line `os.fork for each` is what this one takes",
    "endings: an attempt that ignores SIGTERM and has a child in another session; from the start "
    f"of the attempt, less its timeout, until its end was accepted; the grace is {GRACE_MS} ms, "
    "and a process that was left anywhere makes the measurement an error",
)


def measure(options: argparse.Namespace) -> Measured:
    """Measure all contenders in turns."""
    print_caveats(CAVEATS)
    rounds, cases = (2, 50) if options.quick else (5, 500)
    # What is asked of these two is a throughput, which is not that of the start.
    many = cases if options.quick else 4 * cases
    contenders = [
        _own(INLINE, many, "inline", {}),
        _own(WARM, many, "process", {"isolation": "warm"}),
        _own(FRESH, cases, "process", {"isolation": "fresh"}),
        _others(FORK, cases, "fork"),
        _others(FORKSERVER, cases, "forkserver"),
    ]
    samples = interleaved(contenders, rounds, Contender.milliseconds)
    print(samples_table(samples, NOTES) + "\n")
    endings = [
        Contender(name, "ending.py", {"way": way}, expected=1)
        for name, way in ((DEADLINE, "deadline"), (CANCEL, "cancel"))
    ]
    ends = interleaved(endings, rounds, Contender.milliseconds)
    return [*_figures(samples), *_ending_figures(ends)]


def _own(name: str, cases: int, runner: str, more: Mapping[str, Any]) -> Contender:
    request = {
        "graph": "noop",
        "cases": cases,
        "runner": runner,
        "workers": WORKERS,
        "synchronous": "normal",
        "checkpoints": "step",
        **more,
    }
    return Contender(name, "bench.py", request, expected=VARIANTS * cases)


def _others(name: str, cases: int, way: str) -> Contender:
    request = {"cases": VARIANTS * cases, "way": way, "workers": WORKERS}
    return Contender(name, "forked.py", request, expected=VARIANTS * cases)


def _figures(samples: Mapping[str, Sequence[float]]) -> list[Figure]:
    fresh = Figure(
        name=f"{FRESH}, time per execution",
        value=statistics.median(samples[FRESH]),
        unit="ms",
        target=12,
        better="at most",
        basis="batch wall time / executions",
        samples={FRESH: samples[FRESH]},
    )
    pairs = [
        (INLINE, WARM, 1.6, "throughput of warm over inline"),
        (FRESH, FORK, None, "time per execution"),
        (FRESH, FORKSERVER, None, "time per execution"),
    ]
    ratios = [
        Figure(
            name=f"{one} / {other}",
            value=ratio(samples[one], samples[other]),
            unit="x",
            target=target,
            better="at least",
            basis=basis,
            samples={one: samples[one], other: samples[other]},
        )
        for one, other, target, basis in pairs
    ]
    return [fresh, *ratios]


def _ending_figures(samples: Mapping[str, Sequence[float]]) -> list[Figure]:
    targets = {DEADLINE: GRACE_MS + 100, CANCEL: GRACE_MS + 200}
    return [
        Figure(
            name=f"{name}, until every process is gone",
            value=statistics.median(values),
            unit="ms",
            target=targets[name],
            better="at most",
            basis=f"grace of {GRACE_MS} ms included",
            samples={name: values},
        )
        for name, values in samples.items()
    ]


if __name__ == "__main__":
    main(measure, __doc__)
