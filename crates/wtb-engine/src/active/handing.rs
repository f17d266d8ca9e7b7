//! Attempts for supervisors in other processes, perhaps on other machines.
//!
//! Such a supervisor takes attempts ahead of the moment in which it can begin with them, so that it
//! never waits for the way there and back. It writes down by itself that one starts, right before
//! that: whoever loses the supervisor reads in the store which of its attempts had started. Those may be
//! what it died of, and are lost; the others run elsewhere as if nothing had been.

use serde::{Deserialize, Serialize};
use wtb_model::{AttemptOutcome, ErrorInfo, ExecutionId, ExecutionStatus};
use wtb_scheduler::{CellIndex, Input, Token, WorkerId};
use wtb_store::{Change, Lease, UnitOfWork};
use wtb_worker::End;

use super::delivery::attempt_end;
use super::state::State;
use super::workers::Task;
use super::{ActiveBatch, Arrival, Delivery, WorkerKey};
use crate::EngineError;

/// An attempt on its way to a supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handed {
    /// The execution.
    pub execution: ExecutionId,
    /// The variant's place among the batch's variants, from 0, and its name.
    pub variant: (u32, String),
    /// The case's place among the batch's cases, from 0, and its id.
    pub case: (u32, String),
    /// Which repeat, from 0.
    pub repeat: u32,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The fencing token.
    pub token: u64,
    /// What to seed random number generators with.
    pub seed: u64,
    /// How many lineages its execution has opened with it.
    pub lineages: u32,
    /// The lineage that its checkpoints belong to; `None` without checkpoints.
    pub thread: Option<String>,
    /// Whether it goes on from the lineage's head, and not from the input.
    pub from_head: bool,
}

/// What a supervisor is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Handout {
    /// Attempts to make, in this order.
    pub tasks: Vec<Handed>,
    /// The tokens of attempts that nobody waits for any more.
    pub stops: Vec<u64>,
    /// Whether nothing more will come.
    pub is_last: bool,
}

/// What a supervisor has to say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The tokens of attempts that have started since the last report.
    pub began: Vec<u64>,
    /// The tokens of attempts that it hands back and will never start.
    pub returned: Vec<u64>,
    /// The tokens of attempts whose processes were lost, and what is known of that.
    pub lost: Vec<(u64, String)>,
    /// The attempts that have ended.
    pub ended: Vec<Delivered>,
    /// For how long its workers were at these, all together, in microseconds.
    pub busy_us: u64,
}

/// How an attempt ended, as a supervisor tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The execution.
    pub execution: ExecutionId,
    /// The fencing token.
    pub token: u64,
    /// How it ended.
    pub end: End,
    /// Whether another attempt could end otherwise.
    pub retryable: bool,
    /// How long a server asked to wait before that, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// What it delivers; large values are in the store already.
    pub outcome: AttemptOutcome,
}

impl ActiveBatch {
    /// Says how many more attempts a supervisor can take, and returns what it has to know. May be called
    /// again at any time; `slots` replaces what was said before.
    pub fn hand_out(&self, key: WorkerKey, slots: u32) -> Result<Handout, EngineError> {
        self.check_process()?;
        let mut state = self.lock();
        if !state.is_over()
            && let Some(worker) = state.workers.get_mut(&key.0)
        {
            // What it was given since it spoke last takes room, too.
            let ready = u32::try_from(worker.ready.len()).unwrap_or(u32::MAX);
            let slots = slots.saturating_sub(ready);
            worker.slots = slots;
            let (worker, group) = (WorkerId(key.0), worker.group);
            self.feed(&mut state, Input::WorkerIdle { worker, slots, group })?;
        }
        let is_over = state.is_over();
        let Some(worker) = state.workers.get_mut(&key.0) else {
            return Ok(Handout { is_last: true, ..Handout::default() });
        };
        let is_last = is_over || worker.released;
        let ready = std::mem::take(&mut worker.ready);
        let stops = std::mem::take(&mut worker.stops);
        let tasks = ready.iter().filter_map(|task| handed(&state, task)).collect();
        Ok(Handout { tasks, stops, is_last })
    }

    /// Takes what a supervisor has to say. What comes too late is journaled and changes nothing.
    pub fn report(&self, report: Report) -> Result<(), EngineError> {
        self.check_process()?;
        let mut state = self.lock();
        if !state.is_over() {
            for token in report.began {
                self.note_began(&mut state, token)?;
            }
        }
        for one in report.ended {
            let lease = Lease { execution: one.execution.clone(), token: one.token };
            self.accept_outcome(&mut state, &lease, one.into())?;
        }
        for (token, reason) in report.lost {
            self.note_lost(&mut state, token, reason)?;
        }
        for token in report.returned {
            if !state.is_over() {
                self.feed(&mut state, Input::Returned { token: Token(token) })?;
            }
        }
        Ok(())
    }

    /// Finds out which of the attempts that a supervisor holds, or any, have started, and keeps the others
    /// from starting: it is gone, or as good as gone.
    pub(super) fn settle_handed(&self, key: Option<WorkerKey>) -> Result<(), EngineError> {
        if !self.hands_ahead {
            return Ok(());
        }
        let leases = self.not_begun(key);
        if leases.is_empty() {
            return Ok(());
        }
        let revoke = |lease: &Lease| Change::RevokeLease { lease: lease.clone() };
        let changes = leases.iter().map(revoke).collect();
        self.store.commit(UnitOfWork { changes, events: Vec::new() })?;
        for Lease { execution, token } in leases {
            let record = self.store.execution(&execution)?;
            if record.status == ExecutionStatus::Running && record.token == token {
                let mut state = self.lock();
                if !state.is_over() {
                    self.note_began(&mut state, token)?;
                }
            }
        }
        Ok(())
    }

    fn not_begun(&self, key: Option<WorkerKey>) -> Vec<Lease> {
        let state = self.lock();
        let is_held = |worker| key.is_none_or(|key| key.0 == worker);
        let held = state.running.iter().filter(|(_, one)| !one.has_begun && is_held(one.worker));
        held.map(|(token, one)| {
            let execution = state.cells[one.cell.0 as usize].execution.clone();
            Lease { execution, token: *token }
        })
        .collect()
    }

    fn note_began(&self, state: &mut State, token: u64) -> Result<(), EngineError> {
        let now_ms = self.clock.elapsed_ms();
        let Some(running) = state.running.get_mut(&token).filter(|running| !running.has_begun)
        else {
            return Ok(());
        };
        (running.has_begun, running.started_ms) = (true, now_ms);
        state.recount(ExecutionStatus::Queued, ExecutionStatus::Running);
        self.feed(state, Input::Began { token: Token(token) })
    }

    fn note_lost(&self, state: &mut State, token: u64, reason: String) -> Result<(), EngineError> {
        let Some(running) = state.running.get(&token).filter(|_| !state.is_over()) else {
            return Ok(());
        };
        let execution = state.cells[running.cell.0 as usize].execution.clone();
        let error = ErrorInfo {
            kind: "WorkerLostError".to_owned(),
            message: reason,
            traceback: None,
            node: None,
        };
        let outcome = AttemptOutcome { error: Some(error), ..AttemptOutcome::default() };
        let arrival = Arrival { execution: &execution, outcome };
        self.feed_with(state, Input::Lost { token: Token(token) }, &mut Some(arrival))
    }

    /// Puts a cell back whose attempt has not begun, as if it had never been handed out.
    pub(super) fn withdraw(&self, state: &mut State, token: Token, cell: CellIndex) {
        let Some(running) = state.running.remove(&token.0) else {
            return;
        };
        if let Some(worker) = state.workers.get_mut(&running.worker) {
            worker.ready.retain(|task| task.token != token.0);
        }
        if self.checkpointed {
            state.cells[cell.0 as usize].take_lineage_back();
        }
    }
}

/// Returns an attempt as it goes out; `None` for one that was taken back meanwhile.
fn handed(state: &State, task: &Task) -> Option<Handed> {
    let running = state.running.get(&task.token)?;
    Some(Handed {
        execution: task.execution.clone(),
        variant: (task.variant, state.variants[task.variant as usize].clone()),
        case: (task.case, state.cases[task.case as usize].clone()),
        repeat: task.repeat,
        attempt: task.attempt,
        token: task.token,
        seed: task.seed,
        lineages: state.cells[running.cell.0 as usize].lineages,
        thread: task.thread.clone(),
        from_head: task.from_head,
    })
}

impl From<Delivered> for Delivery {
    fn from(delivered: Delivered) -> Self {
        let Delivered { end, retryable, retry_after_ms, outcome, .. } = delivered;
        Self { end: attempt_end(end, retryable, retry_after_ms), outcome }
    }
}
