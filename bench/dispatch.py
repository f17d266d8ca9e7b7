"""Executions that do nothing, handed to two supervisors: what the driver and the store cost."""

import argparse
import statistics
from typing import Any

from _harness import Figure, Measured, cargo_example, main, print_caveats, scratch

CAVEATS = (
    "the engine, both supervisors and their 32 workers share a process and two cores; there is no "
    "Ray and no Python in it",
    "each start is written by its supervisor and each end by the driver, durably, into one SQLite "
    "file with three writers: that bounds the whole",
    "the driver's part is the CPU time of the thread that hands out and takes in",
    "the memory is the most that the process ever held, from the batch's making to its end, with "
    "both supervisors in it and without Python",
)
OUTSTANDING = 100_000


def measure(options: argparse.Namespace) -> Measured:
    """Run the Rust example several times and take medians; once for the memory."""
    print_caveats(CAVEATS)
    cells, rounds = (5_000, 2) if options.quick else (40_000, 5)
    whole, driven = [], []
    for _ in range(rounds):
        report = handed_ahead(cells)
        whole.append(report["executions_per_s"])
        driven.append(cells / report["driven_s"])
    peak_kb = handed_ahead(OUTSTANDING)["memory_peak_kb"]
    basis = f"median of {rounds} batches of {cells:,} executions"
    return [
        Figure(
            name="dispatch, the driver's part",
            value=statistics.median(driven),
            unit="cells/s",
            target=20_000,
            better="at least",
            basis=f"{basis}, by CPU time",
        ),
        Figure(
            name="dispatch, with every start and end written",
            value=statistics.median(whole),
            unit="cells/s",
            target=20_000,
            better="at least",
            basis=basis,
        ),
        Figure(
            name="dispatch, memory",
            value=peak_kb * 1024 / 1e6,
            unit="MB",
            target=500,
            better="at most",
            basis=f"one batch of {OUTSTANDING:,} executions, its peak",
        ),
    ]


def handed_ahead(cells: int) -> dict[str, Any]:
    """Run the Rust example's executions that are handed to supervisors; return its report."""
    with scratch() as directory:
        arguments = (str(cells), str(directory), "ray")
        (report,) = cargo_example("wtb-engine", "throughput", *arguments)
    return report


if __name__ == "__main__":
    main(measure, __doc__)
