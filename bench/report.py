"""How long a report of 10,000 executions takes to write and to open, and how large it is."""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import TypedDict

from _harness import ROOT, Figure, Measured, main, note, print_caveats, scratch, table
from langgraph.graph import END, START, StateGraph
from wtb import Case, TestBench, Variant, evaluator

# The browser is the one that the tests start as well.
sys.path.append(str(ROOT / "python/tests/report"))
from chromium import Browser

VARIANTS = 10
ROUNDS = 5

CAVEATS = (
    "the store is written by this package, with three nodes, two scores and values of some hundred "
    "bytes for each execution; every output differs from every other one",
    "the store's file is in the operating system's cache, as it has just been written",
    "writing: a program of its own each time, which also imports what it needs; the call alone is "
    "told beside it",
    "opening: headless Chromium, warm, from the start of the navigation until the heat map is "
    "there; its first frame is drawn a moment later, as is noted",
)

WRITE = """
import sys, time
from wtb import TestBench
with TestBench(sys.argv[1]) as bench:
    begun = time.perf_counter()
    bench.report("latest", sys.argv[2])
    print(time.perf_counter() - begun)
"""


class State(TypedDict, total=False):
    """What the nodes hand on."""

    question: str
    plan: str
    documents: list[str]
    answer: str


def plan(state: State) -> State:
    """Say what is to be done."""
    return {"plan": f"find what is known about {state['question']!r}, then answer"}


def retrieve(state: State) -> State:
    """Find some documents."""
    return {"documents": [f"{number}: {state['plan']}" for number in range(3)]}


def answering(variant: int) -> object:
    """Return a node whose answers depend on the variant."""

    def answer(state: State) -> State:
        return {"answer": f"variant {variant} on {state['question']}: {state['documents'][0]}"}

    return answer


@evaluator
def correct(output: State) -> bool:
    """Score by chance, the same each time."""
    return sum(output["answer"].encode()) % 10 < 6


@evaluator(direction="min")
def length(output: State) -> float:
    """Score by the answer's length."""
    return float(len(output["answer"]))


def measure(options: argparse.Namespace) -> Measured:
    """Make the store, then write and open reports of it."""
    print_caveats(CAVEATS)
    cases = 100 if options.quick else 1_000
    with scratch() as directory:
        store, path = directory / "store", directory / "report.html"
        _fill(store, cases)
        whole, calls = _write(store, path)
        opened = _open(path)
        size = path.stat().st_size / 1e6
    samples = {"write, whole process": whole, "write, the call": calls, "open": opened}
    rows = [
        [name, f"{statistics.median(values):.3f}", f"{min(values):.3f} - {max(values):.3f}"]
        for name, values in samples.items()
    ]
    print(table(["what", "s", "least - most"], rows))
    basis = f"{cases * VARIANTS:,} executions: {VARIANTS} variants x {cases:,} cases"
    times = {"write, the call": 3.0, "open": 2.0}
    return [
        *(
            Figure(f"report: {name}", statistics.median(samples[name]), "s", most, "at most", basis,
                   {name: samples[name]})
            for name, most in times.items()
        ),
        Figure("report: size", size, "MB", 15.0, "at most", basis),
    ]  # fmt: skip


def _fill(store: Path, cases: int) -> None:
    note(f"running {cases * VARIANTS:,} executions")
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("retrieve", retrieve)
    graph.add_node("answer", answering(0))
    for pair in ((START, "plan"), ("plan", "retrieve"), ("retrieve", "answer"), ("answer", END)):
        graph.add_edge(*pair)
    others = [Variant(f"answer={n}", nodes={"answer": answering(n)}) for n in range(1, VARIANTS)]
    with TestBench(store) as bench:
        bench.run_batch(
            graph,
            variants=[Variant("baseline"), *others],
            test_cases=[Case({"question": f"question {n}"}) for n in range(cases)],
            evaluators=[correct, length],
            checkpoints="off",
        ).raise_for_status()


def _write(store: Path, path: Path) -> tuple[list[float], list[float]]:
    whole, calls = [], []
    for number in range(ROUNDS + 1):
        note(f"writing, round {number} of {ROUNDS}" if number else "warming up")
        begun = perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", WRITE, store, path], capture_output=True, check=True, text=True
        )
        if number:
            whole.append(perf_counter() - begun)
            calls.append(float(done.stdout))
    return whole, calls


def _open(path: Path) -> list[float]:
    opened = []
    with Browser() as browser:
        for number in range(ROUNDS + 1):
            note(f"opening, round {number} of {ROUNDS}" if number else "warming up")
            page = browser.page()
            page.open(path)
            page.rest()
            drawn = page.run("() => performance.now()")
            ready = page.run("() => performance.getEntriesByName('ready')[0].startTime")
            if page.count("#cells td.cell") < VARIANTS:
                raise RuntimeError(f"there is no heat map: {page.problems()}")
            page.close()
            note(f"ready after {ready:.0f} ms, drawn before {drawn:.0f} ms")
            if number:
                opened.append(ready / 1000)
    return opened


if __name__ == "__main__":
    main(measure, __doc__)
