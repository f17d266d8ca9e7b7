"""Runs all benchmarks, prints a summary, and writes it to `bench/results/latest.json`."""

import json
import sys
import traceback
from datetime import UTC, datetime

import comparison
import dispatch
import engine_overhead
import list_latency
import process_runner
import ray_runner
import report
import saver_graph
import saver_postgres
import saver_size
import saver_speed
import scheduler
import thread_runner
import workspaces
from _harness import HERE, Figure, figures_table, machine, options

BENCHMARKS = {
    "engine_overhead": engine_overhead,
    "thread_runner": thread_runner,
    "process_runner": process_runner,
    "dispatch": dispatch,
    "ray_runner": ray_runner,
    "workspaces": workspaces,
    "scheduler": scheduler,
    "list_latency": list_latency,
    "comparison": comparison,
    "report": report,
    "saver_speed": saver_speed,
    "saver_size": saver_size,
    "saver_graph": saver_graph,
    "saver_postgres": saver_postgres,
}


def main() -> int:
    """Run what was asked for; the exit code is 1 when a benchmark could not be run."""
    parser = options(__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="can be repeated")
    arguments = parser.parse_args()
    surroundings = machine()
    figures: list[Figure] = []
    broken: list[str] = []
    for name in arguments.only or BENCHMARKS:
        title = (BENCHMARKS[name].__doc__ or name).splitlines()[0]
        print(f"\n== {title}")
        try:
            measured = BENCHMARKS[name].measure(arguments)
        except Exception:
            traceback.print_exc()
            broken.append(name)
            continue
        print("\n" + figures_table(measured))
        figures.extend(measured)
    _summarise(figures, broken, arguments.quick)
    _write(surroundings, figures, broken, arguments.quick)
    return 1 if broken else 0


def _summarise(figures: list[Figure], broken: list[str], quick: bool) -> None:
    print("\n== Summary (the caveats stand above each benchmark)\n")
    print(figures_table(figures))
    verdicts = [one.verdict for one in figures]
    print(f"\n{verdicts.count('met')} targets met, {verdicts.count('missed')} missed")
    if quick:
        print("--quick: fewer rounds and smaller batches than the targets are about")
    for name in broken:
        print(f"not measured: {name} (see the error above)")


def _write(
    surroundings: dict[str, object], figures: list[Figure], broken: list[str], quick: bool
) -> None:
    path = HERE / "results" / "latest.json"
    path.parent.mkdir(exist_ok=True)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": surroundings,
        "figures": [one.to_json() for one in figures],
        "not_measured": broken,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print()
    for one in figures:
        print(json.dumps(one.to_json()))


if __name__ == "__main__":
    sys.exit(main())
