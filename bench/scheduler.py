"""The scheduler alone, without store and workers: transitions per second and memory."""

import argparse

from _harness import Figure, Measured, cargo_example, main, print_caveats

CAVEATS = (
    "a transition is one call of the scheduler; the worker side is a plain queue in the same loop",
    "`full` has deadlines, leases, retries and evaluators, and one attempt in ten fails; `plain` "
    "has none of these",
    "the two make different calls and are not to be compared with each other",
    "memory is what the process's peak grew by over one batch, with `full`",
)


def measure(options: argparse.Namespace) -> Measured:
    """Run the Rust example and hold its figures against the targets."""
    print_caveats(CAVEATS)
    cells, rounds = (100_000, 3) if options.quick else (1_000_000, 7)
    reports = cargo_example("wtb-scheduler", "throughput", str(cells), str(rounds))
    return [figure for report in reports if (figure := _figure(report)) is not None]


def _figure(report: dict[str, int | str | None]) -> Figure | None:
    cells = int(report["cells"] or 0)
    if report["measure"] == "scheduler_transitions":
        return Figure(
            name=f"scheduler, {report['config']}",
            value=float(report["per_second"] or 0),
            unit="transitions/s",
            target=500_000,
            better="at least",
            basis=f"median of {report['rounds']} batches of {cells:,} cells, one core",
        )
    if report["bytes"] is None:  # The system does not tell.
        return None
    return Figure(
        name=f"scheduler, memory of {cells:,} cells",
        value=int(report["bytes"]) / 1e6,
        unit="MB",
        target=300,
        better="at most",
        basis="growth of the process's peak",
    )


if __name__ == "__main__":
    main(measure, __doc__)
