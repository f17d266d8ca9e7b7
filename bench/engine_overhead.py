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
STEP = 'wtb inline, checkpoints="step"'
FULL = "wtb inline, synchronous=full"
THREAD = "wtb thread"
SEQUENTIAL = f"reference {RELEASE} sequential"
POOL = f"reference {RELEASE} threadpool"
IN_MEMORY = f"reference {RELEASE} sequential, memory disk"

NOTES = {
    BARE: "stores nothing; compiling is not counted",
    INLINE: 'checkpoints="off"; result and node records stored',
    STEP: "the same, and the state after each step, as by default",
    FULL: 'checkpoints="off", every commit awaits the disk',
    THREAD: f'checkpoints="off", {THREADS} threads',
    SEQUENTIAL: "checkpoints every step (cannot be switched off)",
    POOL: "checkpoints every step; its 4 threads",
    IN_MEMORY: "checkpoints every step, onto tmpfs: nothing awaits a disk",
}

CAVEATS = (
    "time per execution is the whole call (for wtb: creating the batch, running it, until it is in "
    "the store) divided by the executions; opening the store is not counted",
    'the reference saves LangGraph checkpoints; so does wtb with checkpoints="step", while '
    'with "off" it does not: that line is not the same work',
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
        _own(INLINE, cases, "inline", "normal", "off"),
        _own(STEP, cases, "inline", "normal", "step"),
        _own(FULL, cases, "inline", "full", "off"),
        _own(THREAD, cases, "thread", "normal", "off"),
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


def _own(name: str, cases: int, runner: str, synchronous: str, checkpoints: str) -> Contender:
    request = {
        "graph": "noop",
        "cases": cases,
        "runner": runner,
        "workers": THREADS,
        "synchronous": synchronous,
        "checkpoints": checkpoints,
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
        (STEP, BARE, None),
        (FULL, BARE, None),
        (THREAD, BARE, None),
        (INLINE, SEQUENTIAL, 0.2),
        (STEP, SEQUENTIAL, None),
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
