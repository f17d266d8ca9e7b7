"""How much disk checkpoints take beside LangGraph's SQLite saver, and what a copy costs."""

import argparse
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

from _harness import Figure, Measured, main, note, print_caveats, scratch, table
from _savers import Saver, Thread, messages, size_of, sqlite_saver, wtb_saver

COPIED = 100
COPIED_BYTES = 1_000_000

CAVEATS = (
    "all text is random, so that compression alone cannot make it much smaller",
    "sizes are those of all files after closing; no saver has been asked to tidy up",
)


def measure(options: argparse.Namespace) -> Measured:
    """Measure sizes, then a copy."""
    print_caveats(CAVEATS)
    threads = 20 if options.quick else 200
    scenarios: list[tuple[str, float, Callable[[Saver], None]]] = [
        (f"{threads} threads x 10 steps to 100 KB", 1 / 4, lambda saver: _growing(saver, threads)),
        ("100 steps x 1 KB", 1 / 6, _appending),
        ("1 MB that stays beside 1 KB that changes, 50 steps", 1 / 20, _constant),
    ]
    figures, rows = [], []
    for name, target, fill in scenarios:
        note(name)
        theirs, ours = _size(sqlite_saver, fill), _size(wtb_saver, fill)
        rows.append([name, f"{theirs / 1e6:.2f} MB", f"{ours / 1e6:.2f} MB"])
        figures.append(
            Figure(
                f"disk, {name}: wtb / SqliteSaver", ours / theirs, "x", target, "at most", "files"
            )
        )
    print(table(["state", "SqliteSaver", "wtb"], rows))
    return [*figures, *_copy(3 if options.quick else 9)]


def _size(
    make: Callable[[Path, str], AbstractContextManager[Saver]], fill: Callable[[Saver], None]
) -> int:
    with scratch() as directory:
        with ExitStack() as stack:
            fill(stack.enter_context(make(directory, "normal")))
        return size_of(directory)


def _growing(saver: Saver, threads: int) -> None:
    for number in range(threads):
        thread, state = Thread(saver, str(number)), messages(0, 0)
        for _ in range(10):
            new = messages(5, 2_000)
            state = [*state, *new]
            thread.put({"messages": state}, ["messages"])
            saver.put_writes(thread.latest, [("messages", new)], "task")


def _appending(saver: Saver) -> None:
    thread, state = Thread(saver, "t"), messages(0, 0)
    for _ in range(100):
        new = messages(1, 1_000)
        state = [*state, *new]
        thread.put({"messages": state}, ["messages"])
        saver.put_writes(thread.latest, [("messages", new)], "task")


def _constant(saver: Saver) -> None:
    thread, constant = Thread(saver, "t"), messages(500, 2_000)
    thread.put({"documents": constant, "x": ""}, ["documents", "x"])
    for step in range(50):
        thread.put({"documents": constant, "x": f"{step:04}" * 256}, ["x"])


def _copy(rounds: int) -> list[Figure]:
    with scratch() as directory, wtb_saver(directory, "normal") as saver:
        thread = Thread(saver, "source")
        for _ in range(COPIED):
            thread.put({"x": messages(1, COPIED_BYTES)}, ["x"])
        objects = _objects(directory)
        times = []
        for number in range(rounds):
            begun = time.perf_counter()
            saver.copy_thread("source", f"copy{number}")
            times.append((time.perf_counter() - begun) * 1000)
        new = _objects(directory) - objects
    what = f"copy_thread of {COPIED} checkpoints of 1 MB"
    samples = {"wtb": times}
    return [
        Figure(what, sorted(times)[rounds // 2], "ms", 20.0, "at most", "median", samples),
        Figure(f"{what}: new objects", new, "", 0.0, "at most", "after all copies"),
    ]


def _objects(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "wtb.db")) as connection:
        count: int = connection.execute("SELECT COUNT(*) FROM objects").fetchone()[0]
    return count


if __name__ == "__main__":
    main(measure, __doc__)
