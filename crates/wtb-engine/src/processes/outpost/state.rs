//! What a supervisor holds of a batch: attempts that wait, are under way, or have ended, and what is to be said.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use wtb_store::Ticket;

use crate::EngineError;
use crate::active::{Delivered, Handed, Handout, Report, Task, WorkerKey};

/// How long what has happened waits for more, as long as the workers have enough to do.
const LINGER: Duration = Duration::from_millis(50);
/// How long an attempt may wait for its start before it is handed back, for others that are free.
const HOLD_MAX: Duration = Duration::from_secs(1);
/// How many attempts are remembered that are to stop and are neither waiting nor under way.
const STOPPED_MAX: usize = 1024;

/// What it holds.
#[derive(Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<(Handed, Instant)>,
    pub(super) running: HashMap<WorkerKey, Running>,
    /// Attempts that are to stop and are neither waiting nor under way: they have ended, are about to start,
    /// or have still to come, since what is sent at the same time may come in any order.
    pub(super) stopped: BTreeSet<u64>,
    pub(super) report: Report,
    /// Attempts that have ended, until what they have written is durable: their outcomes name it.
    pub(super) ending: VecDeque<(Ticket, Delivered)>,
    /// Since when there has been something to say.
    pub(super) news_since: Option<Instant>,
    pub(super) is_last: bool,
    pub(super) failure: Option<EngineError>,
}

/// An attempt under way.
pub(super) struct Running {
    pub(super) task: Task,
    pub(super) since: Instant,
}

impl State {
    /// Takes what was handed out, and what is to stop.
    pub(super) fn take(&mut self, handout: Handout) {
        let now = Instant::now();
        for handed in handout.tasks {
            if self.stopped.remove(&handed.token) {
                self.hand_back(handed.token);
            } else {
                self.queue.push_back((handed, now));
            }
        }
        for token in handout.stops {
            self.stop(token);
        }
        self.is_last |= handout.is_last;
    }

    fn stop(&mut self, token: u64) {
        if let Some(at) = self.queue.iter().position(|(handed, _)| handed.token == token) {
            self.queue.remove(at);
            self.hand_back(token);
        } else if let Some(running) =
            self.running.values().find(|running| running.task.token == token)
        {
            running.task.stop();
        } else {
            self.stopped.insert(token);
            if self.stopped.len() > STOPPED_MAX {
                self.stopped.pop_first();
            }
        }
    }

    /// When the next report is due, at the latest `until`.
    pub(super) fn due(&self, until: Instant) -> Instant {
        let Some(since) = self.news_since else {
            return until;
        };
        let is_hungry = self.queue.is_empty() && !self.report.ended.is_empty();
        if is_hungry { since } else { until.min(since + LINGER) }
    }

    /// Returns what has happened since the last time.
    pub(super) fn say(&mut self, now: Instant) -> Report {
        let mut report = std::mem::take(&mut self.report);
        self.news_since = (!self.ending.is_empty()).then_some(now);
        while let Some((handed, since)) = self.queue.front()
            && now.duration_since(*since) > HOLD_MAX
        {
            report.returned.push(handed.token);
            self.queue.pop_front();
        }
        report
    }

    /// Takes those among the ended attempts whose writes are durable by now. It is not waited for: who asks for
    /// news wants to hear that this supervisor lives, also while the store does not answer.
    pub(super) fn confirm(&mut self) {
        while let Some(written) = self.ending.front().and_then(|(ticket, _)| ticket.poll())
            && let Some((_, delivered)) = self.ending.pop_front()
        {
            match written {
                Ok(_) => self.report.ended.push(delivered),
                Err(error) => drop(self.failure.get_or_insert(error.into())),
            }
        }
    }

    /// Says that an attempt goes back unstarted.
    pub(super) fn hand_back(&mut self, token: u64) {
        self.report.returned.push(token);
        self.has_news();
    }

    /// Notes that there is something to say.
    pub(super) fn has_news(&mut self) {
        self.news_since.get_or_insert_with(Instant::now);
    }
}
