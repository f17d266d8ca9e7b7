"""What the benchmarks share: contenders in processes of their own, figures, tables, caveats.

Nothing here judges by time alone: a figure that misses its target is printed as missed, and no
program fails for it. A contender that does not do its work is an error.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = ROOT / ".bench"
CONTENDERS = HERE / "contenders"


@dataclass(frozen=True)
class Figure:
    """One measured number beside its target.

    Attributes:
        name: What was measured.
        value: The number that the target is about.
        unit: `"x"` for a ratio of two contenders, else what the number counts.
        target: What it is measured against; None when it is there to inform only.
        better: Whether the target is a limit from above ("at most") or below ("at least").
        basis: Where the number comes from, in a few words.
        samples: All measurements behind it, by contender.
    """

    name: str
    value: float
    unit: str
    target: float | None
    better: Literal["at most", "at least"]
    basis: str
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`"met"`, `"missed"`, or `"-"` without a target."""
        if self.target is None:
            return "-"
        reached = (
            self.value <= self.target if self.better == "at most" else (self.value >= self.target)
        )
        return "met" if reached else "missed"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "figure": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "better": self.better,
            "ratio_to_target": None if self.target is None else self.value / self.target,
            "verdict": self.verdict,
            "basis": self.basis,
            "samples": {name: list(values) for name, values in self.samples.items()},
        }


class ContenderError(Exception):
    """A contender ended, or did not do what it was asked for."""


class Contender:
    """A program that measures one thing when asked, alive for all rounds so that it is warm.

    Args:
        name: What tables call it.
        script: Its file in `contenders/`.
        request: What it is asked for each round, beside a new directory.
        expected: How many executions it has to complete each round.
        python: The interpreter; by default this one.
        parent: Where its directories are made; by default on the checkout's disk.
    """

    def __init__(
        self,
        name: str,
        script: str,
        request: Mapping[str, Any],
        *,
        expected: int,
        python: Path | None = None,
        parent: Path | None = None,
    ) -> None:
        self.name = name
        self.expected = expected
        self._request = request
        self._parent = parent or work_directory()
        self._command = [str(python or sys.executable), str(CONTENDERS / script)]
        self._environment = dict(os.environ)
        if python is not None:
            # Another environment must not find this one's packages.
            self._environment.pop("PYTHONPATH", None)
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        self._log = self._resources.enter_context(tempfile.TemporaryFile("w+"))
        self._process = self._resources.enter_context(
            subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=self._environment,
                # The reference leaves files in its working directory.
                cwd=work_directory(),
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._resources.close()

    def measure(self) -> dict[str, Any]:
        """Measure once.

        Raises:
            ContenderError: It did not complete all its executions.
        """
        with tempfile.TemporaryDirectory(dir=self._parent) as directory:
            answer = self._ask({**self._request, "directory": directory})
        if answer["executions"] != self.expected:
            raise ContenderError(
                f"{self.name} completed {answer['executions']} of {self.expected} executions"
            )
        return answer

    def milliseconds(self) -> float:
        """Measure once; return milliseconds per execution."""
        seconds: float = self.measure()["seconds"]
        return seconds * 1000 / self.expected

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ContenderError(f"{self.name} has no pipes")
        try:
            print(json.dumps(request), file=stdin, flush=True)
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            raise ContenderError(f"{self.name} ended:\n{self._log.read()[-4000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def interleaved(
    contenders: Sequence[Contender], rounds: int, measure: Callable[[Contender], float]
) -> dict[str, list[float]]:
    """Let the contenders take turns, so that what slows the machine down hits all of them.

    The first round warms up and does not count; every other round runs in the opposite order.
    """
    samples: dict[str, list[float]] = {one.name: [] for one in contenders}
    with ExitStack() as running:
        for one in contenders:
            running.enter_context(one)
        for number in range(rounds + 1):
            note(f"round {number} of {rounds}" if number else "warming up")
            for one in contenders if number % 2 == 0 else reversed(contenders):
                value = measure(one)
                if number:
                    samples[one.name].append(value)
    return samples


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Return the median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def cargo_example(package: str, example: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a Rust example in release mode; return the JSON objects that it prints, one per line."""
    command = ["cargo", "run", "--release", "--quiet", "-p", package, "--example", example, "--"]
    note(f"cargo run --example {example}")
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cache_directory() -> Path:
    """Return the directory for what benchmarks keep between runs; git ignores it."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    return CACHE


def work_directory() -> Path:
    """Return where stores are made: on the checkout's disk, as a memory disk would flatter all."""
    directory = cache_directory() / "work"
    directory.mkdir(exist_ok=True)
    return directory


def note(text: str) -> None:
    """Tell on stderr what goes on."""
    print(f"  {text}", file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows below each other, in columns."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines)


def samples_table(
    samples: Mapping[str, Sequence[float]], notes: Mapping[str, str], unit: str = "ms per execution"
) -> str:
    """Return contenders below each other: median, least and most, and what one has to know."""
    rows = [
        [
            name,
            f"{statistics.median(values):.3f}",
            f"{min(values):.3f} - {max(values):.3f}",
            notes.get(name, ""),
        ]
        for name, values in samples.items()
    ]
    return table(["contender", unit, "least - most", "note"], rows)


def figures_table(figures: Sequence[Figure]) -> str:
    """Return figures below each other with targets and verdicts."""
    rows = [
        [
            one.name,
            f"{_number(one.value)} {one.unit}",
            "-" if one.target is None else f"{one.better} {_number(one.target)} {one.unit}",
            one.verdict,
            one.basis,
        ]
        for one in figures
    ]
    return table(["figure", "measured", "target", "verdict", "basis"], rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    load = os.getloadavg()[0]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": round(load, 2),
        "system": f"{platform.system()} {platform.release()}",
        "disk": _file_system(work_directory()),
        "python": platform.python_version(),
        "langgraph": version("langgraph"),
    }


def print_caveats(own: Sequence[str]) -> None:
    """Print what has to be known before the numbers are read."""
    found = machine()
    print("\nBefore you read the numbers")
    print("- " + ", ".join(f"{name} {value}" for name, value in found.items()))
    if found["load_before"] > 0.5:
        print(
            f"- the machine was not idle (load {found['load_before']} before the start): "
            "ratios within a round are worth more than single numbers"
        )
    for caveat in own:
        print(f"- {caveat}")
    print()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(path: Path) -> str:
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [mount for mount in mounts if path.is_relative_to(mount[0])]
    return max(holding, key=lambda mount: len(mount[0]))[1] if holding else "unknown"


Measured = Sequence[Figure]
Program = Callable[[argparse.Namespace], Measured]


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what all benchmarks take."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller batches")
    parser.add_argument(
        "--without-reference",
        action="store_true",
        help="do not install and measure the reference implementation",
    )
    return parser


def main(measure: Program, description: str | None) -> None:
    """Run one benchmark as a program: its tables, then its figures as JSON lines."""
    figures = measure(options(description).parse_args())
    print("\n" + figures_table(figures) + "\n")
    for one in figures:
        print(json.dumps(one.to_json()))


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a directory on the checkout's disk that is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=work_directory()) as directory:
        yield Path(directory)
