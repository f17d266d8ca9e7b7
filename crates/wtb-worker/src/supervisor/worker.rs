//! A worker from the supervisor's side: what it asks is answered, what it prints is kept, and when its
//! time is up it ends.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::ending::{Ended, Facts, Stop};
use super::keeper::{Keeper, Lost, Spawned};
use super::line::Line;
use super::output::Output;
use super::{Settings, SupervisorError};
use crate::answers::Answers;
use crate::checkpointer::Checkpointer;
use crate::message::{FromWorker, Order, PROTOCOL_VERSION, ToWorker};
use crate::process::{Limits, Report, ToKeeper};

/// How long it may take until a worker is told to end that is not wanted any more.
const TICK: Duration = Duration::from_millis(20);
/// How long a worker is heard before it is looked whether its time is up.
const TURN: Duration = Duration::from_millis(20);
/// How long a worker that has delivered, or closed its connection, may take to end; and how long it
/// may take to hear what one said that has ended.
const LEAVE: Duration = Duration::from_secs(2);
/// How long the end of all its processes may take after they were killed, before its keeper is.
const KILLED: Duration = Duration::from_secs(2);
/// How long output may stay open after all processes of its worker are gone.
const LINGER: Duration = Duration::from_millis(50);

/// What an attempt belongs to.
pub trait Host {
    /// Where its checkpoints are kept.
    fn checkpoints(&self) -> &dyn Checkpointer;

    /// Whether it is not wanted any more.
    fn is_stopped(&self) -> bool;
}

/// A worker's process and the connection to it. Dropping it ends the process and all below it.
#[derive(Debug)]
pub struct Worker {
    line: Line,
    /// Until it is lost.
    keeper: Option<Keeper>,
    report: Option<Report>,
    /// Since when there is no process any more.
    gone: Option<Instant>,
    stdout: Output,
    stderr: Output,
    timeout: Option<Duration>,
    grace: Duration,
    limits: Limits,
    is_fresh: bool,
}

/// How far the end of an attempt is.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// It runs.
    Running,
    /// It has delivered, or was asked to end; at that time it is killed.
    Ending(Instant),
    /// It was killed; at that time its keeper is.
    Killed(Instant),
    /// Its keeper was killed; at that time nobody knows what to do.
    Lost(Instant),
}

impl Worker {
    pub(super) fn begin(spawned: Spawned, settings: &Settings) -> Result<Self, SupervisorError> {
        let welcome = ToWorker::Welcome { version: PROTOCOL_VERSION, job: settings.job.clone() };
        Ok(Self {
            line: Line::new(spawned.connection, &welcome)?,
            keeper: Some(spawned.keeper),
            report: None,
            gone: None,
            stdout: Output::new(spawned.stdout),
            stderr: Output::new(spawned.stderr),
            timeout: settings.timeout,
            grace: settings.grace,
            limits: settings.spec.limits.clone(),
            is_fresh: settings.is_fresh,
        })
    }

    /// Whether the worker still ran a moment ago, and can be given an attempt: what it says while it
    /// has none would count for the next one.
    pub fn is_alive(&mut self) -> bool {
        self.hear_keeper();
        self.line.flush();
        self.line.read();
        while let Some(message) = self.line.next() {
            if !matches!(message, FromWorker::Hello { .. }) {
                self.line.refuse("it spoke while it had no attempt".to_owned());
            }
        }
        self.gone.is_none() && self.line.is_open() && self.line.violation().is_none()
    }

    /// Waits until the worker has said hello; false if it does not come to that. For whoever wants to know
    /// whether workers can be made: an attempt does not wait for it.
    pub fn says_hello(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            self.hear_keeper();
            self.line.flush();
            self.line.read();
            if let Some(FromWorker::Hello { version }) = self.line.next() {
                return version == PROTOCOL_VERSION;
            }
            if self.gone.is_some() || !self.line.is_open() || Instant::now() >= until {
                return false;
            }
            self.wait(Some(until));
        }
    }

    /// Returns the keeper of a worker that has ended, for the next one. Everything below a worker that
    /// has not ended ends with it.
    pub fn into_keeper(self) -> Option<Keeper> {
        self.keeper.filter(|_| self.gone.is_some())
    }

    /// Gives the worker an attempt and waits for its end: not longer than the timeout, the grace and
    /// what it takes to kill it.
    pub fn attempt(&mut self, order: Order, host: &dyn Host) -> Result<Ended, SupervisorError> {
        let began = Instant::now();
        let deadline = self.timeout.and_then(|timeout| began.checked_add(timeout));
        self.line.tell(&ToWorker::Attempt(Box::new(order)))?;
        let mut facts = Facts::default();
        let mut answers = Answers::new(host.checkpoints());
        let mut stage = Stage::Running;
        loop {
            self.wait(until(stage, deadline));
            self.hear_worker(&mut answers, &mut facts)?;
            self.hear_keeper();
            self.stdout.drain();
            self.stderr.drain();
            if self.is_over(&facts) {
                break;
            }
            if self.gone.is_none() {
                stage = self.advance(stage, deadline, host, &mut facts)?;
            }
        }
        facts.nodes = answers.into_nodes();
        facts.duration_s = began.elapsed().as_secs_f64();
        Ok(self.conclude(facts))
    }

    fn is_over(&self, facts: &Facts) -> bool {
        if let Some(gone) = self.gone {
            // All of its processes are gone: what they have said is there.
            return self.line.is_over() || gone.elapsed() >= LEAVE;
        }
        !self.is_fresh && facts.outcome.is_some() && facts.stop.is_none()
    }

    /// Does what it is time for.
    fn advance(
        &mut self,
        stage: Stage,
        deadline: Option<Instant>,
        host: &dyn Host,
        facts: &mut Facts,
    ) -> Result<Stage, SupervisorError> {
        let now = Instant::now();
        match stage {
            Stage::Running if self.line.violation().is_some() => Ok(self.kill(now)),
            Stage::Running if facts.outcome.is_some() || !self.line.is_open() => {
                Ok(Stage::Ending(now + LEAVE))
            }
            Stage::Running => {
                let is_late = deadline.is_some_and(|deadline| deadline <= now);
                facts.stop = match (is_late, host.is_stopped()) {
                    (true, _) => Some(Stop::TimedOut),
                    (false, true) => Some(Stop::Cancelled),
                    (false, false) => return Ok(stage),
                };
                self.tell(ToKeeper::Terminate {});
                Ok(Stage::Ending(now + self.grace))
            }
            Stage::Ending(at) if at <= now || self.line.violation().is_some() => {
                if !self.line.is_open() && facts.outcome.is_none() && facts.stop.is_none() {
                    self.line.refuse("it closed its connection, and went on".to_owned());
                }
                Ok(self.kill(now))
            }
            Stage::Killed(at) if at <= now => {
                if let Some(keeper) = &self.keeper {
                    keeper.kill();
                }
                Ok(Stage::Lost(now + KILLED))
            }
            Stage::Lost(at) if at <= now => {
                let reason = "a worker's processes do not end although they were killed".to_owned();
                Err(SupervisorError::TemplateLost(reason))
            }
            stage => Ok(stage),
        }
    }

    fn kill(&mut self, now: Instant) -> Stage {
        self.tell(ToKeeper::Kill {});
        Stage::Killed(now + KILLED)
    }

    fn tell(&mut self, what: ToKeeper) {
        if let Some(keeper) = &mut self.keeper {
            keeper.tell(what);
        }
    }

    /// Waits until something can be read or written, or until it is time to look.
    fn wait(&self, until: Option<Instant>) {
        let rest = until.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = rest.map_or(TICK, |rest| rest.min(TICK));
        let wait = if self.line.has_next() { Duration::ZERO } else { wait };
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = Vec::with_capacity(4);
        fds.extend(self.line.poll_fd());
        if let (Some(keeper), None) = (&self.keeper, self.gone) {
            fds.push(PollFd::from_borrowed_fd(keeper.as_fd(), PollFlags::IN));
        }
        let outputs = [&self.stdout, &self.stderr].into_iter().filter_map(Output::file);
        fds.extend(outputs.map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)));
        // Whatever is wrong with one of them shows when it is read.
        let _ = poll(&mut fds, Some(&wait));
    }

    /// Hears what the worker has said, but not for longer than a turn.
    fn hear_worker(
        &mut self,
        answers: &mut Answers<'_>,
        facts: &mut Facts,
    ) -> Result<(), SupervisorError> {
        self.line.flush();
        if self.gone.is_none() {
            self.line.read();
        } else {
            self.line.read_last();
        }
        let until = Instant::now() + TURN;
        while let Some(message) = self.line.next() {
            let answer = match message {
                // The first one counts: nothing that comes after it changes it.
                message if facts.outcome.is_some() => Answers::too_late(&message),
                // There is nobody to be answered.
                message if self.line.is_deaf() && Answers::only_asks(&message) => None,
                FromWorker::Outcome(outcome) => {
                    facts.outcome = Some(*outcome);
                    if self.is_fresh || facts.stop.is_some() {
                        self.line.tell(&ToWorker::Farewell {})?;
                    }
                    None
                }
                message => answers.to(message),
            };
            if let Some(answer) = answer {
                self.line.tell(&ToWorker::Answer(answer))?;
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(())
    }

    fn hear_keeper(&mut self) {
        let (Some(keeper), None) = (&mut self.keeper, self.gone) else { return };
        match keeper.hear() {
            Ok(None) => return,
            Ok(report) => self.report = report,
            Err(Lost) => self.keeper = None,
        }
        self.gone = Some(Instant::now());
    }

    fn conclude(&mut self, mut facts: Facts) -> Ended {
        facts.violation = self.line.violation().map(str::to_owned);
        let is_gone = self.gone.is_some();
        if is_gone {
            facts.report = self.report.take();
            let until = Instant::now() + LINGER;
            while self.is_output_open() && Instant::now() < until {
                self.wait(Some(until));
                self.stdout.drain();
                self.stderr.drain();
            }
            facts.is_output_open = self.is_output_open();
        } else {
            self.stdout.drain();
            self.stderr.drain();
        }
        Ended {
            is_lost: is_gone && facts.is_lost(),
            is_gone,
            outcome: facts.outcome(&self.limits),
            stdout: self.stdout.take(),
            stderr: self.stderr.take(),
        }
    }

    fn is_output_open(&self) -> bool {
        self.stdout.file().is_some() || self.stderr.file().is_some()
    }
}

/// When it is time for the next stage.
fn until(stage: Stage, deadline: Option<Instant>) -> Option<Instant> {
    match stage {
        Stage::Running => deadline,
        Stage::Ending(at) | Stage::Killed(at) | Stage::Lost(at) => Some(at),
    }
}
