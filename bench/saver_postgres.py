"""How fast checkpoints are put and read on PostgreSQL, beside LangGraph's PostgresSaver."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Protocol

from _clients import Client, Clients, processes, threads
from _graph import invocations
from _harness import Figure, Measured, main, print_caveats, ratio, samples_table
from _postgres import RIVAL, WTB, databases, savers
from _savers import Saver, in_turns

CALLS = 200
CLIENTS = 8
STEPS = 50
INVOCATIONS = 40
ALONE, TOGETHER = 2.0, 2.5

CAVEATS = (
    "one server with its default settings that this program starts; each saver has a database of "
    "its own in it. With synchronous_commit=on a commit waits for the disk: as long for one saver "
    "as for the other, so that the number of commits decides. With off only the work counts",
    "a step is put_writes of one task and the put of the next checkpoint, as a graph calls them "
    "from one step to the next; states are texts of 1 KB",
    "put_writes of wtb returns when the writes are queued (durable with the next put, or 10 ms "
    "later); that of PostgresSaver when they are committed",
    "PostgresSaver has one connection in pipeline mode, or, with 8 threads, a saver for each of "
    "them over a pool of 8: one saver makes its calls one after the other whatever its pool",
    "clients, server and this program share the machine's cores: with 8 processes on few cores "
    "little but the work of all of them together is measured, so that they inform only",
)

Calls = Sequence[Callable[[], object]]


class Opens(Protocol):
    """Begins clients of a kind."""

    def __call__(
        self, kind: str, address: str, *, count: int, steps: int, writes: bool
    ) -> AbstractContextManager[Clients]:
        """Give the clients, and end them afterwards."""
        ...


TOGETHER_AS: Mapping[str, tuple[Opens, float | None]] = {
    "threads": (threads, TOGETHER),
    "processes": (processes, None),
}


def measure(options: argparse.Namespace) -> Measured:
    """Measure one client, then several at once, with and without waiting for the disk."""
    print_caveats(CAVEATS)
    rounds = 3 if options.quick else 7
    figures: list[Figure] = []
    for synchronous in ("on", "off"):
        with databases(synchronous, RIVAL, WTB) as addresses:
            setting = f"synchronous_commit={synchronous}"
            figures += _one_client(rounds, addresses, setting)
            figures += _many_clients(rounds, addresses, setting)
    return figures


def _one_client(rounds: int, addresses: Mapping[str, str], setting: str) -> list[Figure]:
    figures = []
    with ExitStack() as stack:
        found: dict[str, Saver] = {}
        for kind, address in addresses.items():
            (found[kind],) = stack.enter_context(savers(kind, address, 1))
        for writes in (False, True):
            clients = {kind: Client(saver, writes=writes) for kind, saver in found.items()}
            samples = in_turns(
                rounds,
                {kind: partial(one.prepare, CALLS) for kind, one in clients.items()},
                {kind: one.prove for kind, one in clients.items()},
            )
            figures.append(_figure(f"{_name(writes)}, {setting}", ALONE, samples))
        works = {kind: invocations(saver, INVOCATIONS) for kind, saver in found.items()}
        graph = f'a 3-node graph, durability="sync", {setting}'
        figures.append(_figure(graph, None, in_turns(rounds, works)))
        if setting.endswith("off"):
            # What a commit waits for makes no difference to reading.
            for operation in ("get_tuple", "list(limit=1)"):
                works = {kind: _reading(saver, operation) for kind, saver in found.items()}
                figures.append(_figure(operation, None, in_turns(rounds, works)))
    return figures


def _many_clients(rounds: int, addresses: Mapping[str, str], setting: str) -> list[Figure]:
    figures = []
    for writes in (False, True):
        for what, (opened, target) in TOGETHER_AS.items():
            with ExitStack() as stack:
                groups = {
                    kind: stack.enter_context(
                        opened(kind, address, count=CLIENTS, steps=STEPS, writes=writes)
                    )
                    for kind, address in addresses.items()
                }
                bursts = in_turns(
                    rounds,
                    {kind: group.prepare for kind, group in groups.items()},
                    {kind: group.prove for kind, group in groups.items()},
                )
            samples = {
                kind: [burst / (CLIENTS * STEPS) for burst in times]
                for kind, times in bursts.items()
            }
            name = f"{_name(writes)}, {CLIENTS} {what}, {setting}"
            figures.append(_figure(name, target, samples))
    return figures


def _name(writes: bool) -> str:
    return "put_writes and put of 1 KB" if writes else "put of 1 KB"


def _reading(saver: Saver, operation: str) -> Callable[[], Calls]:
    def prepare() -> Calls:
        client = Client(saver, writes=True)
        for call in client.prepare(10):
            call()
        newest = client.newest()
        if operation == "get_tuple":
            return [lambda: saver.get_tuple(newest)] * CALLS
        return [lambda: list(saver.list(newest, limit=1))] * CALLS

    return prepare


def _figure(name: str, target: float | None, samples: Mapping[str, Sequence[float]]) -> Figure:
    print(f"\n{name}\n{samples_table(samples, {})}", flush=True)
    return Figure(
        name=f"{name}: {RIVAL} / {WTB}",
        value=ratio(samples[RIVAL], samples[WTB]),
        unit="x",
        target=target,
        better="at least",
        basis="time per call; with several clients, by the clock of all of them",
        samples=samples,
    )


if __name__ == "__main__":
    main(measure, __doc__)
