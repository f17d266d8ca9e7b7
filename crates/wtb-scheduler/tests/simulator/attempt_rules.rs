//! The rules for commands about one attempt: its start, its end, and what becomes of its cell.

use wtb_scheduler::{
    AttemptEnd, CellEnd, CellIndex, ExpireCause, FenceReason, Input, Millis, Next, Phase, Token,
    WorkerId,
};

use crate::model::{Attempt, Model, State, Violation, ensure};

impl Model {
    pub(crate) fn observe_start(
        &mut self,
        token: Token,
        attempt: Attempt,
    ) -> Result<(), Violation> {
        ensure!(self.phase == Phase::Running, "a start while {:?}", self.phase);
        ensure!(token.0 >= self.config.first_token, "{token} is below the first token");
        ensure!(Some(token) > self.highest_token, "{token} after {:?}", self.highest_token);
        ensure!(self.running_count() < self.config.max_in_flight, "too many attempts run");
        ensure!(self.pending() < self.config.window, "too many cells are pending");
        let first = self.cells.iter().position(|cell| self.is_wanted(cell));
        let index = attempt.cell.0 as usize;
        ensure!(first == Some(index), "{} before {first:?}", attempt.cell);
        let timeout = self.config.attempt_timeout.filter(|_| attempt.has_begun);
        let deadline = timeout.map(|timeout| self.clock.saturating_add(timeout));
        ensure!(attempt.deadline == deadline, "the deadline is not {deadline:?}");
        let Some(worker) = self.workers.get_mut(&attempt.worker).filter(|known| known.slots > 0)
        else {
            return Err(format!("{} did not ask for work", attempt.worker));
        };
        worker.slots -= 1;
        let group = worker.group;
        let cell = &mut self.cells[index];
        ensure!(cell.group == group, "a cell of {} on a worker of {group}", cell.group);
        cell.attempts += 1;
        cell.state = State::Running(token);
        ensure!(
            attempt.number == cell.attempts,
            "attempt {} is no. {}",
            attempt.number,
            cell.attempts
        );
        self.highest_token = Some(token);
        self.running.insert(token, attempt);
        Ok(())
    }

    pub(crate) fn observe_accept(
        &mut self,
        token: Token,
        cell: CellIndex,
        number: u32,
        end: AttemptEnd,
        next: Next,
    ) -> Result<(), Violation> {
        let Some(attempt) = self.running.remove(&token) else {
            return Err(format!("{token} was accepted and is not running"));
        };
        ensure!((attempt.cell, attempt.number) == (cell, number), "{token} is of {attempt:?}");
        ensure!(attempt.deadline.is_none_or(|at| at > self.clock), "accepted past its deadline");
        ensure!(!self.step.lapsed.contains_key(&attempt.worker), "accepted past its lease");
        self.step.unanswered = None;
        self.accepted.insert(token);
        self.note_alive(attempt.worker);
        let through = |end| Next::Final { end, dead_letter: false };
        let (expected, least) = match end {
            AttemptEnd::Succeeded => (Some(through(CellEnd::Succeeded)), None),
            AttemptEnd::Cancelled => (Some(through(CellEnd::Cancelled)), None),
            AttemptEnd::Interrupted => (Some(through(CellEnd::Interrupted)), None),
            AttemptEnd::Paused => (Some(through(CellEnd::Paused)), None),
            AttemptEnd::Failed { retryable: false, .. } => {
                (Some(Next::Final { end: CellEnd::Failed, dead_letter: true }), None)
            }
            AttemptEnd::Failed { retry_after, .. } => {
                (self.charge_failure(cell, CellEnd::Failed)?, retry_after)
            }
            AttemptEnd::TimedOut => (self.charge_failure(cell, CellEnd::TimedOut)?, None),
        };
        self.observe_next(cell, next, expected, least, self.config.settle)
    }

    pub(crate) fn observe_expire(
        &mut self,
        token: Token,
        cell: CellIndex,
        number: u32,
        worker: WorkerId,
        cause: ExpireCause,
        next: Next,
    ) -> Result<(), Violation> {
        let Some(attempt) = self.running.remove(&token) else {
            return Err(format!("{token} was expired and is not running"));
        };
        let same = (attempt.cell, attempt.number, attempt.worker) == (cell, number, worker);
        ensure!(same, "{token} is of {attempt:?}");
        self.justify_expiry(token, &attempt, cause)?;
        self.expired.insert(token);
        if cause != ExpireCause::Lost {
            self.step.to_stop.insert(token, worker);
        }
        let expected = match cause {
            ExpireCause::Timeout => self.charge_failure(cell, CellEnd::TimedOut)?,
            ExpireCause::Cancelled => {
                Some(Next::Final { end: CellEnd::Cancelled, dead_letter: false })
            }
            ExpireCause::Lost | ExpireCause::LeaseExpired => {
                let (max, at) = (self.config.max_losses, self.clock);
                let cell = self.cell(cell)?;
                cell.losses += 1;
                let spent = cell.losses > max;
                let dead = Next::Final { end: CellEnd::Failed, dead_letter: true };
                Some(if spent { dead } else { Next::Retry { at } })
            }
        };
        self.observe_next(cell, next, expected, None, false)
    }

    pub(crate) fn observe_withdraw(
        &mut self,
        token: Token,
        cell: CellIndex,
        number: u32,
        worker: WorkerId,
    ) -> Result<(), Violation> {
        let Some(attempt) = self.running.remove(&token) else {
            return Err(format!("{token} was withdrawn and is not running"));
        };
        let same = (attempt.cell, attempt.number, attempt.worker) == (cell, number, worker);
        ensure!(same && !attempt.has_begun, "{token} is of {attempt:?}");
        let lapsed = self.step.lapsed.contains_key(&worker);
        let input = self.step.input;
        let justified = lapsed
            || input == Some(Input::WorkerGone { worker })
            || input == Some(Input::Returned { token });
        ensure!(justified, "no reason to withdraw {attempt:?}");
        if lapsed {
            self.step.to_stop.insert(token, worker);
        }
        self.expired.insert(token);
        let cell = self.cell(cell)?;
        cell.attempts -= 1;
        cell.state = State::Queued;
        Ok(())
    }

    fn justify_expiry(
        &self,
        token: Token,
        attempt: &Attempt,
        cause: ExpireCause,
    ) -> Result<(), Violation> {
        let deadline = attempt.deadline.filter(|at| *at <= self.clock);
        let lease_end = self.step.lapsed.get(&attempt.worker).copied();
        let justified = match cause {
            ExpireCause::Timeout => {
                deadline.is_some_and(|at| lease_end.is_none_or(|end| at <= end))
            }
            ExpireCause::LeaseExpired => {
                attempt.has_begun && lease_end.is_some_and(|end| deadline.is_none_or(|at| end < at))
            }
            ExpireCause::Lost => {
                let gone = Some(Input::WorkerGone { worker: attempt.worker });
                let input = self.step.input;
                input == Some(Input::Lost { token }) || attempt.has_begun && input == gone
            }
            ExpireCause::Cancelled => self.may_cancel(attempt.cell),
        };
        ensure!(justified, "no reason to expire {attempt:?} for {cause:?}");
        Ok(())
    }

    /// Returns what must become of the cell, or `None` when it must wait.
    fn charge_failure(&mut self, cell: CellIndex, end: CellEnd) -> Result<Option<Next>, Violation> {
        let retries = self.config.retries;
        let cell = self.cell(cell)?;
        cell.failures += 1;
        Ok((cell.failures > retries).then_some(Next::Final { end, dead_letter: true }))
    }

    fn observe_next(
        &mut self,
        cell: CellIndex,
        next: Next,
        expected: Option<Next>,
        least: Option<Millis>,
        settle: bool,
    ) -> Result<(), Violation> {
        if let Some(expected) = expected {
            ensure!(next == expected, "{next:?} becomes of {cell}, not {expected:?}");
        }
        match next {
            Next::Final { end, .. } => {
                ensure!(expected.is_some(), "{cell} still has a retry");
                let failed = matches!(end, CellEnd::Failed | CellEnd::TimedOut);
                self.sampled += u32::from(failed || end == CellEnd::Succeeded);
                self.sampled_failures += u32::from(failed);
                let state = if settle { State::Unsettled(end) } else { State::Ended(end) };
                self.cell(cell)?.state = state;
            }
            Next::Retry { at } => {
                if expected.is_none() {
                    self.check_wait(cell, at, least.unwrap_or_default())?;
                }
                self.retried += 1;
                self.cell(cell)?.state = State::Waiting(at);
            }
        }
        Ok(())
    }

    fn check_wait(&mut self, cell: CellIndex, at: Millis, least: Millis) -> Result<(), Violation> {
        let failures = self.cell(cell)?.failures;
        let range = self.config.backoff.range(failures);
        ensure!(at >= self.clock, "a wait into the past");
        let wait = Millis(at.0 - self.clock.0);
        let longest = least.max(*range.end());
        let shortest = least.max(*range.start());
        ensure!(
            (shortest..=longest).contains(&wait),
            "a wait of {wait} outside {range:?}, {least}"
        );
        Ok(())
    }

    pub(crate) fn observe_fence(
        &mut self,
        token: Token,
        reason: FenceReason,
    ) -> Result<(), Violation> {
        let reported =
            matches!(self.step.input, Some(Input::Completed { token: t, .. }) if t == token);
        ensure!(reported, "{token} was fenced, which nobody reported");
        ensure!(!self.running.contains_key(&token), "{token} runs and was fenced");
        let expected = if self.accepted.contains(&token) {
            FenceReason::Duplicate
        } else if self.expired.contains(&token) || token.0 < self.config.first_token {
            FenceReason::Stale
        } else {
            FenceReason::Unknown
        };
        ensure!(reason == expected, "{token} is {expected:?}, not {reason:?}");
        self.step.unanswered = None;
        Ok(())
    }
}
