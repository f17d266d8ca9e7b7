"""What private files cost: making a workspace, a snapshot of what changed in it, restoring one.

Inputs of 2,000 files of 4 KB and one of 200 MB, beside `cp -r` and git; and executions with them in
processes of their own, beside the same executions without files.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from _harness import (
    Contender,
    Figure,
    Measured,
    cache_directory,
    cargo_example,
    interleaved,
    main,
    note,
    print_caveats,
    ratio,
    samples_table,
    work_directory,
)

VARIANTS = 2
WORKERS = 2
SMALL_FILES = 2_000
SMALL_BYTES = 4_096
LARGE_BYTES = 200 << 20

PLAIN = "wtb process, fresh"
FILES = "wtb process, fresh, with files"
NOTES = {
    PLAIN: f"{WORKERS} at once, checkpoints at every step",
    FILES: "the same, each with a workspace of its own and a snapshot with each checkpoint",
}
CAVEATS = (
    "making files on one disk may take thirty times as long as a minute before: all takes turns, "
    "and what is beside it in a round was measured within seconds",
    "a batch reads and stores its inputs once, which is a part of its time; the store is new",
    "git adds the small files alone: with the large one, its first `add` takes ten seconds",
    "a mount is made by a child in its namespaces, and only what it takes longer for it counts",
)

OVERLAY = "workspace by overlay"
CHILD = "a child in its namespaces"
MOUNTING = "a child that also mounts it"
SNAPSHOT = "snapshot after 20 changes, {}"
RESTORING = "restoring 2,000 small files"
COPYING = "cp -r of 2,000 small files"
GIT = "git add -A && git write-tree after 20 changes"


def measure(options: argparse.Namespace) -> Measured:
    """Measure files by themselves, then executions that have some."""
    print_caveats(CAVEATS)
    rounds, cases = (3, 50) if options.quick else (9, 500)
    reports = cargo_example("wtb-workspace", "bench_workspace", str(rounds), str(work_directory()))
    times = {one["measure"]: one["milliseconds"] for one in reports}
    print(samples_table(times, {}, "ms") + "\n")
    inputs = str(_inputs())
    contenders = [_executions(PLAIN, cases, None), _executions(FILES, cases, inputs)]
    samples = interleaved(contenders, 2 if options.quick else 5, Contender.milliseconds)
    print(samples_table(samples, NOTES) + "\n")
    return [*_file_figures(times), *_execution_figures(samples)]


def _executions(name: str, cases: int, inputs: str | None) -> Contender:
    request = {
        "graph": "noop",
        "cases": cases,
        "runner": "process",
        "workers": WORKERS,
        "synchronous": "normal",
        "checkpoints": "step",
        "isolation": "fresh",
        "workspace": inputs,
    }
    return Contender(name, "bench.py", request, expected=VARIANTS * cases)


def _inputs() -> Path:
    """Return a directory of inputs, which is made once."""
    place = cache_directory() / "inputs"
    if not place.exists():
        note("making inputs")
        making = place.with_name("inputs.new")
        for number in range(SMALL_FILES):
            folder = making / f"{number % 50:02}"
            folder.mkdir(parents=True, exist_ok=True)
            data = number.to_bytes(4, "big") * (SMALL_BYTES // 4)
            (folder / f"{number}.dat").write_bytes(data)
        with (making / "large.bin").open("wb") as file:
            for number in range(LARGE_BYTES >> 20):
                file.write(number.to_bytes(4, "big") * (1 << 18))
        making.rename(place)
    return place


def _file_figures(times: Mapping[str, Sequence[float]]) -> list[Figure]:
    def figure(name: str, values: Sequence[float], target: float, basis: str) -> Figure:
        return Figure(
            name=name,
            value=statistics.median(values),
            unit="ms",
            target=target,
            better="at most",
            basis=basis,
            samples={name: values},
        )

    mounts = [
        made + with_it - without
        for made, with_it, without in zip(
            times[OVERLAY], times[MOUNTING], times[CHILD], strict=True
        )
    ]
    beside = f"git: {statistics.median(times[GIT]):.1f} ms"
    return [
        figure(OVERLAY, mounts, 3, "directories, and the mount by a child"),
        figure(SNAPSHOT.format("overlay"), times[SNAPSHOT.format("overlay")], 5, beside),
        figure(SNAPSHOT.format("stat cache"), times[SNAPSHOT.format("stat cache")], 15, beside),
        Figure(
            name=f"{RESTORING} / cp -r",
            value=ratio(times[RESTORING], times[COPYING]),
            unit="x",
            target=1.5,
            better="at most",
            basis="median of the ratios within a round",
            samples={RESTORING: times[RESTORING], COPYING: times[COPYING]},
        ),
    ]


def _execution_figures(samples: Mapping[str, Sequence[float]]) -> list[Figure]:
    return [
        Figure(
            name=f"{FILES}, time per execution",
            value=statistics.median(samples[FILES]),
            unit="ms",
            target=18,
            better="at most",
            basis="batch wall time / executions",
            samples={FILES: samples[FILES]},
        ),
        Figure(
            name=f"{FILES} / without",
            value=ratio(samples[FILES], samples[PLAIN]),
            unit="x",
            target=None,
            better="at most",
            basis="time per execution",
            samples=samples,
        ),
    ]


if __name__ == "__main__":
    main(measure, __doc__)
