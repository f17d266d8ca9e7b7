"""How fast checkpoints are put and read, beside LangGraph's saver and the serializer alone."""

import argparse
import itertools
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from _harness import Figure, Measured, main, print_caveats, ratio, samples_table, scratch
from _savers import (
    SYNCHRONOUS,
    Saver,
    Thread,
    in_turns,
    messages,
    name_of,
    sqlite_saver,
    wtb_saver,
)

SMALL = "abcd" * 256
CALLS = 200
WARM_PUTS = 2_000
ROW_BYTES = 1_500
MESSAGE_BYTES = 2_000
OPERATIONS = {"put": 2.0, "put_writes": 2.0, "get_tuple": 1.5, "list(limit=1)": 2.0}

CAVEATS = (
    "each saver on a file of its own, with SQLite's write-ahead log; a call is timed alone, by one "
    "thread, and the figure is the median call of a round",
    "put_writes of wtb returns when the writes are queued (durable with the next put, or 10 ms "
    "later); that of LangGraph's saver when they are committed",
    "large states are lists of message objects with random text",
    f"before small states are timed, {WARM_PUTS:,} of them are put: then the write-ahead log of "
    "each saver is used again instead of growing, which is what it does most of the time",
)

Calls = Sequence[Callable[[], object]]


def measure(options: argparse.Namespace) -> Measured:
    """Measure small states at both levels of durability, then large ones."""
    print_caveats(CAVEATS)
    rounds = 3 if options.quick else 7
    figures: list[Figure] = []
    for synchronous in SYNCHRONOUS:
        figures += _small(rounds, synchronous)
    for total in (100_000, 1_000_000):
        figures += _large(rounds, total)
    return figures


def _small(rounds: int, synchronous: str) -> list[Figure]:
    ours, theirs = name_of("wtb", synchronous), name_of("SqliteSaver", synchronous)
    figures = []
    with ExitStack() as stack:
        savers: dict[str, Saver] = {
            theirs: stack.enter_context(sqlite_saver(stack.enter_context(scratch()), synchronous)),
            ours: stack.enter_context(wtb_saver(stack.enter_context(scratch()), synchronous)),
        }
        for saver in savers.values():
            thread = Thread(saver, str(uuid.uuid4()))
            for number in range(WARM_PUTS):
                thread.put({"x": f"{SMALL}{number}"}, ["x"])
        alone = name_of("a row of SQLite with its index, alone", synchronous)
        rows = _rows(stack, stack.enter_context(scratch()), synchronous)
        for operation, target in OPERATIONS.items():
            works = {name: _small_calls(saver, operation) for name, saver in savers.items()}
            if operation == "put":
                works[alone] = rows
            samples = in_turns(rounds, works)
            print(samples_table(samples, {}))
            figures.append(
                Figure(
                    name=f"{operation} of 1 KB: {theirs} / {ours}",
                    value=ratio(samples[theirs], samples[ours]),
                    unit="x",
                    target=target,
                    better="at least",
                    basis="time per call",
                    samples=samples,
                )
            )
            if operation == "put":
                bound = ratio(samples[theirs], samples[alone])
                name = f"put of 1 KB: {theirs} / {alone}"
                figures.append(Figure(name, bound, "x", None, "at least", "time per call"))
    return figures


def _rows(stack: ExitStack, directory: Path, synchronous: str) -> Callable[[], Calls]:
    """Return what commits rows as large as a small checkpoint: what no saver can do without."""
    connection = sqlite3.connect(directory / "rows.db")
    stack.callback(connection.close)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("CREATE TABLE rows (key INTEGER PRIMARY KEY, id TEXT UNIQUE, data BLOB)")
    data, numbers = bytes(ROW_BYTES), itertools.count()

    def insert() -> None:
        row = (f"{next(numbers):036}", data)
        connection.execute("INSERT INTO rows (id, data) VALUES (?, ?)", row)
        connection.commit()

    for _ in range(WARM_PUTS):
        insert()
    return lambda: [insert] * CALLS


def _small_calls(saver: Saver, operation: str) -> Callable[[], Calls]:
    def prepare() -> Calls:
        thread = Thread(saver, str(uuid.uuid4()))
        puts = [thread.prepare({"x": f"{SMALL}{i}"}, ["x"]) for i in range(CALLS)]
        if operation == "put":
            return puts
        for put in puts[:10]:
            put()
            saver.put_writes(thread.latest, [("x", SMALL)], str(uuid.uuid4()))
        latest = thread.latest
        newest = {"configurable": {**latest["configurable"]}}
        del newest["configurable"]["checkpoint_id"]
        tasks = [str(uuid.uuid4()) for _ in range(CALLS)]
        return {
            "put_writes": [
                lambda task=task: saver.put_writes(latest, [("x", SMALL)], task) for task in tasks
            ],
            "get_tuple": [lambda: saver.get_tuple(newest)] * CALLS,
            "list(limit=1)": [lambda: list(saver.list(newest, limit=1))] * CALLS,
        }[operation]

    return prepare


def _large(rounds: int, total: int) -> list[Figure]:
    count = total // MESSAGE_BYTES
    with ExitStack() as stack:
        directory = stack.enter_context(scratch())
        saver = stack.enter_context(wtb_saver(directory, "normal"))
        dump, load = saver.serde.dumps_typed, saver.serde.loads_typed
        raw = _raw_table(stack, directory)
        steps = 10
        base = messages(count, MESSAGE_BYTES)
        growing = [[*base, *messages(step, MESSAGE_BYTES)] for step in range(1, steps + 1)]
        fresh = [messages(count, MESSAGE_BYTES) for _ in range(steps)]
        dumped = [dump(state) for state in fresh]

        def puts(states: Sequence[object]) -> Callable[[], Calls]:
            def prepare() -> Calls:
                thread = Thread(saver, str(uuid.uuid4()))
                thread.put({"x": base}, ["x"])
                return [thread.prepare({"x": state}, ["x"]) for state in states]

            return prepare

        def reads() -> Calls:
            thread = Thread(saver, str(uuid.uuid4()))
            thread.put({"x": base}, ["x"])
            return [lambda: saver.get_tuple(thread.latest)] * steps

        samples = in_turns(
            rounds,
            {
                "dumps_typed, growing": lambda: [lambda s=s: dump(s) for s in growing],
                "put, growing": puts(growing),
                "dumps_typed, new": lambda: [lambda s=s: dump(s) for s in fresh],
                "raw insert": lambda: [lambda d=d: raw(d[1]) for d in dumped],
                "put, new": puts(fresh),
                "loads_typed": lambda: [lambda: load(dump(base))] * steps,
                "dumps_typed before it": lambda: [lambda: dump(base)] * steps,
                "get_tuple": reads,
            },
        )
    print(samples_table(samples, {}))
    size = f"{total // 1000} KB of messages"
    alone = [a + b for a, b in zip(samples["dumps_typed, new"], samples["raw insert"], strict=True)]
    loading = [
        both - dumping
        for both, dumping in zip(
            samples["loads_typed"], samples["dumps_typed before it"], strict=True
        )
    ]
    grown = ratio(samples["put, growing"], samples["dumps_typed, growing"])
    new = ratio(samples["put, new"], alone)
    read = ratio(samples["get_tuple"], loading)
    basis = "time per call"
    return [
        Figure(
            f"put of {size}, one more / dumps_typed", grown, "x", 1.5, "at most", basis, samples
        ),
        Figure(f"put of {size}, all new / (dumps_typed + insert)", new, "x", 1.3, "at most", basis),
        Figure(f"get_tuple of {size} / loads_typed", read, "x", 1.2, "at most", basis),
    ]


def _raw_table(stack: ExitStack, directory: Path) -> Callable[[bytes], None]:
    connection = sqlite3.connect(directory / "raw.db")
    stack.callback(connection.close)
    connection.execute("PRAGMA journal_mode=wal")
    connection.execute("PRAGMA synchronous=normal")
    connection.execute("CREATE TABLE raw (key INTEGER PRIMARY KEY, data BLOB)")

    def insert(data: bytes) -> None:
        connection.execute("INSERT INTO raw (data) VALUES (?)", (data,))
        connection.commit()

    return insert


if __name__ == "__main__":
    main(measure, __doc__)
