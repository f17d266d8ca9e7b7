//! Units of work: changes and the events that report them, as data.

use wtb_model::{
    AttemptOutcome, AttemptStatus, BatchId, BatchRecord, BatchSpec, BatchStatus, CaseRecord, Event,
    ExecutionId, ExecutionRecord, ExecutionStatus, ScoreRecord, SessionId, SessionRecord,
    StoredValue, Timestamp, VariantRecord, WorkspaceRecord,
};

use crate::StoreError;
use crate::checkpoint::{Lease, NewCheckpoint, NewWrites};
use crate::object::NewObject;

/// The lease under which an attempt starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStart {
    /// The session that hands it out; must own the execution's batch, if the execution has one.
    pub session: SessionId,
    /// The execution.
    pub execution: ExecutionId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Its fencing token; must be larger than any the execution had.
    pub token: u64,
    /// The worker's name.
    pub worker: String,
    /// How many lineages its execution has opened with it: one more when it begins with one of its
    /// own.
    pub lineages: u32,
    /// When the lease was given.
    pub at: Timestamp,
}

/// Refuses what a cell is to go on to by itself, unless the cell has ended and nobody has driven it
/// since the record was made: its numbers would be used twice. What it has gone on to already
/// (`is_there`) stays, too.
pub fn check_goes_on(
    continuation: &ExecutionRecord,
    status: ExecutionStatus,
    token: u64,
    is_there: bool,
) -> Result<(), StoreError> {
    let what = format!("execution {}", continuation.id);
    status.check_goes_on(continuation.status, &what)?;
    if continuation.token < token || is_there {
        return Err(StoreError::Moved { what });
    }
    Ok(())
}

/// One change of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A session opens the store.
    OpenSession(SessionRecord),
    /// A session says that it lives.
    Heartbeat {
        /// The session.
        session: SessionId,
        /// When.
        at: Timestamp,
    },
    /// A session closes the store; batches that it still owns are released.
    CloseSession {
        /// The session.
        session: SessionId,
        /// When.
        at: Timestamp,
    },
    /// A batch with its variants, cases and executions is written.
    CreateBatch {
        /// The batch.
        batch: Box<BatchRecord>,
        /// Its variants, in order.
        variants: Vec<VariantRecord>,
        /// Its cases, in order.
        cases: Vec<CaseRecord>,
        /// Its executions.
        executions: Vec<ExecutionRecord>,
    },
    /// Variants, cases and executions are added to a batch, and what was asked of it changes.
    ExtendBatch {
        /// The batch.
        batch: BatchId,
        /// What is asked of it from now on.
        spec: Box<BatchSpec>,
        /// Variants to append.
        variants: Vec<VariantRecord>,
        /// Cases to append.
        cases: Vec<CaseRecord>,
        /// Executions to append.
        executions: Vec<ExecutionRecord>,
    },
    /// A single execution is written. What a cell goes on to by itself is refused unless the cell is
    /// there and has ended, and with [`StoreError::Moved`] when somebody else was faster: see
    /// [`check_goes_on`].
    CreateExecution(Box<ExecutionRecord>),
    /// Nothing changes, but the unit is refused with [`StoreError::Moved`] unless an execution still
    /// stands where it stood when the unit was decided upon.
    ExpectHead {
        /// The execution; refused also when it is not there any more.
        execution: ExecutionId,
        /// How many lineages it has opened.
        lineages: u32,
        /// Which checkpoint was inserted last in the root namespace of the last of them
        /// ([`ExecutionId::thread`]), if that matters.
        checkpoint: Option<String>,
    },
    /// Nothing changes, but the unit is refused with [`StoreError::Moved`] unless an execution is as its
    /// record had it: nothing has begun or ended since then.
    ExpectState {
        /// The execution; refused also when it is not there any more.
        execution: ExecutionId,
        /// Its state.
        status: ExecutionStatus,
        /// The fencing token of its last attempt.
        token: u64,
        /// When it ended last.
        finished_at: Option<Timestamp>,
    },
    /// A session takes a batch over. Refused with [`StoreError::NotOwner`] unless the batch
    /// has no owner or its owner is `from`. Executions left running go back to the queue, their
    /// attempts are marked lost, and their dead leases can write nothing any more.
    ClaimBatch {
        /// The batch.
        batch: BatchId,
        /// The session that takes it.
        session: SessionId,
        /// The dead session it is taken from, if any.
        from: Option<SessionId>,
        /// When.
        at: Timestamp,
    },
    /// A session lets go of a batch that has not ended; queued executions stay queued.
    ReleaseBatch {
        /// The batch.
        batch: BatchId,
        /// The session that owns it.
        session: SessionId,
    },
    /// A batch goes to another state, checked against its state machine and its owner.
    /// Reaching `running` sets `started_at` once; reaching a final state sets `finished_at`.
    SetBatchStatus {
        /// The batch.
        batch: BatchId,
        /// The session that owns it.
        session: SessionId,
        /// The new state.
        status: BatchStatus,
        /// When.
        at: Timestamp,
    },
    /// The workers of a batch on other machines are given its inputs as snapshots. These are kept as long as
    /// the batch, or until others are given. Refused with [`StoreError::NotOwner`] unless the session
    /// drives the batch, and when they are not there.
    GiveInputs {
        /// The batch.
        batch: BatchId,
        /// The session that owns it.
        session: SessionId,
        /// An object that names all the snapshots.
        inputs: StoredValue,
    },
    /// An attempt starts: its execution is running under a new token. Refused with
    /// [`StoreError::NotOwner`] when the execution's batch belongs to another session or to
    /// none.
    StartAttempt(AttemptStart),
    /// An attempt that was handed to a worker ahead of its start is taken back: it must not start any
    /// more. Nothing changes if it has, or if its execution has ended.
    RevokeLease {
        /// The lease that it would have started under.
        lease: Lease,
    },
    /// An attempt has a workspace. Refused with [`StoreError::Fenced`] unless its lease is the live one.
    PutWorkspace {
        /// The attempt's number, from 1.
        attempt: u32,
        /// Its lease.
        lease: Lease,
        /// The workspace.
        workspace: Box<WorkspaceRecord>,
    },
    /// An attempt ends. Refused with [`StoreError::Fenced`] unless `token` is the live one.
    FinishAttempt {
        /// The execution.
        execution: ExecutionId,
        /// The attempt's number, from 1.
        attempt: u32,
        /// Its fencing token.
        token: u64,
        /// How the attempt ended.
        status: AttemptStatus,
        /// What becomes of its execution: `Queued` when another attempt follows.
        next: ExecutionStatus,
        /// Whether the execution goes on the dead-letter list; nothing does that a cell went on to by
        /// itself, since its batch does not retry it.
        dead_letter: bool,
        /// What the worker delivered; replaces what an earlier attempt left. Node records are kept
        /// per attempt, logged metrics replace those of source `workflow`.
        outcome: Box<AttemptOutcome>,
        /// Whether evaluators still have to have their say.
        settled: bool,
        /// Whether it was handed to a worker ahead of its start: if the execution is to be cancelled and is
        /// still queued, since the attempt has not started, then it ends without it, and the attempt must
        /// not start any more.
        handed_ahead: bool,
        /// When.
        at: Timestamp,
    },
    /// An execution that is queued ends without another attempt (cancelled).
    FinishExecution {
        /// The execution.
        execution: ExecutionId,
        /// Its final state.
        status: ExecutionStatus,
        /// When.
        at: Timestamp,
    },
    /// An ended execution goes back to the queue: off the dead-letter list, its scores dropped, its
    /// outcome kept until another attempt replaces it. What a cell went on to by itself (see
    /// [`ExecutionId::continuation`]) gives way to it, but for the lineages that it has opened and
    /// the numbers of its attempts and tokens; refused while that is queued or running.
    RequeueExecution {
        /// The execution.
        execution: ExecutionId,
        /// Whether its next attempt goes on from its head.
        from_head: bool,
    },
    /// An ended execution stands at the head of its last lineage, paused: what it had delivered, its
    /// scores and its place on the dead-letter list are dropped.
    PlaceExecution {
        /// The execution.
        execution: ExecutionId,
        /// How many lineages it has opened by now.
        lineages: u32,
        /// When.
        at: Timestamp,
    },
    /// Evaluators' scores are written and the execution is settled. Everything that the same sources
    /// said before is replaced, so that nothing stale stays beside it.
    PutScores {
        /// The execution.
        execution: ExecutionId,
        /// The scores.
        scores: Vec<ScoreRecord>,
    },
    /// What was asked of a batch changes (new evaluators when it is scored again).
    SetBatchSpec {
        /// The batch.
        batch: BatchId,
        /// What is asked of it from now on.
        spec: Box<BatchSpec>,
    },
    /// A checkpoint is written. Refused with [`StoreError::Fenced`] unless its lease, if it
    /// has one, is the live one, and with [`StoreError::MissingChannels`] when a channel is to
    /// be the parent's that the parent does not have in that version.
    PutCheckpoint {
        /// The checkpoint.
        checkpoint: Box<NewCheckpoint>,
        /// The lease it is written under.
        lease: Option<Lease>,
    },
    /// Writes of a task are stored with a checkpoint. Refused with [`StoreError::Fenced`]
    /// unless the lease, if there is one, is the live one.
    PutWrites {
        /// The writes.
        writes: Box<NewWrites>,
        /// The lease they are written under.
        lease: Option<Lease>,
    },
    /// The checkpoints and writes of a thread, in all namespaces, are removed.
    DeleteThread {
        /// The thread.
        thread: String,
    },
    /// All checkpoints that a run made are removed, with their writes.
    DeleteRun {
        /// The run.
        run: String,
    },
    /// The checkpoints and writes of a thread are copied to another, in their order; what the other
    /// has under the same names stays. Values are shared.
    CopyThread {
        /// The thread to copy.
        source: String,
        /// The thread that gets the copies.
        target: String,
        /// Only this checkpoint of the root namespace, without what tasks wrote on top of it, its
        /// ancestors, and what was inserted before it in other namespaces; everything when `None`.
        /// Refused with [`StoreError::NotFound`] when the source does not have it.
        up_to: Option<String>,
    },
    /// Of each namespace of a thread only the newest checkpoint is kept, with its writes and those
    /// ancestors that its channels are rebuilt from: see [`crate::kept`].
    PruneThread {
        /// The thread.
        thread: String,
    },
}

/// Changes and the events that report them: they commit together or not at all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitOfWork {
    /// The changes, applied in order.
    pub changes: Vec<Change>,
    /// The events, journaled in order.
    pub events: Vec<Event>,
}

impl UnitOfWork {
    /// Makes a unit of one change and one event.
    pub fn new(change: Change, event: Event) -> Self {
        Self { changes: vec![change], events: vec![event] }
    }

    /// Makes a unit of events alone.
    pub fn of_events(events: Vec<Event>) -> Self {
        Self { changes: Vec::new(), events }
    }

    /// Makes a unit of one change that nothing reports, such as a heartbeat.
    pub fn silent(change: Change) -> Self {
        Self { changes: vec![change], events: Vec::new() }
    }

    /// Returns how many bytes of objects it brings along.
    pub fn weight(&self) -> usize {
        let weigh =
            |objects: &mut dyn Iterator<Item = &NewObject>| objects.map(NewObject::weight).sum();
        self.changes
            .iter()
            .map(|change| match change {
                Change::PutCheckpoint { checkpoint, .. } => weigh(&mut checkpoint.objects()),
                Change::PutWrites { writes, .. } => weigh(&mut writes.objects()),
                _ => 0,
            })
            .sum::<usize>()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.events.is_empty()
    }
}
