//! A naive picture of the batch, drawn from what went into the scheduler and what came out of it.
//!
//! It keeps everything in plain maps and recounts instead of counting. It decides nothing: it only
//! knows what the scheduler must know at the least. The rules that it is held against are in
//! `rules` (each command) and `audit` (the whole after each step).

use std::collections::{BTreeMap, BTreeSet};

use wtb_scheduler::{
    CellEnd, CellIndex, CellStatus, Config, Counts, Group, Input, Millis, Phase, Prior, Token,
    WorkerId,
};

/// A broken invariant, in words.
pub(crate) type Violation = String;

/// Fails with a text unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition { return Err(format!($($text)+)); }
    };
}
pub(crate) use ensure;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    Queued,
    Waiting(Millis),
    Running(Token),
    Unsettled(CellEnd),
    Ended(CellEnd),
}

#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) group: Group,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) failures: u32,
    pub(crate) losses: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) cell: CellIndex,
    pub(crate) number: u32,
    pub(crate) worker: WorkerId,
    pub(crate) deadline: Option<Millis>,
    pub(crate) has_begun: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) group: Group,
    pub(crate) slots: u32,
    pub(crate) last_seen: Millis,
}

/// What happened within the current step, for rules about several commands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) input: Option<Input>,
    /// Workers whose lease ended in this step, with its end.
    pub(crate) lapsed: BTreeMap<WorkerId, Millis>,
    /// Those of them that waited for work and must be told not to.
    pub(crate) to_release: BTreeSet<WorkerId>,
    /// The worker that asks for work although there will be none.
    pub(crate) to_turn_away: Option<WorkerId>,
    /// Whether waiting workers were released, as only happens when nothing will start any more.
    pub(crate) sent_home: bool,
    pub(crate) to_stop: BTreeMap<Token, WorkerId>,
    /// The attempt that begins, if nothing ends it first.
    pub(crate) to_begin: Option<Token>,
    /// The token whose outcome was reported and not answered yet.
    pub(crate) unanswered: Option<Token>,
    pub(crate) finished: bool,
    /// Whether a command only makes sense if the batch finishes in this step.
    pub(crate) must_finish: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) config: Config,
    pub(crate) clock: Millis,
    pub(crate) phase: Phase,
    pub(crate) cells: Vec<Cell>,
    pub(crate) running: BTreeMap<Token, Attempt>,
    pub(crate) accepted: BTreeSet<Token>,
    pub(crate) expired: BTreeSet<Token>,
    pub(crate) highest_token: Option<Token>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) pressure: bool,
    pub(crate) retried: u64,
    pub(crate) sampled: u32,
    pub(crate) sampled_failures: u32,
    pub(crate) step: Step,
}

impl Model {
    pub(crate) fn new(config: Config, priors: &[Prior]) -> Self {
        let cell = |prior: &Prior| Cell {
            group: prior.group,
            state: prior.end.map_or(State::Queued, State::Ended),
            attempts: prior.attempts,
            failures: prior.failures,
            losses: prior.losses,
        };
        Self {
            config,
            clock: Millis(0),
            phase: Phase::Running,
            cells: priors.iter().map(cell).collect(),
            running: BTreeMap::new(),
            accepted: BTreeSet::new(),
            expired: BTreeSet::new(),
            highest_token: None,
            workers: BTreeMap::new(),
            pressure: false,
            retried: 0,
            sampled: 0,
            sampled_failures: 0,
            step: Step::default(),
        }
    }

    /// Returns what a new session would be told of each cell.
    pub(crate) fn priors(&self) -> Vec<Prior> {
        let prior = |cell: &Cell| Prior {
            group: cell.group,
            attempts: cell.attempts,
            failures: cell.failures,
            losses: cell.losses,
            end: match cell.state {
                State::Unsettled(end) | State::Ended(end) => Some(end),
                State::Queued | State::Waiting(_) | State::Running(_) => None,
            },
        };
        self.cells.iter().map(prior).collect()
    }

    pub(crate) fn cell(&mut self, cell: CellIndex) -> Result<&mut Cell, Violation> {
        let count = self.cells.len();
        self.cells.get_mut(cell.0 as usize).ok_or_else(|| format!("{cell} of {count} cells"))
    }

    pub(crate) fn is_ready(&self, cell: &Cell) -> bool {
        match cell.state {
            State::Queued => true,
            State::Waiting(at) => at <= self.clock,
            State::Running(_) | State::Unsettled(_) | State::Ended(_) => false,
        }
    }

    /// Whether a worker waits that can run the cell, and the cell can run.
    pub(crate) fn is_wanted(&self, cell: &Cell) -> bool {
        let waits = |worker: &Worker| worker.slots > 0 && worker.group == cell.group;
        self.is_ready(cell) && self.workers.values().any(waits)
    }

    pub(crate) fn count(&self, which: impl Fn(&Cell) -> bool) -> u32 {
        u32::try_from(self.cells.iter().filter(|cell| which(cell)).count()).unwrap_or(u32::MAX)
    }

    pub(crate) fn running_count(&self) -> u32 {
        self.count(|cell| matches!(cell.state, State::Running(_)))
    }

    pub(crate) fn pending(&self) -> u32 {
        self.count(|cell| matches!(cell.state, State::Running(_) | State::Unsettled(_)))
    }

    pub(crate) fn recount(&self) -> Counts {
        let ended = |wanted: CellEnd| {
            self.count(|cell| {
                matches!(cell.state, State::Unsettled(end) | State::Ended(end) if end == wanted)
            })
        };
        Counts {
            queued: self.count(|cell| self.is_ready(cell)),
            waiting: self.count(|cell| matches!(cell.state, State::Waiting(at) if at > self.clock)),
            running: self.running_count(),
            unsettled: self.count(|cell| matches!(cell.state, State::Unsettled(_))),
            succeeded: ended(CellEnd::Succeeded),
            failed: ended(CellEnd::Failed),
            timed_out: ended(CellEnd::TimedOut),
            cancelled: ended(CellEnd::Cancelled),
            interrupted: ended(CellEnd::Interrupted),
            paused: ended(CellEnd::Paused),
            retried: self.retried,
        }
    }

    pub(crate) fn expected_status(&self, cell: &Cell) -> CellStatus {
        match cell.state {
            _ if self.is_ready(cell) => CellStatus::Queued,
            State::Queued | State::Waiting(_) => CellStatus::Waiting,
            State::Running(_) => CellStatus::Running,
            State::Unsettled(end) => CellStatus::Unsettled(end),
            State::Ended(end) => CellStatus::Ended(end),
        }
    }

    /// Returns whether the scheduler must refuse an input.
    pub(crate) fn must_refuse(&self, input: Input) -> bool {
        let finished = self.phase.is_finished();
        let state = |cell: CellIndex| self.cells.get(cell.0 as usize).map(|cell| cell.state);
        let at_rest = |cell| matches!(state(cell), Some(State::Unsettled(_) | State::Ended(_)));
        match input {
            Input::Pause => self.phase != Phase::Running,
            Input::Resume => self.phase != Phase::Paused,
            Input::Drain => finished || self.phase == Phase::Draining,
            Input::Cancel => finished,
            Input::CancelCell { cell } => finished || state(cell).is_none() || at_rest(cell),
            Input::Requeue { cell } => {
                let legal = |end| end != CellEnd::Succeeded;
                finished || !matches!(state(cell), Some(State::Ended(end)) if legal(end))
            }
            Input::Settled { cell } => !at_rest(cell),
            Input::WorkerIdle { .. }
            | Input::WorkerGone { .. }
            | Input::Heartbeat { .. }
            | Input::Began { .. }
            | Input::Returned { .. }
            | Input::Lost { .. }
            | Input::Completed { .. }
            | Input::Tick => false,
        }
    }

    /// Takes note of an input that was not refused, before its commands are looked at.
    pub(crate) fn begin_step(&mut self, now: Millis, input: Input) {
        // A batch that finished stays as it is; a drained one keeps its backoffs for the next session.
        if !self.phase.is_finished() {
            self.clock = self.clock.max(now);
        }
        self.step = Step { input: Some(input), ..Step::default() };
        match input {
            Input::Requeue { cell } => self.note_requeue(cell),
            Input::Settled { cell } => self.note_settled(cell),
            Input::Completed { token, .. } => self.step.unanswered = Some(token),
            Input::Began { token } => {
                self.step.to_begin = Some(token).filter(|token| self.running.contains_key(token));
            }
            Input::Cancel => return,
            _ => {}
        }
        self.note_lapsed_leases();
        match input {
            Input::WorkerIdle { worker, slots, group } => self.note_idle(worker, slots, group),
            Input::Heartbeat { worker } => self.note_alive(worker),
            Input::WorkerGone { worker } => {
                self.workers.remove(&worker);
            }
            _ => {}
        }
    }

    /// Takes note of what an input brings about after all that was due before it.
    pub(crate) fn end_step(&mut self) {
        if let Some(token) = self.step.to_begin
            && let Some(attempt) = self.running.get_mut(&token)
            && !attempt.has_begun
        {
            attempt.has_begun = true;
            attempt.deadline =
                self.config.attempt_timeout.map(|timeout| self.clock.saturating_add(timeout));
            let worker = attempt.worker;
            self.note_alive(worker);
        }
    }

    fn note_requeue(&mut self, cell: CellIndex) {
        if let Some(cell) = self.cells.get_mut(cell.0 as usize) {
            *cell = Cell { state: State::Queued, failures: 0, losses: 0, ..*cell };
        }
    }

    fn note_settled(&mut self, cell: CellIndex) {
        if let Some(cell) = self.cells.get_mut(cell.0 as usize)
            && let State::Unsettled(end) = cell.state
        {
            cell.state = State::Ended(end);
        }
    }

    fn note_lapsed_leases(&mut self) {
        let Some(ttl) = self.config.lease_ttl else {
            return;
        };
        let (clock, step) = (self.clock, &mut self.step);
        self.workers.retain(|id, worker| {
            let end = worker.last_seen.saturating_add(ttl);
            if end <= clock {
                step.lapsed.insert(*id, end);
                if worker.slots > 0 {
                    step.to_release.insert(*id);
                }
            }
            end > clock
        });
    }

    fn note_idle(&mut self, worker: WorkerId, slots: u32, group: Group) {
        if matches!(self.phase, Phase::Running | Phase::Paused) {
            self.workers.insert(worker, Worker { group, slots, last_seen: self.clock });
        } else {
            self.note_alive(worker);
            self.step.to_turn_away = (slots > 0).then_some(worker);
        }
    }

    pub(crate) fn note_alive(&mut self, worker: WorkerId) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.last_seen = self.clock;
        }
    }
}
