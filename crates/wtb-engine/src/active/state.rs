//! What the mutex of an active batch guards.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wtb_model::{BatchStatus, ExecutionId, ExecutionStatus, StatusCounts, WorkspaceSpec};
use wtb_scheduler::{BatchEnd, CellIndex, Prior, Scheduler};
use wtb_store::Ticket;

use super::finish::Ended;
use super::workers::Worker;
use crate::environments::Environments;
use crate::{EngineError, Failure, Progress};

/// One cell: the execution it stands for.
#[derive(Debug, Clone)]
pub(crate) struct CellInfo {
    pub(crate) execution: ExecutionId,
    pub(crate) variant: u32,
    pub(crate) case: u32,
    pub(crate) repeat: u32,
    pub(crate) seed: u64,
    /// What earlier sessions did to it.
    pub(crate) prior: Prior,
    /// How many lineages it has opened.
    pub(crate) lineages: u32,
    /// Whether its attempts go on from its head.
    pub(crate) from_head: bool,
}

impl CellInfo {
    /// Opens the lineage that the next attempt writes, unless that goes on with the last one.
    pub(super) fn open_lineage(&mut self) {
        if !self.from_head {
            self.lineages += 1;
        }
    }

    /// Takes that back: the attempt has not begun.
    pub(super) fn take_lineage_back(&mut self) {
        if !self.from_head {
            self.lineages -= 1;
        }
    }
}

/// What an active batch starts from.
pub(crate) struct Setup {
    pub(crate) cells: Vec<CellInfo>,
    pub(crate) environments: Environments,
    pub(crate) variants: Vec<String>,
    pub(crate) cases: Vec<String>,
    /// How the whole batch stands, cells of earlier sessions included.
    pub(crate) counts: StatusCounts,
    /// Executions that ended in an earlier session and still await their scores.
    pub(crate) unscored: Vec<ExecutionId>,
    pub(crate) status: Option<BatchStatus>,
    /// Whether attempts write checkpoints.
    pub(crate) checkpointed: bool,
    /// The files that executions work on.
    pub(crate) workspace: WorkspaceSpec,
    /// The inputs of each case that has its own.
    pub(crate) inputs: Vec<Option<String>>,
}

/// An attempt that a worker holds.
pub(super) struct Running {
    pub(super) worker: u64,
    pub(super) cell: CellIndex,
    pub(super) attempt: u32,
    /// When it was handed out or has begun, on the engine's clock.
    pub(super) started_ms: u64,
    /// Whether it has begun, as far as is known here.
    pub(super) has_begun: bool,
    /// Raised to ask the worker to stop at the next node boundary.
    pub(super) stop: Arc<AtomicBool>,
}

impl Running {
    /// Asks whoever holds it to stop.
    pub(super) fn stop(&self, token: u64, workers: &mut HashMap<u64, Worker>) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = workers.get_mut(&self.worker) {
            worker.stops.push(token);
        }
    }
}

pub(super) struct State {
    pub(super) scheduler: Scheduler,
    /// The time that the scheduler was told last: what it decides is measured from it.
    pub(super) now_ms: u64,
    pub(super) cells: Vec<CellInfo>,
    pub(super) variants: Vec<String>,
    pub(super) cases: Vec<String>,
    pub(super) workers: HashMap<u64, Worker>,
    pub(super) workers_created: u64,
    pub(super) running: HashMap<u64, Running>,
    /// Workers whose attempt was expired and that have not come back since, oldest first.
    pub(super) stuck: Vec<(u64, u64)>,
    pub(super) counts: StatusCounts,
    pub(super) ended_here: u64,
    pub(super) retried: u64,
    pub(super) status: Option<BatchStatus>,
    pub(super) backpressure: bool,
    pub(super) failures: VecDeque<Failure>,
    /// Why outstanding cells end without an attempt, once they do.
    pub(super) cancel_reason: &'static str,
    /// Stored outcomes that await their scores: the cell (none for those of earlier sessions), the
    /// execution, and the ticket of its unit of work.
    pub(super) scorable: VecDeque<(Option<CellIndex>, ExecutionId, Option<Ticket>)>,
    /// What was handed to evaluators and is not back yet.
    pub(super) scoring: HashSet<ExecutionId>,
    /// Units of work that were queued and not looked at since.
    pub(super) unconfirmed: VecDeque<Ticket>,
    pub(super) progress_reported: (u64, u64),
    /// Set once the scheduler has finished; the batch ends when the scores are in, too.
    pub(super) finished: Option<BatchEnd>,
    /// Whether it was asked to let attempts under way end and leave the rest.
    pub(super) draining: bool,
    pub(super) result: Option<Result<Ended, EngineError>>,
    /// When that was set, on the engine's clock.
    pub(super) ended_ms: Option<u64>,
}

impl State {
    pub(super) fn new(scheduler: Scheduler, setup: Setup) -> Self {
        Self {
            scheduler,
            now_ms: 0,
            cells: setup.cells,
            variants: setup.variants,
            cases: setup.cases,
            workers: HashMap::new(),
            workers_created: 0,
            running: HashMap::new(),
            stuck: Vec::new(),
            counts: setup.counts,
            ended_here: 0,
            retried: 0,
            status: setup.status,
            backpressure: false,
            failures: VecDeque::new(),
            cancel_reason: "too many executions failed",
            scorable: setup.unscored.into_iter().map(|id| (None, id, None)).collect(),
            scoring: HashSet::new(),
            unconfirmed: VecDeque::new(),
            progress_reported: (0, 0),
            finished: None,
            draining: false,
            result: None,
            ended_ms: None,
        }
    }

    /// Whether nothing is handed out or accepted any more.
    pub(super) fn is_over(&self) -> bool {
        self.finished.is_some() || self.result.is_some()
    }

    pub(super) fn unscored(&self) -> u64 {
        (self.scorable.len() + self.scoring.len()) as u64
    }

    /// Waits for no score any more: what has none stays unsettled in the store.
    pub(super) fn leave_scores(&mut self) {
        let left = std::mem::take(&mut self.scorable);
        self.unconfirmed.extend(left.into_iter().filter_map(|(_, _, ticket)| ticket));
        self.scoring.clear();
    }

    /// Counts an execution elsewhere.
    pub(super) fn recount(&mut self, from: ExecutionStatus, to: ExecutionStatus) {
        *self.counts.of(from) -= 1;
        *self.counts.of(to) += 1;
    }

    pub(super) fn remember(&mut self, failure: Failure) {
        if self.failures.len() == Progress::FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
    }
}
