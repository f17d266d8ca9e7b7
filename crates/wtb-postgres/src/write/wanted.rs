//! What the units of a group name, so that all of it is locked and read at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use wtb_model::{
    AttemptOutcome, BatchId, CaseRecord, ExecutionId, ExecutionRecord, SessionId, StoredValue,
};
use wtb_store::{Change, CheckpointName, Hash, Lease, NewCheckpoint};

/// The names in a group of units.
#[derive(Debug, Default)]
pub(super) struct Wanted<'group> {
    /// Sessions, but for those that are opened.
    pub(super) sessions: BTreeSet<&'group str>,
    /// Batches, but for those that are created.
    pub(super) batches: BTreeSet<&'group str>,
    /// Those of them that get more variants and cases.
    pub(super) extended: BTreeSet<&'group str>,
    /// Those of them that are claimed.
    pub(super) claimed: BTreeSet<&'group str>,
    /// Batches that are created, in order.
    pub(super) new_batches: Vec<&'group str>,
    /// Executions, but for those that are created; with a cell that is requeued what it may have gone
    /// on to by itself, and with that, when it is created, its cell and what may be there already.
    pub(super) executions: BTreeSet<Cow<'group, str>>,
    /// Those of them that cells may have gone on to.
    pub(super) continued: BTreeSet<String>,
    /// Those of them whose attempts start or end.
    pub(super) attempted: BTreeSet<&'group str>,
    /// Executions that are created, in order.
    pub(super) new_executions: Vec<&'group str>,
    /// Threads and namespaces that checkpoints or writes are put in.
    pub(super) lineages: BTreeSet<(&'group str, &'group str)>,
    /// Checkpoints that others take values from: thread, namespace, id.
    pub(super) parents: BTreeSet<(&'group str, &'group str, &'group str)>,
    /// Objects that values name.
    pub(super) objects: BTreeSet<Hash>,
}

impl<'group> Wanted<'group> {
    /// Gathers the names.
    pub(super) fn of(changes: impl Iterator<Item = &'group Change>) -> Self {
        let mut wanted = Self::default();
        changes.for_each(|change| wanted.add(change));
        wanted
    }

    fn add(&mut self, change: &'group Change) {
        match change {
            Change::Heartbeat { session, .. } | Change::CloseSession { session, .. } => {
                self.session(session);
            }
            Change::CreateBatch { batch, cases, executions, .. } => {
                self.new_batches.push(batch.id.as_str());
                self.cases(cases);
                self.add_executions(executions);
                if let Some(session) = &batch.session {
                    self.session(session);
                }
            }
            Change::ExtendBatch { batch, cases, executions, .. } => {
                self.batch(batch);
                self.extended.insert(batch.as_str());
                self.cases(cases);
                self.add_executions(executions);
            }
            Change::CreateExecution(execution) => {
                self.add_executions(std::slice::from_ref(execution.as_ref()));
                if let Some(batch) = &execution.batch {
                    self.batch(batch);
                }
            }
            Change::ClaimBatch { batch, session, from, .. } => {
                self.batch(batch);
                self.claimed.insert(batch.as_str());
                self.session(session);
                if let Some(from) = from {
                    self.session(from);
                }
            }
            Change::ReleaseBatch { batch, session }
            | Change::SetBatchStatus { batch, session, .. } => {
                self.batch(batch);
                self.session(session);
            }
            Change::GiveInputs { batch, session, inputs } => {
                self.batch(batch);
                self.session(session);
                self.values([Some(inputs)]);
            }
            Change::SetBatchSpec { batch, .. } => self.batch(batch),
            Change::StartAttempt(start) => {
                self.execution(&start.execution);
                self.attempted.insert(start.execution.as_str());
            }
            Change::RevokeLease { lease } => self.lease(Some(lease)),
            Change::PutWorkspace { lease, workspace, .. } => {
                self.lease(Some(lease));
                self.attempted.insert(lease.execution.as_str());
                self.values([Some(&workspace.files)]);
            }
            Change::FinishAttempt { execution, outcome, .. } => {
                self.execution(execution);
                self.attempted.insert(execution.as_str());
                self.outcome(outcome);
            }
            Change::FinishExecution { execution, .. }
            | Change::PlaceExecution { execution, .. }
            | Change::ExpectState { execution, .. }
            | Change::PutScores { execution, .. } => self.execution(execution),
            Change::RequeueExecution { execution, .. } => {
                self.execution(execution);
                if !execution.is_continuation() {
                    let continued = String::from(execution.continuation());
                    self.executions.insert(continued.clone().into());
                    self.continued.insert(continued);
                }
            }
            Change::PutCheckpoint { checkpoint, lease } => {
                self.checkpoint(checkpoint);
                self.lease(lease.as_ref());
            }
            Change::PutWrites { writes, lease } => {
                let CheckpointName { thread, namespace, .. } = &writes.checkpoint;
                self.lineages.insert((thread, namespace));
                self.values(writes.writes.iter().map(|write| Some(&write.value.stored)));
                self.lease(lease.as_ref());
            }
            // What concerns threads is written by itself: see `threads`.
            Change::OpenSession(_)
            | Change::ExpectHead { .. }
            | Change::DeleteThread { .. }
            | Change::DeleteRun { .. }
            | Change::CopyThread { .. }
            | Change::PruneThread { .. } => {}
        }
    }

    fn checkpoint(&mut self, checkpoint: &'group NewCheckpoint) {
        let CheckpointName { thread, namespace, .. } = &checkpoint.name;
        self.lineages.insert((thread, namespace));
        if checkpoint.channels.iter().any(|channel| channel.value.is_none())
            && let Some(parent) = &checkpoint.parent
        {
            self.parents.insert((thread, namespace, parent));
        }
        let given = checkpoint.channels.iter().filter_map(|channel| channel.value.as_ref());
        self.values(given.chain([&checkpoint.body]).map(|value| Some(&value.stored)));
        self.values([checkpoint.snapshot.as_ref()]);
    }

    fn lease(&mut self, lease: Option<&'group Lease>) {
        if let Some(Lease { execution, .. }) = lease {
            self.execution(execution);
        }
    }

    fn execution(&mut self, execution: &'group ExecutionId) {
        self.executions.insert(execution.as_str().into());
    }

    fn session(&mut self, session: &'group SessionId) {
        self.sessions.insert(session.as_str());
    }

    fn batch(&mut self, batch: &'group BatchId) {
        self.batches.insert(batch.as_str());
    }

    fn cases(&mut self, cases: &[CaseRecord]) {
        for case in cases {
            self.values(values_of_case(case));
        }
    }

    fn add_executions(&mut self, executions: &'group [ExecutionRecord]) {
        for execution in executions {
            self.new_executions.push(execution.id.as_str());
            if let Some(origin) = &execution.origin {
                self.batch(origin);
            }
            if execution.id.is_continuation() {
                self.executions.insert(execution.id.known().to_string().into());
                self.executions.insert(execution.id.as_str().into());
                self.continued.insert(execution.id.clone().into());
            }
            self.values(values_of(execution));
        }
    }

    fn outcome(&mut self, outcome: &AttemptOutcome) {
        self.values(outcome.values());
        for node in &outcome.nodes {
            self.values([node.input.as_ref(), node.output.as_ref()]);
        }
    }

    fn values<'value>(&mut self, values: impl IntoIterator<Item = Option<&'value StoredValue>>) {
        for value in values.into_iter().flatten() {
            if let StoredValue::Object { hash, .. } = value {
                self.objects.insert(*hash);
            }
        }
    }
}

/// The values of a case.
pub(super) fn values_of_case(case: &CaseRecord) -> [Option<&StoredValue>; 3] {
    let CaseRecord { input, expected, answers, .. } = case;
    [Some(input), expected.as_ref(), answers.as_ref()]
}

/// The values of an execution.
pub(super) fn values_of(execution: &ExecutionRecord) -> [Option<&StoredValue>; 4] {
    let ExecutionRecord { input, output, state, interrupts, .. } = execution;
    [input, output, state, interrupts].map(Option::as_ref)
}
