"""`WtbSaver`: LangGraph checkpoints in a store of ours, for any LangGraph program.

The store knows checkpoints by their names and values by their content; what the values mean is left
to the serializer. LangGraph's contract is `BaseCheckpointSaver`; what it leaves open is said here.
"""

import asyncio
import builtins
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from wtb import _plan
from wtb._native import CheckpointsRef
from wtb.errors import ConfigurationError
from wtb.langgraph.executor import Executor
from wtb.langgraph.metadata import metadata_text

if TYPE_CHECKING:
    from wtb._native import CheckpointRow

__all__ = ["WtbSaver"]

PAGE_SIZE = 32
"""Checkpoints that `list` reads at once; nothing is locked between pages."""


class WtbSaver(BaseCheckpointSaver[str]):
    """A LangGraph checkpointer over a store.

    It may be shared by threads, event loops and (as several savers) by processes on one store. A
    `put` returns when the checkpoint is durable as far as the store's `synchronous` setting says;
    `put_writes` returns before, and is durable with whatever is put next, or 10 ms later. Reading
    sees both.

    `list(filter=...)` has the meaning of Python's `metadata.get(key) == value`, on every store.

    Args:
        store: A directory (its `wtb.db` is the store), a file, or a URL.
        serde: How values are serialised. By default strict: only types that LangGraph holds for
            safe are rebuilt, others come back as their plain parts.
        allowed_types: Further types to rebuild, with the default serializer: classes, or
            `("module", "name")`.

    Raises:
        StoreError: The store cannot be opened.

    Example:
        >>> with WtbSaver.from_conn_string("sqlite:///chats.db") as saver:     # doctest: +SKIP
        ...     graph = builder.compile(checkpointer=saver)
        ...     graph.invoke(state, {"configurable": {"thread_id": "1"}})
    """

    def __init__(
        self,
        store: str | Path | None = None,
        *,
        serde: SerializerProtocol | None = None,
        allowed_types: Sequence[type | tuple[str, ...]] = (),
    ) -> None:
        self._begin(CheckpointsRef.open(_plan.store_url(store)), serde, allowed_types)

    @classmethod
    def of(
        cls,
        checkpoints: CheckpointsRef,
        *,
        serde: SerializerProtocol | None = None,
        allowed_types: Sequence[type | tuple[str, ...]] = (),
    ) -> Self:
        """Return a saver over a store that is open already."""
        saver = cls.__new__(cls)
        saver._begin(checkpoints, serde, allowed_types)
        return saver

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str,
        *,
        serde: SerializerProtocol | None = None,
        allowed_types: Sequence[type | tuple[str, ...]] = (),
    ) -> Self:
        """Open a saver by the address of its store, for example `sqlite:///chats.db`."""
        return cls(conn_string, serde=serde, allowed_types=allowed_types)

    def _begin(
        self,
        checkpoints: CheckpointsRef,
        serde: SerializerProtocol | None,
        allowed_types: Sequence[type | tuple[str, ...]],
    ) -> None:
        if serde is None:
            strict = JsonPlusSerializer(allowed_msgpack_modules=None)
            serde = strict.with_msgpack_allowlist(allowed_types) if allowed_types else strict
        elif allowed_types:
            raise ConfigurationError("allowed_types belong to the default serializer: pass either")
        super().__init__(serde=serde)
        # Shared with the shallow copies that LangGraph makes of savers.
        self._checkpoints = checkpoints
        self._executor = Executor()

    def close(self) -> None:
        """Close the store: later writes are refused."""
        self._executor.close()
        self._checkpoints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        return f"WtbSaver({self._checkpoints.url!r})"

    def get_next_version(self, current: str | int | float | None, channel: None) -> str:  # noqa: ARG002
        """Return a version that follows `current` and that no other branch ever gets.

        Its second half is this process's own, from the system's entropy, and counts on: a program
        that seeds `random` changes nothing.
        """
        whole = current.partition(".")[0] if isinstance(current, str) else current or 0
        number = int(whole)
        return f"{number + 1:010}.{_process.entropy}{next(_process.counter):x}"

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; channels that are not in `new_versions` take the parent's value."""
        configurable = config["configurable"]
        thread, namespace = str(configurable["thread_id"]), configurable.get("checkpoint_ns", "")
        full = get_checkpoint_metadata(config, metadata)
        parent = _checkpoint_id(config)
        body: dict[str, Any] = {**checkpoint}
        values = body.pop("channel_values")
        arguments = (
            thread,
            namespace,
            checkpoint["id"],
            parent,
            _text_or_none(full.get("run_id")),
            metadata_text(full),
            self.serde.dumps_typed(body),
        )
        new = values if parent is None else new_versions
        while missing := self._checkpoints.put(*arguments, self._channels(checkpoint, new)):
            # Again when the parent was pruned in the meantime.
            new = {**new, **dict.fromkeys(missing)}
        return {
            "configurable": {
                "thread_id": thread,
                "checkpoint_ns": namespace,
                "checkpoint_id": checkpoint["id"],
            }
        }

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote; of writes in one place the first stays, but for special ones."""
        thread, namespace, checkpoint = _name(config)
        dump = self.serde.dumps_typed
        self._checkpoints.put_writes(
            thread,
            namespace,
            checkpoint or "",
            task_id,
            task_path,
            [
                (WRITES_IDX_MAP.get(channel, index), channel, dump(value))
                for index, (channel, value) in enumerate(writes)
            ],
            all(channel in WRITES_IDX_MAP for channel, _ in writes),
        )

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that the config names, or the thread's one with the greatest id."""
        found = self._checkpoints.get(*_name(config))
        return None if found is None else self._tuple(found)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield checkpoints by descending id, read in pages."""
        page = self._pages(config, filter, before)
        after, left = None, limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
            rows = page(after, size)
            for row in rows:
                yield self._tuple(row)
            if len(rows) < size:
                return
            after = (rows[-1][2], rows[-1][4])
            left = None if left is None else left - size

    def delete_thread(self, thread_id: str) -> None:
        """Delete everything of a thread; unknown ones are none."""
        self._checkpoints.delete_thread(str(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete all checkpoints that runs made, with their writes."""
        self._checkpoints.delete_runs([str(run) for run in run_ids])

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything of a thread to another; values are shared, not copied."""
        self._checkpoints.copy_thread(str(source_thread_id), str(target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only the newest checkpoint of each namespace ("keep_latest"), or nothing ("delete").

        What delta channels are rebuilt from is kept with the newest checkpoint.

        Raises:
            ConfigurationError: There is no such strategy.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ConfigurationError(
                f'strategy is "keep_latest" or "delete", not {strategy!r}; nothing was pruned'
            )
        threads = [str(thread) for thread in thread_ids]
        self._checkpoints.prune(threads, strategy == "keep_latest")

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what the ancestors of a checkpoint wrote to channels, with the values before."""
        if not channels:
            return {}
        channels = [*dict.fromkeys(channels)]
        found = self._checkpoints.channel_history(*_name(config), channels)
        histories: dict[str, DeltaChannelHistory] = {}
        for channel, (seed, writes) in zip(channels, found, strict=True):
            history: DeltaChannelHistory = {"writes": self._writes(writes)}
            if seed is not None:
                history["seed"] = self.serde.loads_typed(seed)
            histories[channel] = history
        return histories

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; see `put`."""
        return await self._executor.run(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote; see `put_writes`."""
        await self._executor.run(self.put_writes, config, writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint; see `get_tuple`."""
        return await self._executor.run(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints; see `list`."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (one := await self._executor.run(next, found, None)) is not None:
            yield one

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread; see `delete_thread`."""
        await self._executor.run(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete what runs made; see `delete_for_runs`."""
        await self._executor.run(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread; see `copy_thread`."""
        await self._executor.run(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Prune threads; see `prune`."""
        await self._executor.run(lambda: self.prune(thread_ids, strategy=strategy))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return the histories of channels; see `get_delta_channel_history`."""
        return await self._executor.run(
            lambda: self.get_delta_channel_history(config=config, channels=channels)
        )

    def _channels(
        self, checkpoint: Checkpoint, new: Mapping[str, Any]
    ) -> Sequence[tuple[str, str, tuple[str, bytes] | None]]:
        versions = checkpoint["channel_versions"]
        dump = self.serde.dumps_typed
        return [
            (name, str(versions.get(name, "")), dump(value) if name in new else None)
            for name, value in checkpoint["channel_values"].items()
        ]

    def _pages(
        self,
        config: RunnableConfig | None,
        filter: dict[str, Any] | None,  # noqa: A002
        before: RunnableConfig | None,
    ) -> "Callable[[tuple[str, int] | None, int], Sequence[CheckpointRow]]":
        configurable = {} if config is None else config["configurable"]
        thread = configurable.get("thread_id")
        wanted = None if not filter else metadata_text(filter)

        def page(after: tuple[str, int] | None, size: int) -> "Sequence[CheckpointRow]":
            return self._checkpoints.list(
                None if thread is None else str(thread),
                configurable.get("checkpoint_ns"),
                None if config is None else _checkpoint_id(config),
                None if before is None else _checkpoint_id(before),
                wanted,
                after,
                size,
            )

        return page

    def _tuple(self, row: "CheckpointRow") -> CheckpointTuple:
        thread, namespace, checkpoint_id, parent, _, metadata, body, channels, writes = row
        load = self.serde.loads_typed
        checkpoint: Checkpoint = load(body)
        checkpoint["channel_values"] = {name: load((kind, data)) for name, kind, data in channels}
        return CheckpointTuple(
            _config(thread, namespace, checkpoint_id),
            checkpoint,
            cast("CheckpointMetadata", metadata),
            None if parent is None else _config(thread, namespace, parent),
            self._writes(writes) if writes else [],
        )

    def _writes(
        self, writes: "Sequence[tuple[str, str, str, bytes]]"
    ) -> "builtins.list[tuple[str, str, Any]]":
        load = self.serde.loads_typed
        return [(task, channel, load((kind, data))) for task, channel, kind, data in writes]


class _Process:
    """What makes versions of this process unlike those of any other."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew, as a forked child has to."""
        self.entropy = os.urandom(8).hex()
        self.counter = itertools.count()


_process = _Process()
os.register_at_fork(after_in_child=_process.renew)


def _name(config: RunnableConfig) -> tuple[str, str, str | None]:
    configurable = config["configurable"]
    thread, namespace = str(configurable["thread_id"]), configurable.get("checkpoint_ns", "")
    return thread, namespace, _checkpoint_id(config)


def _checkpoint_id(config: RunnableConfig) -> str | None:
    return get_checkpoint_id(config) or None


def _config(thread: str, namespace: str, checkpoint: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint,
        }
    }


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
