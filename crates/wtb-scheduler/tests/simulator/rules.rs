//! The rules for each command: when the scheduler may say it, and with which content. Those about
//! single attempts are in `attempt_rules`.

use wtb_scheduler::{BatchEnd, CellEnd, CellIndex, Command, FailFast, Input, Phase, WorkerId};

use crate::model::{Attempt, Model, State, Violation, ensure};

impl Model {
    /// Checks a command against the picture, then draws it in.
    pub(crate) fn observe(&mut self, command: Command) -> Result<(), Violation> {
        ensure!(!self.step.finished, "a command after the batch finished");
        match command {
            Command::Start { worker, cell, attempt, token, deadline } => {
                let has_begun = !self.config.hands_ahead;
                let started = Attempt { cell, number: attempt, worker, deadline, has_begun };
                self.observe_start(token, started)
            }
            Command::Accept { token, cell, attempt, end, next } => {
                let input = Some(Input::Completed { token, end });
                ensure!(self.step.input == input, "an outcome that nobody reported was accepted");
                self.observe_accept(token, cell, attempt, end, next)
            }
            Command::Expire { token, cell, attempt, worker, cause, next } => {
                self.observe_expire(token, cell, attempt, worker, cause, next)
            }
            Command::Withdraw { token, cell, attempt, worker } => {
                self.observe_withdraw(token, cell, attempt, worker)
            }
            Command::Stop { token, worker } => {
                let expired = self.step.to_stop.remove(&token);
                ensure!(expired == Some(worker), "{worker} must stop {token}, just not expired");
                Ok(())
            }
            Command::Fence { token, reason } => self.observe_fence(token, reason),
            Command::Finish { first, count, end } => self.observe_finish(first, count, end),
            Command::BackpressureApplied { pending, limit } => {
                self.observe_pressure(pending, limit)
            }
            Command::BackpressureReleased { pending } => {
                ensure!(self.pressure, "backpressure released that was not applied");
                // A batch that is cancelled or given up waits for no evaluator.
                self.step.must_finish = pending == 0 && self.pending() > 0;
                let told = pending == self.pending() || self.step.must_finish;
                ensure!(told, "{pending} pending, not {}", self.pending());
                self.pressure = false;
                Ok(())
            }
            Command::Release { worker } => self.observe_release(worker),
            Command::Phase { from, to } => self.observe_phase(from, to),
        }
    }

    pub(crate) fn may_cancel(&self, cell: CellIndex) -> bool {
        self.step.input == Some(Input::Cancel)
            || self.step.input == Some(Input::CancelCell { cell })
            || self.is_hopeless()
    }

    pub(crate) fn is_hopeless(&self) -> bool {
        let failed = self.sampled_failures;
        let reached = match self.config.fail_fast {
            None => false,
            Some(FailFast::Count(count)) => failed >= count,
            Some(FailFast::Fraction { fraction, min_sample }) => {
                let enough = self.sampled >= min_sample;
                enough && failed > 0 && f64::from(failed) >= fraction * f64::from(self.sampled)
            }
        };
        reached && matches!(self.phase, Phase::Running | Phase::Paused)
    }

    fn observe_finish(
        &mut self,
        first: CellIndex,
        count: u32,
        end: CellEnd,
    ) -> Result<(), Violation> {
        ensure!(count > 0 && end == CellEnd::Cancelled, "{count} cells became {end}");
        for index in first.0..first.0 + count {
            let cell = CellIndex(index);
            ensure!(self.may_cancel(cell), "{cell} was cancelled without a reason");
            let state = &mut self.cell(cell)?.state;
            let open = matches!(state, State::Queued | State::Waiting(_));
            ensure!(open, "{cell} was finished while {state:?}");
            *state = State::Ended(end);
        }
        Ok(())
    }

    fn observe_pressure(&mut self, pending: u32, limit: u32) -> Result<(), Violation> {
        ensure!(!self.pressure, "backpressure applied twice");
        let window = (self.pending(), self.config.window) == (pending, limit);
        let in_flight = (self.running_count(), self.config.max_in_flight) == (pending, limit);
        ensure!((window || in_flight) && pending >= limit, "{pending} of {limit} is no limit");
        self.pressure = true;
        Ok(())
    }

    fn observe_release(&mut self, worker: WorkerId) -> Result<(), Violation> {
        if self.step.to_release.remove(&worker) {
            return Ok(());
        }
        if self.step.to_turn_away.take_if(|asking| *asking == worker).is_some() {
            return Ok(());
        }
        let Some(known) = self.workers.get_mut(&worker).filter(|known| known.slots > 0) else {
            return Err(format!("{worker} does not wait and was released"));
        };
        self.step.sent_home = true;
        known.slots = 0;
        Ok(())
    }

    fn observe_phase(&mut self, from: Phase, to: Phase) -> Result<(), Violation> {
        ensure!(from == self.phase, "the phase was {:?}, not {from:?}", self.phase);
        let input = self.step.input;
        let open = self.count(|cell| !matches!(cell.state, State::Ended(_)));
        let legal = match (from, to) {
            (Phase::Finished(_), _) => false,
            (Phase::Running, Phase::Paused) => input == Some(Input::Pause),
            (Phase::Paused, Phase::Running) => input == Some(Input::Resume),
            (_, Phase::Draining) => input == Some(Input::Drain),
            (_, Phase::Finished(BatchEnd::Completed)) => open == 0,
            (_, Phase::Finished(BatchEnd::Cancelled)) => input == Some(Input::Cancel),
            (_, Phase::Finished(BatchEnd::FailedFast)) => self.is_hopeless(),
            (Phase::Draining, Phase::Finished(BatchEnd::Drained)) => self.pending() == 0,
            _ => false,
        };
        ensure!(legal, "no reason to go from {from:?} to {to:?}");
        self.phase = to;
        if to.is_finished() {
            self.step.finished = true;
            let waiting = self.workers.values().any(|worker| worker.slots > 0);
            ensure!(!waiting, "the batch finished and a worker still waits");
            self.workers.clear();
            // Evaluators may still be at work, but the batch does not wait for them any more.
            for cell in &mut self.cells {
                if let State::Unsettled(end) = cell.state {
                    cell.state = State::Ended(end);
                }
            }
        }
        Ok(())
    }
}
