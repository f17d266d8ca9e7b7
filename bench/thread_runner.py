"""The thread runner beside a bare thread pool, for a graph whose only node waits 200 ms."""

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

CASES = 200
WORKERS = 50
BARE = f"bare ThreadPoolExecutor({WORKERS})"
THREAD = f"wtb thread, {WORKERS} workers"

NOTES = {
    BARE: "graph.invoke; stores nothing; compiling is not counted",
    THREAD: 'checkpoints="off"; result and node records stored',
}

CAVEATS = (
    f"{CASES} executions in {CASES // WORKERS} waves of 200 ms: no contender can need less than "
    f"{1000 * CASES // WORKERS // 5 / CASES:.1f} ms per execution",
    "the bench's time contains creating the batch and one compiled graph for each thread",
)


def measure(options: argparse.Namespace) -> Measured:
    """Measure both in turns."""
    print_caveats(CAVEATS)
    request = {
        "graph": "sleeping",
        "cases": CASES,
        "runner": "thread",
        "workers": WORKERS,
        "synchronous": "normal",
        "checkpoints": "off",
    }
    contenders = [
        Contender(BARE, "bare.py", request, expected=CASES),
        Contender(THREAD, "bench.py", request, expected=CASES),
    ]
    samples = interleaved(contenders, 3 if options.quick else 9, Contender.milliseconds)
    print(samples_table(samples, NOTES))
    throughput = Figure(
        name=f"throughput of {THREAD} / {BARE}",
        value=ratio(samples[BARE], samples[THREAD]),
        unit="x",
        target=0.92,
        better="at least",
        basis=f"{CASES} cases that wait 200 ms",
        samples=samples,
    )
    return [throughput]


if __name__ == "__main__":
    main(measure, __doc__)
