//! The scheduler itself: its state, and the one way to change it.
//!
//! Each input goes through the same steps: it is checked (a refused input changes nothing), the
//! clock is moved forward, due timers fire, the input takes effect, and free workers get work. The
//! steps live in one file each: `requests`, `reports`, `expiry`, `ending`, `assignment`.

mod assignment;
mod ending;
mod expiry;
mod reports;
mod requests;

use crate::{
    attempts::Attempts,
    cell::{CellStatus, Cells, Prior},
    command::{Command, Phase},
    config::Config,
    counts::Counts,
    error::{ConfigError, SchedulerError},
    ids::{CellIndex, Group, Millis, Token, WorkerId},
    input::Input,
    timers::Timers,
    workers::Workers,
};

/// Decides which cell runs when and on which worker, and what becomes of it.
///
/// It has no clock and does nothing by itself: the caller reports what happened and carries out the
/// commands. The same inputs at the same instants give the same commands.
///
/// ```
/// use wtb_scheduler::{AttemptEnd, Command, Config, Group, Input, Millis, Scheduler, WorkerId};
///
/// let mut scheduler = Scheduler::new(Config::default(), 1)?;
/// let worker = WorkerId(1);
/// let commands = scheduler.handle(Millis(0), Input::WorkerIdle { worker, slots: 1, group: Group(0) })?;
/// let [Command::Start { token, .. }] = commands[..] else { panic!("{commands:?}") };
/// let end = AttemptEnd::Succeeded;
/// let commands = scheduler.handle(Millis(5), Input::Completed { token, end })?;
/// assert!(matches!(commands[..], [Command::Accept { .. }, Command::Phase { .. }]));
/// assert!(scheduler.phase().is_finished());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scheduler {
    config: Config,
    now: Millis,
    phase: Phase,
    cells: Cells,
    attempts: Attempts,
    workers: Workers,
    deadlines: Timers<Token>,
    leases: Timers<WorkerId>,
    /// The second number is the attempt that failed: it tells a backoff from an earlier one.
    backoffs: Timers<(CellIndex, u32)>,
    under_pressure: bool,
    /// Cells that succeeded, failed or timed out here, for fail-fast.
    sampled: u32,
    /// Cells among them that failed or timed out.
    sampled_failures: u32,
}

impl Scheduler {
    /// Makes the scheduler of a new batch of `cells` cells.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting cannot work.
    pub fn new(config: Config, cells: u32) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self::with_cells(config, Cells::fresh(cells)))
    }

    /// Makes the scheduler of a batch that an earlier session left unfinished: one [`Prior`] per
    /// cell, in order. Cells with an end count as settled. `first_token` must be above all tokens
    /// of the earlier sessions: what their workers still say is then fenced as stale.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting cannot work or there are too many cells.
    pub fn resume(
        config: Config,
        priors: impl IntoIterator<Item = Prior>,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self::with_cells(config, Cells::restored(priors)?))
    }

    fn with_cells(config: Config, cells: Cells) -> Self {
        Self {
            now: Millis(0),
            phase: Phase::Running,
            cells,
            attempts: Attempts::new(config.first_token),
            workers: Workers::new(config.lease_ttl),
            deadlines: Timers::new(),
            leases: Timers::new(),
            backoffs: Timers::new(),
            under_pressure: false,
            sampled: 0,
            sampled_failures: 0,
            config,
        }
    }

    /// Takes in what happened at `now` and returns what to do about it, in order.
    ///
    /// Time that runs backwards is taken as standing still. Deadlines, lease ends and backoffs that
    /// are due fire before a report takes effect, so an outcome that comes at its deadline is too
    /// late. A request takes effect before them: it is judged by what its sender could know.
    ///
    /// # Errors
    /// [`SchedulerError`] when the input makes no sense as things stand; then nothing has changed,
    /// the time included.
    pub fn handle(&mut self, now: Millis, input: Input) -> Result<Vec<Command>, SchedulerError> {
        self.check(&input)?;
        self.now = self.now.max(now);
        let mut commands = Vec::new();
        if input.is_request() {
            self.apply_request(input, &mut commands);
            self.fire_due(&mut commands);
        } else {
            self.fire_due(&mut commands);
            self.apply_report(input, &mut commands);
        }
        self.give_up_if_hopeless(&mut commands);
        self.assign(&mut commands);
        self.finish_if_through(&mut commands);
        self.prune_timers();
        Ok(commands)
    }

    /// Returns when the next deadline, lease end or backoff is due: the caller sends
    /// [`Input::Tick`] then, unless it had something else to say. `None` when nothing is.
    #[must_use]
    pub fn next_wake(&self) -> Option<Millis> {
        let due = [self.deadlines.next(), self.leases.next(), self.backoffs.next()];
        due.into_iter().flatten().min()
    }

    /// Returns how many cells stand where. Takes constant time.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.cells.counts
    }

    /// Returns how many cells that a group's workers can run have not ended. Takes constant time.
    #[must_use]
    pub fn outstanding(&self, group: Group) -> u32 {
        self.cells.outstanding(group)
    }

    /// Returns where the batch stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns where a cell stands, or `None` when there is no such cell.
    #[must_use]
    pub fn status(&self, cell: CellIndex) -> Option<CellStatus> {
        self.cells.get(cell).map(crate::cell::Cell::status)
    }

    fn prune_timers(&mut self) {
        let (attempts, workers, cells) = (&self.attempts, &self.workers, &self.cells);
        self.deadlines.prune(attempts.len(), |_, token| attempts.is_running(token));
        self.leases.prune(workers.len(), |at, worker| workers.lease_end(worker) == Some(at));
        self.backoffs.prune(cells.counts.waiting as usize, |_, (cell, attempt)| {
            cells.get(cell).is_some_and(|cell| {
                cell.status() == CellStatus::Waiting && cell.attempts == attempt
            })
        });
    }
}
