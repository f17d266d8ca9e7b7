//! The rules for the whole: what must hold after each step, and at the end.

use wtb_scheduler::{CellIndex, Group, Input, Millis, Phase};

use crate::{
    model::{Cell, Model, State, Violation, ensure},
    subject::Subject,
};

impl Model {
    /// Checks everything that must hold between two steps.
    pub(crate) fn audit(&self, subject: &dyn Subject) -> Result<(), Violation> {
        self.audit_step()?;
        self.audit_time()?;
        self.audit_progress()?;
        self.audit_answers(subject)
    }

    /// Checks that an input that was refused changed nothing.
    pub(crate) fn audit_refusal(&self, subject: &dyn Subject) -> Result<(), Violation> {
        self.audit_answers(subject)
    }

    fn audit_step(&self) -> Result<(), Violation> {
        let unanswered = self.step.unanswered;
        ensure!(unanswered.is_none(), "neither accepted nor fenced: {unanswered:?}");
        if let Some(Input::WorkerGone { worker }) = self.step.input {
            let left = self.running.values().any(|attempt| attempt.worker == worker);
            ensure!(!left, "{worker} is gone and still runs something");
        }
        if let Some(Input::Lost { token }) = self.step.input {
            ensure!(!self.running.contains_key(&token), "{token} is lost and still runs");
        }
        if let Some(Input::Returned { token }) = self.step.input {
            let kept = self.running.get(&token).is_some_and(|attempt| !attempt.has_begun);
            ensure!(!kept, "{token} was handed back and still runs");
        }
        ensure!(self.step.to_stop.is_empty(), "not told to stop: {:?}", self.step.to_stop);
        let step = &self.step;
        ensure!(step.to_release.is_empty(), "waiting for ever: {:?}", step.to_release);
        ensure!(step.to_turn_away.is_none(), "waiting for ever: {:?}", step.to_turn_away);
        ensure!(step.finished || !step.must_finish, "evaluators were forgotten");
        let over = matches!(self.phase, Phase::Draining | Phase::Finished(_));
        ensure!(over || !step.sent_home, "workers were released although work may come");
        let waits = self.workers.values().any(|worker| worker.slots > 0);
        ensure!(!over || !waits, "a worker waits for work that never comes");
        Ok(())
    }

    fn audit_time(&self) -> Result<(), Violation> {
        for (token, attempt) in &self.running {
            let overdue = attempt.deadline.is_some_and(|at| at <= self.clock);
            ensure!(!overdue, "{token} runs past its deadline");
            let known = self.workers.contains_key(&attempt.worker);
            ensure!(known, "{token} runs on {}, which is gone", attempt.worker);
        }
        Ok(())
    }

    fn audit_progress(&self) -> Result<(), Violation> {
        let is_wanted = self.cells.iter().any(|cell| self.is_wanted(cell));
        let could_start = self.phase == Phase::Running && is_wanted;
        let full = self.running_count() >= self.config.max_in_flight
            || self.pending() >= self.config.window;
        ensure!(!could_start || full, "a worker waits although there is work and no limit is met");
        ensure!(self.pressure == could_start, "backpressure is {}", self.pressure);
        ensure!(!self.is_hopeless(), "too many cells failed and the batch goes on");
        let open = self.count(|cell| !matches!(cell.state, State::Ended(_)));
        let finished = self.phase.is_finished();
        ensure!(finished || open > 0, "nothing is left to do and the batch is not finished");
        let drained = self.phase == Phase::Draining && self.pending() == 0;
        ensure!(!drained, "nothing is under way and the batch still drains");
        ensure!(!finished || self.running.is_empty(), "the batch finished and attempts run");
        Ok(())
    }

    /// Compares every answer the scheduler gives about itself with a recount.
    fn audit_answers(&self, subject: &dyn Subject) -> Result<(), Violation> {
        let (told, counted) = (subject.counts(), self.recount());
        ensure!(told == counted, "counts {told:?}, counted {counted:?}");
        ensure!(subject.phase() == self.phase, "phase {:?}, not {:?}", subject.phase(), self.phase);
        for (index, cell) in (0..).zip(&self.cells) {
            let (told, known) = (subject.status(CellIndex(index)), self.expected_status(cell));
            ensure!(told == Some(known), "cell {index} is {told:?}, not {known:?}");
        }
        for group in (0..4).map(Group) {
            let told = subject.outstanding(group);
            let open = |cell: &Cell| {
                cell.group == group && !matches!(cell.state, State::Unsettled(_) | State::Ended(_))
            };
            let counted = self.count(open);
            ensure!(told == counted, "{group} has {told} cells left, counted {counted}");
        }
        let (told, known) = (subject.next_wake(), self.expected_wake());
        ensure!(told == known, "wakes at {told:?}, not {known:?}");
        Ok(())
    }

    fn expected_wake(&self) -> Option<Millis> {
        if self.phase.is_finished() {
            return None;
        }
        let deadlines = self.running.values().filter_map(|attempt| attempt.deadline);
        let ttl = self.config.lease_ttl;
        let leases = self
            .workers
            .values()
            .filter_map(|known| ttl.map(|ttl| known.last_seen.saturating_add(ttl)));
        let backoffs = self.cells.iter().filter_map(|cell| match cell.state {
            State::Waiting(at) if at > self.clock => Some(at),
            _ => None,
        });
        deadlines.chain(leases).chain(backoffs).min()
    }
}
