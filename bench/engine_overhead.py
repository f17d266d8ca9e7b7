"""What the bench adds to a graph: no-op executions, beside LangGraph alone and the reference.

A graph of three nodes that do nothing, two variants; each execution is stored with its result and
its node records.
"""

import argparse
from pathlib import Path

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
from _reference import RELEASE, reference_python

VARIANTS = 2
THREADS = 8
MEMORY_DISK = Path("/dev/shm")

BARE = "bare loop of graph.invoke"
INLINE = "wtb inline"
FULL = "wtb inline, synchronous=full"
THREAD = "wtb thread"
SEQUENTIAL = f"reference {RELEASE} sequential"
POOL = f"reference {RELEASE} threadpool"
IN_MEMORY = f"reference {RELEASE} sequential, memory disk"

NOTES = {
    BARE: "stores nothing; compiling is not counted",
    INLINE: 'checkpoints="off"; result and node records stored',
    FULL: "the same, every commit awaits the disk",
    THREAD: f"the same, {THREADS} threads",
    SEQUENTIAL: "checkpoints every step (cannot be switched off)",
    POOL: "checkpoints every step; its 4 threads",
    IN_MEMORY: "checkpoints every step, onto tmpfs: nothing awaits a disk",
}

CAVEATS = (
    "time per execution is the whole call (for wtb: creating the batch, running it, until it is in "
    "the store) divided by the executions; opening the store is not counted",
    'the reference saves LangGraph checkpoints and wtb, with checkpoints="off", does not: this '
    "is what a user of each pays for a batch, and not the same work",
    "the reference waits for the disk at its commits, wtb writes in groups and by default waits "
    "for the disk at checkpoints of SQLite's log only (a power cut may lose the last commits): "
    "compare the lines `synchronous=full` and `memory disk`, which take this difference out",
    "the reference runs fewer cases, as it is slow",
    "node functions do nothing: real nodes take far longer, and the share of the bench is smaller",
)


def measure(options: argparse.Namespace) -> Measured:
    """Measure all contenders in turns."""
    print_caveats(CAVEATS)
    rounds, cases, fewer = (3, 50, 5) if options.quick else (7, 200, 20)
    contenders = [
        Contender(BARE, "bare.py", {"graph": "noop", "cases": cases}, expected=VARIANTS * cases),
        _own(INLINE, cases, "inline", "normal"),
        _own(FULL, cases, "inline", "full"),
        _own(THREAD, cases, "thread", "normal"),
    ]
    if not options.without_reference:
        python = reference_python()
        contenders += [
            _reference(SEQUENTIAL, fewer, "sequential", python, None),
            _reference(POOL, fewer, "threadpool", python, None),
        ]
        if MEMORY_DISK.is_dir():
            contenders.append(_reference(IN_MEMORY, fewer, "sequential", python, MEMORY_DISK))
    samples = interleaved(contenders, rounds, Contender.milliseconds)
    print(samples_table(samples, NOTES))
    return _figures(samples)


def _own(name: str, cases: int, runner: str, synchronous: str) -> Contender:
    request = {
        "graph": "noop",
        "cases": cases,
        "runner": runner,
        "workers": THREADS,
        "synchronous": synchronous,
    }
    return Contender(name, "bench.py", request, expected=VARIANTS * cases)


def _reference(name: str, cases: int, runner: str, python: Path, parent: Path | None) -> Contender:
    request = {"cases": cases, "runner": runner}
    return Contender(
        name,
        "reference.py",
        request,
        expected=VARIANTS * cases,
        python=python,
        parent=parent,
    )


def _figures(samples: dict[str, list[float]]) -> Measured:
    pairs = [
        (INLINE, BARE, 1.6),
        (FULL, BARE, None),
        (THREAD, BARE, None),
        (INLINE, SEQUENTIAL, 0.2),
        (THREAD, POOL, 0.2),
        (INLINE, IN_MEMORY, 0.2),
    ]
    return [
        Figure(
            name=f"{own} / {other}",
            value=ratio(samples[own], samples[other]),
            unit="x",
            target=target,
            better="at most",
            basis="time per execution",
            samples={own: samples[own], other: samples[other]},
        )
        for own, other, target in pairs
        if other in samples
    ]


if __name__ == "__main__":
    main(measure, __doc__)
