"""What saving every step adds to a graph: a 3-node no-op graph with savers of several kinds."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from _graph import invocations
from _harness import Figure, Measured, main, print_caveats, ratio, samples_table, scratch
from _savers import Saver, in_turns, sqlite_saver, wtb_saver
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.memory import InMemorySaver

INVOCATIONS = 60
NOTHING, MEMORY = "a saver that does nothing", "InMemorySaver"
SQLITE, WTB = "SqliteSaver, synchronous=normal", "wtb, synchronous=normal"

CAVEATS = (
    'durability="sync": each step is saved before the next one begins; a new thread for each call',
    "the nodes do nothing: nearly all of the time is LangGraph's own",
)


class NothingSaver(BaseCheckpointSaver[int]):
    """The floor: what LangGraph itself does for a saver."""

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:  # noqa: ARG002
        """Return nothing."""
        return None

    def list(self, *_: Any, **__: Any) -> Iterator[CheckpointTuple]:
        """Yield nothing."""
        return iter(())

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,  # noqa: ARG002
        new_versions: ChannelVersions,  # noqa: ARG002
    ) -> RunnableConfig:
        """Put nothing."""
        configurable = {**config["configurable"], "checkpoint_id": checkpoint["id"]}
        return {"configurable": configurable}

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Put nothing."""


def measure(options: argparse.Namespace) -> Measured:
    """Measure all savers in turns."""
    print_caveats(CAVEATS)
    with ExitStack() as stack:
        savers: dict[str, Saver] = {
            NOTHING: NothingSaver(),
            MEMORY: InMemorySaver(),
            SQLITE: stack.enter_context(sqlite_saver(stack.enter_context(scratch()), "normal")),
            WTB: stack.enter_context(wtb_saver(stack.enter_context(scratch()), "normal")),
        }
        works = {name: invocations(saver, INVOCATIONS) for name, saver in savers.items()}
        samples = in_turns(3 if options.quick else 9, works)
    print(samples_table(samples, {}))
    basis = "time per invoke"
    floor, rival = ratio(samples[WTB], samples[NOTHING]), ratio(samples[WTB], samples[SQLITE])
    memory = ratio(samples[WTB], samples[MEMORY])
    return [
        Figure(f"graph with {WTB} / with {NOTHING}", floor, "x", 1.15, "at most", basis, samples),
        Figure(f"graph with {WTB} / with {SQLITE}", rival, "x", 0.75, "at most", basis),
        Figure(f"graph with {WTB} / with {MEMORY}", memory, "x", None, "at most", basis),
    ]


if __name__ == "__main__":
    main(measure, __doc__)
