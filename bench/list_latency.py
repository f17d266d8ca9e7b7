"""How long `wtb list` takes on a store that holds 100,000 executions, as a whole process."""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from _harness import (
    ContenderError,
    Figure,
    Measured,
    cargo_example,
    main,
    note,
    print_caveats,
    scratch,
    table,
)

BATCHES = 100

CAVEATS = (
    "the store is written by a Rust example, with three node records, a score and three journal "
    "events for each execution",
    "the store's file is in the operating system's cache, as it has just been written",
    "`python -c pass` is the part that no command of a Python package can go below",
)


def measure(options: argparse.Namespace) -> Measured:
    """Make the store, then time whole processes in turns."""
    print_caveats(CAVEATS)
    executions, rounds = (10_000, 5) if options.quick else (100_000, 11)
    command = Path(sys.executable).parent / "wtb"
    if not command.exists():
        raise FileNotFoundError(f"there is no {command}; `make build` installs it")
    with scratch() as directory:
        many, one = directory / "many.db", directory / "one.db"
        for path, batches in ((many, BATCHES), (one, 1)):
            cargo_example("wtb-store", "fill", str(path), str(executions), str(batches))
        commands: dict[str, list[str | Path]] = {
            "python -c pass": [sys.executable, "-c", "pass"],
            f"wtb list, {BATCHES} batches": [command, "list", "--store", many],
            "wtb list, one batch": [command, "list", "--store", one],
            "wtb list executions": [command, "list", "executions", "--store", one],
        }
        samples = _times(commands, rounds)
    rows = [
        [name, f"{statistics.median(values):.3f}", f"{min(values):.3f} - {max(values):.3f}"]
        for name, values in samples.items()
    ]
    print(table(["process", "s", "least - most"], rows))
    return [
        Figure(
            name=name,
            value=statistics.median(values),
            unit="s",
            target=0.5,
            better="at most",
            basis=f"whole process, {executions:,} executions in the store",
            samples={name: values},
        )
        for name, values in samples.items()
        if name.startswith("wtb")
    ]


def _times(commands: dict[str, list[str | Path]], rounds: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        note(f"round {number} of {rounds}" if number else "warming up")
        for name, command in commands.items():
            begun = perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
            seconds = perf_counter() - begun
            if done.returncode != 0:
                raise ContenderError(f"{name} ended with {done.returncode}: {done.stderr}")
            if number:
                samples[name].append(seconds)
    return samples


if __name__ == "__main__":
    main(measure, __doc__)
