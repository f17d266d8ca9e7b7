"""The part of a bench that goes back and goes on: checkpoints, rollback, fork, resume."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from wtb import _files
from wtb._arguments import Again
from wtb._difference import difference
from wtb._fork import Changed, fork
from wtb._place import Named, find_place, lineages_of
from wtb._reader import BenchReader
from wtb._restore_single import known_of
from wtb._resume import Given, concluded, going_on
from wtb._update import state_at
from wtb.checkpoint import Checkpoint, read_checkpoints
from wtb.diff import ExecutionDiff
from wtb.errors import WtbError
from wtb.execution import Execution
from wtb.files import FileEntry, FilesDiff, diff_files, read_files
from wtb.variants import VariantLike

__all__ = ["BenchLineages"]


class BenchLineages(BenchReader):
    """What a bench does with the histories of executions."""

    def checkpoints(self, execution: Execution | str) -> Sequence[Checkpoint]:
        """Return the checkpoints of the lineage that an execution stands in, oldest first.

        Those of its subgraphs are among them, with their `path`.
        """
        found = self._current(execution)
        for _, thread in lineages_of(found):
            return read_checkpoints(self._core.checkpoints, thread, partial(self._rebuilt, found))
        return []

    def rollback(
        self,
        execution: Execution | str,
        *,
        at: Checkpoint | str | None = None,
        before: str | None = None,
        after: str | None = None,
        occurrence: int = -1,
    ) -> Execution:
        """Put an execution back to a checkpoint; it is paused there, and `resume` goes on.

        What came after stays in the store: an execution can be put back to it in the same way. A
        cell of a batch goes on beside the result that its batch keeps. A checkpoint in a subgraph
        stands for the one from which the whole subgraph runs again.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            at: A checkpoint, its id, or a unique prefix of it, of any of the execution's lineages.
            before: A node: the checkpoint from which it ran.
            after: A node: the checkpoint that it led to.
            occurrence: Which of several such checkpoints: 0 for the first, -1 for the latest.

        Raises:
            CheckpointNotFoundError: There is no such checkpoint; the text names what there is.
            ConfigurationError: More or less than one place is named.
            InvalidTransitionError: The execution is under way.
        """
        found = self._current(execution)
        place = find_place(self._core.checkpoints, found, Named(at, before, after, occurrence))
        self._core.lineages.rollback(found.key, place.lineage, place.checkpoint.id)
        return self._core.execution(found.id)

    def fork(
        self,
        execution: Execution | str,
        *,
        at: Checkpoint | str | None = None,
        before: str | None = None,
        after: str | None = None,
        occurrence: int = -1,
        update: Any = None,
        as_node: str | None = None,
        variant: VariantLike | None = None,
        workflow: object = None,
    ) -> Execution:
        """Make a new execution whose history begins where another one stands or stood.

        Its source stays as it is. It is paused, and `resume` runs it; one that stands where its
        source asks a question asks it, too. It has its source's case, and is scored as that is. It
        has no breakpoints.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            at: See `rollback`; where no place is named, the fork begins where its source stands.
            before: See `rollback`.
            after: See `rollback`.
            occurrence: See `rollback`.
            update: What a node could return: it is applied to the state there, with the reducers.
            as_node: The node that is to have returned it; by default the one that ran last.
            variant: What to substitute, laid over what its source substitutes.
            workflow: The workflow again, where the store has no reference to it, or another one.

        Raises:
            CheckpointNotFoundError: There is no such checkpoint.
            ConfigurationError: The update or the variant cannot be applied; nothing was made.
            WorkflowNotBoundError: The workflow cannot be found again.
        """
        found = self._current(execution)
        named = Named(at, before, after, occurrence)
        changed = Changed(update, as_node, variant, workflow)
        return self._core.execution(fork(self._core, found, named, changed))

    def resume(
        self,
        execution: Execution | str,
        *,
        update: Any = None,
        as_node: str | None = None,
        answer: Any = None,
        workflow: object = None,
    ) -> Execution:
        """Go on with an execution from where it stands, and return it when it has ended again.

        It is one that is paused, awaits an answer, failed, timed out, or was cancelled. It runs in
        a process if it ran in one before, and else on the calling thread. A cell of a batch goes on
        beside the result that its batch keeps, and is scored as that is.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            update: What a node could return: it is applied to the state first, with the reducers.
            as_node: The node that is to have returned it; by default the one that ran last.
            answer: The answer to the question that the execution asks; to several, a mapping from
                their ids.
            workflow: The workflow again, where the store has no reference to it.

        Raises:
            InvalidTransitionError: It has succeeded, is under way, or asks nothing that could be
                answered.
            ConfigurationError: The update cannot be applied; nothing has been run.
            WorkflowNotBoundError: The workflow cannot be found again.
        """
        given = Given(update, as_node, answer, workflow)
        going = going_on(self._core, self._current(execution), given)
        going.drive.run()
        return concluded(self._core, going.execution, going.known)

    async def aresume(
        self,
        execution: Execution | str,
        *,
        update: Any = None,
        as_node: str | None = None,
        answer: Any = None,
        workflow: object = None,
    ) -> Execution:
        """Go on with an execution on the caller's event loop; see `resume`.

        One that ran in a process does so again, beside the loop.

        Raises:
            asyncio.CancelledError: The caller's task was cancelled, and the execution with it.
        """
        given = Given(update, as_node, answer, workflow)
        found = await asyncio.to_thread(self._current, execution)
        begun = asyncio.ensure_future(
            asyncio.to_thread(going_on, self._core, found, given, on_loop=True)
        )
        try:
            going = await asyncio.shield(begun)
        except asyncio.CancelledError:
            # What is taken up by then is not to stay without anybody who drives it.
            with suppress(WtbError):
                (await begun).drive.close()
            raise
        await going.run_on_loop()
        return await asyncio.to_thread(concluded, self._core, going.execution, going.known)

    def files(
        self, execution: Execution | str, *, at: Checkpoint | str | None = None
    ) -> Sequence[FileEntry]:
        """Return the files of an execution, in the order of their paths.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            at: A checkpoint, as `rollback` takes it, or "start" for what its first attempt found;
                by default what it has left, or where it stands.

        Raises:
            NotFoundError: It has no files there.
        """
        snapshot = _files.snapshot_at(self._core, self._current(execution), at)
        return read_files(_files.snapshots(self._core), snapshot)

    def changed_files(
        self,
        execution: Execution | str,
        *,
        since: Checkpoint | str = _files.START,
        until: Checkpoint | str | None = None,
    ) -> FilesDiff:
        """Compare the files of an execution at two places of its history.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            since: The place before, as `files` takes it; by default what its first attempt found.
            until: The place after; by default what it has left, or where it stands.

        Raises:
            NotFoundError: It has no files there.
        """
        found = self._current(execution)
        before, after = (_files.snapshot_at(self._core, found, at) for at in (since, until))
        return diff_files(_files.snapshots(self._core), before, after)

    def restore(
        self,
        execution: Execution | str,
        directory: str | Path,
        *,
        at: Checkpoint | str | None = None,
        force: bool = False,
    ) -> Path:
        """Write the files of an execution into a directory, and return its absolute path.

        The directory becomes what the files were: it is prepared beside its place and switched in
        at once, so that it is never half of both.

        Args:
            execution: The execution, its id, a unique prefix of it, or "latest".
            directory: A new directory, or an empty one.
            at: See `files`.
            force: Whether a directory that is not empty is replaced.

        Raises:
            NotFoundError: It has no files there.
            ConfigurationError: The directory is not empty.
        """
        snapshot = _files.snapshot_at(self._core, self._current(execution), at)
        return _files.restore(self._core, snapshot, directory, force)

    def diff(self, a: Execution | str, b: Execution | str) -> ExecutionDiff:
        """Compare two executions: the first node that differs, the state, the scores, the files.

        Nodes are compared in the order in which they ran, by what they were given and returned.
        What two executions share because one was forked from the other is passed over. The state of
        one that has not succeeded is that of the checkpoint at which it stands.

        Args:
            a: An execution, its id, a unique prefix of it, or "latest".
            b: The other one.

        Raises:
            NotFoundError: There is no such execution.
        """
        one, other = self._current(a), self._current(b)
        core = self._core
        files = _files.changed_between(
            core, *(_files.standing(core, each) for each in (one, other))
        )
        return difference(one, self.checkpoints(one), other, self.checkpoints(other), files)

    def _rebuilt(self, found: Execution, checkpoint: Checkpoint) -> Mapping[str, Any]:
        """Return a state as its graph reads it; nothing, if the workflow is not known."""
        try:
            job = known_of(self._core, found, Again()).job
        except WtbError:
            return {}
        state: Mapping[str, Any] = state_at(self._core.checkpoints, job, checkpoint.config)
        return state

    def _current(self, execution: Execution | str) -> Execution:
        """Return an execution as it stands now."""
        id = execution.id if isinstance(execution, Execution) else execution  # noqa: A001
        return self._core.execution(id)
