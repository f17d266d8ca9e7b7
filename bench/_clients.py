"""Clients that put checkpoints at the same time: threads of this process, or processes."""

import multiprocessing
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Protocol

from _harness import ContenderError
from _postgres import savers
from _savers import Saver, Thread
from langchain_core.runnables import RunnableConfig

SMALL = "abcd" * 256
"""A state of 1 KB."""


class Client:
    """A client with one thread of checkpoints for each round, as a graph would put them.

    Args:
        saver: What it puts them with.
        writes: Whether each put comes after the writes of the task that led to it.
    """

    def __init__(self, saver: Saver, *, writes: bool) -> None:
        self._saver = saver
        self._writes = writes
        self._steps = 0
        self._thread = Thread(saver, "")

    def prepare(self, steps: int) -> Sequence[Callable[[], None]]:
        """Return the calls of a round: one for each step of a graph."""
        self._steps = steps
        self._thread = thread = Thread(self._saver, str(uuid.uuid4()))
        # A thread begins with its input, before which no task has run.
        thread.put({"x": SMALL}, ["x"])
        return [self._step(thread, number) for number in range(1, steps + 1)]

    def newest(self) -> RunnableConfig:
        """Return what names the round's thread, and so its newest checkpoint."""
        names = dict(self._thread.latest["configurable"])
        del names["checkpoint_id"]
        return {"configurable": names}

    def _step(self, thread: Thread, number: int) -> Callable[[], None]:
        value = f"{SMALL}{number}"
        put = thread.prepare({"x": value}, ["x"])
        task = str(uuid.uuid4())

        def step() -> None:
            if self._writes:
                self._saver.put_writes(thread.latest, [("x", value)], task)
            put()

        return step

    def prove(self) -> None:
        """Read the round back.

        Raises:
            ContenderError: Something that was put is not there.
        """
        found = list(self._saver.list(self.newest()))
        values = [one.checkpoint["channel_values"]["x"] for one in found]
        expected = [f"{SMALL}{number}" for number in range(self._steps, 0, -1)] + [SMALL]
        written = [[write[2] for write in one.pending_writes or ()] for one in found]
        led_to = [[], *([value] for value in expected[:-1])] if self._writes else [[]] * len(found)
        if values != expected or written != led_to:
            raise ContenderError(f"{type(self._saver).__name__} has not kept what was put")


class Clients(Protocol):
    """Clients that work at the same time."""

    def prepare(self) -> Sequence[Callable[[], object]]:
        """Prepare a round; return one call, after which all of it is done."""
        ...

    def prove(self) -> None:
        """Read the round back, and raise if something is missing."""
        ...


class Threads:
    """Clients that are threads of this process."""

    def __init__(self, pool: ThreadPoolExecutor, clients: Sequence[Client], steps: int) -> None:
        self._pool = pool
        self._clients = clients
        self._steps = steps

    def prepare(self) -> Sequence[Callable[[], object]]:
        """Prepare a round; return one call, after which all of it is done."""
        rounds = [client.prepare(self._steps) for client in self._clients]
        return [lambda: list(self._pool.map(_run, rounds))]

    def prove(self) -> None:
        """Read the round back, and raise if something is missing."""
        for client in self._clients:
            client.prove()


class Processes:
    """Clients that are processes, told over pipes what to do."""

    def __init__(self, pipes: Sequence["Connection[str, str]"], steps: int) -> None:
        self._pipes = pipes
        self._steps = steps

    def prepare(self) -> Sequence[Callable[[], object]]:
        """Prepare a round; return one call, after which all of it is done."""
        self._all(f"prepare {self._steps}")
        return [lambda: self._all("run")]

    def prove(self) -> None:
        """Read the round back, and raise if something is missing."""
        self._all("prove")

    def _all(self, order: str) -> None:
        for pipe in self._pipes:
            pipe.send(order)
        answers = [pipe.recv() for pipe in self._pipes]
        if wrong := [answer for answer in answers if answer]:
            raise ContenderError(wrong[0])


@contextmanager
def threads(kind: str, address: str, *, count: int, steps: int, writes: bool) -> Iterator[Threads]:
    """Give clients that are threads."""
    with savers(kind, address, count) as theirs, ThreadPoolExecutor(count) as pool:
        yield Threads(pool, [Client(saver, writes=writes) for saver in theirs], steps)


@contextmanager
def processes(
    kind: str, address: str, *, count: int, steps: int, writes: bool
) -> Iterator[Processes]:
    """Give clients that are processes, each with a saver of its own."""
    # Neither a store nor a connection survives a fork.
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pipes: list[Connection[str, str]] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, kind, address, writes))
            process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(ours.close)
            pipes.append(ours)
            # One after the other: the first one makes the tables.
            ours.recv()
        yield Processes(pipes, steps)


def _serve(pipe: "Connection[str, str]", kind: str, address: str, writes: bool) -> None:
    with savers(kind, address, 1) as (saver,):
        client = Client(saver, writes=writes)
        calls: Sequence[Callable[[], None]] = ()
        pipe.send("")
        while True:
            try:
                order, _, steps = pipe.recv().partition(" ")
            except EOFError:
                return
            answer = ""
            try:
                if order == "prepare":
                    calls = client.prepare(int(steps))
                elif order == "run":
                    _run(calls)
                else:
                    client.prove()
            except Exception as error:
                answer = f"a process with {kind}: {error!r}"
            pipe.send(answer)


def _run(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()
