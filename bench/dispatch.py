"""Executions that do nothing, handed to two supervisors: what the driver and the store cost."""

import argparse
import statistics

from _harness import Figure, Measured, cargo_example, main, print_caveats

CAVEATS = (
    "the engine, both supervisors and their 32 workers share a process and two cores; there is no "
    "Ray and no Python in it",
    "each start is written by its supervisor and each end by the driver, durably, into one SQLite "
    "file with three writers: that bounds the whole",
    "the driver's part is the CPU time of the thread that hands out and takes in",
)


def measure(options: argparse.Namespace) -> Measured:
    """Run the Rust example several times and take medians."""
    print_caveats(CAVEATS)
    cells, rounds = (5_000, 2) if options.quick else (40_000, 5)
    whole, driven = [], []
    for _ in range(rounds):
        reports = cargo_example("wtb-engine", "throughput", str(cells))
        (report,) = [one for one in reports if one["runner"] == "ray"]
        whole.append(report["executions_per_s"])
        driven.append(cells / report["driven_s"])
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
    ]


if __name__ == "__main__":
    main(measure, __doc__)
