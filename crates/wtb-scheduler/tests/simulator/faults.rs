//! What goes wrong: workers that stall, crash, fall silent, lie and come back; people who pause,
//! cancel and requeue at the worst moment; clocks that jump; drivers that die.

use wtb_scheduler::{AttemptEnd, BatchEnd, Input, Millis, Phase, Token, WorkerId};

use crate::{
    model::Violation,
    plan::chance,
    world::{Event, World},
};

/// How far clocks jump, and how late the latest message comes, in milliseconds.
const JUMP_MAX: u64 = 300;
/// Beyond this many workers nothing new happens, but every heartbeat is one more event.
const WORKERS_MAX: usize = 12;

impl World {
    fn strikes(&mut self, percent: u32) -> bool {
        !self.calm && chance(&mut self.random, percent)
    }

    /// A worker was given an attempt.
    pub(crate) fn work(&mut self, worker: WorkerId, token: Token) {
        let Some(known) = self.workers.get_mut(&worker).filter(|known| known.alive) else {
            return;
        };
        known.running.push(token);
        let rates = self.plan.rates.clone();
        let duration = self.delay(self.plan.duration_max);
        if self.plan.config.hands_ahead {
            let begins = self.delay(duration);
            if self.strikes(rates.returned) {
                self.forget(worker, token);
                self.post(begins, Event::Deliver(Input::Returned { token }));
                return self.post(begins, Event::Poll(worker));
            }
            self.post(begins, Event::Deliver(Input::Began { token }));
        }
        if self.strikes(rates.stalled) {
            return self.stall(worker);
        }
        if self.strikes(rates.crashed) {
            return self.crash(worker, duration);
        }
        if self.strikes(rates.child_lost) {
            self.forget(worker, token);
            self.post(duration, Event::Deliver(Input::Lost { token }));
            return self.post(duration, Event::Poll(worker));
        }
        if self.strikes(rates.silenced) && self.plan.config.lease_ttl.is_some() {
            return self.fall_silent(worker, token);
        }
        let end = self.draw_end();
        if self.strikes(rates.idle_early) {
            self.forget(worker, token);
            self.post(duration.saturating_sub(1), Event::Poll(worker));
        }
        if !self.strikes(rates.lost) {
            let late = if self.strikes(rates.late) { self.delay(JUMP_MAX) } else { 0 };
            self.post(duration + late, Event::Deliver(Input::Completed { token, end }));
        }
        if self.strikes(rates.duplicated) {
            let (delay, end) = (duration + self.delay(JUMP_MAX), self.draw_end());
            self.post(delay, Event::Deliver(Input::Completed { token, end }));
        }
        self.forget(worker, token);
        self.post(duration, Event::Poll(worker));
    }

    /// The slot is taken for good, as by a thread that hangs. Once the attempt is expired, the
    /// runner replaces the worker.
    fn stall(&mut self, worker: WorkerId) {
        if self.plan.config.attempt_timeout.is_none() {
            let delay = self.delay(JUMP_MAX);
            self.crash(worker, delay);
        } else if self.strikes(50) {
            self.post(JUMP_MAX, Event::Join);
        }
    }

    /// The worker dies and somebody notices.
    fn crash(&mut self, worker: WorkerId, after: u64) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.alive = false;
        }
        self.post(after, Event::Deliver(Input::WorkerGone { worker }));
        self.post(after + 1, Event::Join);
    }

    /// The worker stops sending and nobody notices; it may come back as a zombie.
    fn fall_silent(&mut self, worker: WorkerId, token: Token) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.alive = false;
        }
        let back = self.delay(2 * JUMP_MAX);
        if self.strikes(60) {
            let (end, group) = (self.draw_end(), self.plan.draw_group(&mut self.random));
            self.post(back, Event::Deliver(Input::Completed { token, end }));
            self.post(back, Event::Deliver(Input::Heartbeat { worker }));
            self.post(back, Event::Deliver(Input::WorkerIdle { worker, slots: 1, group }));
        }
        self.post(back, Event::Join);
    }

    fn forget(&mut self, worker: WorkerId, token: Token) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.running.retain(|other| *other != token);
        }
    }

    /// A worker was asked to stop an attempt. A stalled one may obey, others have moved on.
    pub(crate) fn stop(&mut self, worker: WorkerId, token: Token) {
        if chance(&mut self.random, 50) {
            self.forget(worker, token);
            let end = AttemptEnd::Cancelled;
            self.post(1, Event::Deliver(Input::Completed { token, end }));
            self.post(2, Event::Poll(worker));
        }
    }

    fn draw_end(&mut self) -> AttemptEnd {
        let rates = self.plan.rates.clone();
        if self.strikes(rates.failed) {
            let asked = self.strikes(rates.retry_after);
            let retry_after = asked.then(|| Millis(self.delay(JUMP_MAX)));
            let retryable = !self.strikes(20);
            return AttemptEnd::Failed { retryable, retry_after };
        }
        if !self.strikes(rates.other_ends) {
            return AttemptEnd::Succeeded;
        }
        match self.random.below(4) {
            0 => AttemptEnd::TimedOut,
            1 => AttemptEnd::Cancelled,
            2 => AttemptEnd::Interrupted,
            _ => AttemptEnd::Paused,
        }
    }

    /// Does something to the batch, the clock or the driver; then again later.
    pub(crate) fn chaos(&mut self) -> Result<(), Violation> {
        if self.calm {
            return Ok(());
        }
        let gap = 1 + self.delay(self.plan.chaos_gap_max);
        self.post(gap, Event::Chaos);
        let rates = self.plan.rates.clone();
        if self.strikes(rates.clock_jump) {
            self.jump();
        }
        if self.workers.len() < WORKERS_MAX && self.strikes(rates.join) {
            self.join();
        }
        if self.strikes(rates.restart) || self.strikes(rates.drain * 5) && self.is_drained() {
            self.restart()?;
        }
        self.meddle()?;
        self.forge()
    }

    /// People ask for things, sensible or not.
    fn meddle(&mut self) -> Result<(), Violation> {
        let rates = self.plan.rates.clone();
        let requests = [(rates.pause, Input::Pause), (rates.drain, Input::Drain)];
        for (rate, request) in requests.into_iter().chain([(rates.cancel, Input::Cancel)]) {
            if self.strikes(rate) {
                self.deliver(request)?;
            }
        }
        if self.model.phase == Phase::Paused && self.strikes(40) || self.strikes(rates.pause / 4) {
            self.deliver(Input::Resume)?;
        }
        if self.strikes(rates.cancel_cell) {
            let cell = self.any_cell();
            self.deliver(Input::CancelCell { cell })?;
        }
        if self.strikes(rates.requeue) {
            let cell = self.any_cell();
            self.deliver(Input::Requeue { cell })?;
        }
        Ok(())
    }

    /// Messages arrive that nobody should have sent.
    fn forge(&mut self) -> Result<(), Violation> {
        let rates = self.plan.rates.clone();
        if self.strikes(rates.forged) {
            let highest = self.model.highest_token.map_or(0, |token| token.0) + 3;
            let token = Token(self.delay(highest));
            // An honest driver's tokens cannot be guessed right: only those not running are forged.
            if !self.model.running.contains_key(&token) {
                let end = self.draw_end();
                self.deliver(Input::Completed { token, end })?;
            }
        }
        if self.strikes(rates.forged) {
            let highest = self.model.highest_token.map_or(0, |token| token.0) + 3;
            let token = Token(self.delay(highest));
            let begins = chance(&mut self.random, 50);
            let input = if begins { Input::Began { token } } else { Input::Returned { token } };
            self.deliver(input)?;
        }
        if self.strikes(rates.forged) {
            let cell = self.any_cell();
            self.deliver(Input::Settled { cell })?;
        }
        if self.strikes(rates.forged) {
            let worker = WorkerId(self.delay(9));
            self.deliver(Input::Heartbeat { worker })?;
        }
        if self.strikes(rates.withdraw) {
            let worker = WorkerId(self.delay(9));
            let group = self.plan.draw_group(&mut self.random);
            self.deliver(Input::WorkerIdle { worker, slots: 0, group })?;
            self.post(9, Event::Poll(worker));
        }
        Ok(())
    }

    fn jump(&mut self) {
        let far = i64::try_from(self.delay(JUMP_MAX)).unwrap_or(0);
        self.clock_ahead += if chance(&mut self.random, 50) { far } else { -far };
    }

    fn is_drained(&self) -> bool {
        self.model.phase == Phase::Finished(BatchEnd::Drained)
    }

    /// From here on nothing goes wrong, so the batch must come to its end.
    pub(crate) fn calm_down(&mut self) -> Result<(), Violation> {
        if self.is_drained() && chance(&mut self.random, 50) {
            self.restart()?;
        }
        self.calm = true;
        if self.model.phase == Phase::Paused {
            self.deliver(Input::Resume)?;
        }
        // Without deadlines, an outcome that was lost is waited for until its worker goes.
        if self.plan.config.attempt_timeout.is_none() || chance(&mut self.random, 50) {
            let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
            for worker in workers {
                if let Some(known) = self.workers.get_mut(&worker) {
                    known.alive = false;
                }
                self.deliver(Input::WorkerGone { worker })?;
            }
        }
        for _ in 0..self.plan.groups {
            self.join();
        }
        Ok(())
    }
}
