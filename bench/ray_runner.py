"""What a cluster costs: warm processes of two actors beside those of the process runner.

Beside it the reference's runner on Ray. Ray runs on this machine, so that all have the same cores;
the start of the cluster is not timed.
"""

import argparse

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
WORKERS = 2

PROCESS = "wtb process, warm"
RAY = "wtb ray, warm"
REFERENCE = f"reference {RELEASE} ray"

NOTES = {
    PROCESS: f"{WORKERS} processes that make many attempts; checkpoints at every step",
    RAY: f"the same, {WORKERS} actors with a process each; they write into the store themselves",
    REFERENCE: "its development mode: one actor, cases one after the other, as its SDK runs them",
}
CAVEATS = (
    "both have the start of a template in their time (an interpreter that imports LangGraph), of "
    "the actors one each; the actors themselves stay from round to round",
    "the reference has its one actor before it is timed, and runs fewer cases, as it is slow",
    "Ray's own processes, the driver and the actors share the cores with the attempts here; on a "
    "cluster they do not",
)


def measure(options: argparse.Namespace) -> Measured:
    """Measure both in turns."""
    print_caveats(CAVEATS)
    rounds, cases = (2, 50) if options.quick else (5, 1000)
    request = {
        "graph": "noop",
        "cases": cases,
        "workers": WORKERS,
        "synchronous": "normal",
        "checkpoints": "step",
    }
    own = {**request, "runner": "process", "isolation": "warm"}
    contenders = [
        Contender(PROCESS, "bench.py", own, expected=VARIANTS * cases),
        Contender(RAY, "on_ray.py", request, expected=VARIANTS * cases),
    ]
    if not options.without_reference:
        fewer = cases // 10
        reference = {"cases": fewer, "runner": "ray"}
        contenders.append(
            Contender(
                REFERENCE,
                "reference.py",
                reference,
                expected=VARIANTS * fewer,
                python=reference_python(),
            )
        )
    samples = interleaved(contenders, rounds, Contender.milliseconds)
    print(samples_table(samples, NOTES) + "\n")
    figures = [
        Figure(
            name=f"{PROCESS} / {RAY}",
            value=ratio(samples[PROCESS], samples[RAY]),
            unit="x",
            target=0.7,
            better="at least",
            basis="throughput of ray over the process runner",
            samples=samples,
        )
    ]
    if REFERENCE in samples:
        figures.append(
            Figure(
                name=f"{RAY} / {REFERENCE}",
                value=ratio(samples[RAY], samples[REFERENCE]),
                unit="x",
                target=0.1,
                better="at most",
                basis="time per execution",
                samples=samples,
            )
        )
    return figures


if __name__ == "__main__":
    main(measure, __doc__)
