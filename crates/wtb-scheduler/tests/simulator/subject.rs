//! What is put to the test: the scheduler, seen through its public face, or one of the `mutants`.

use wtb_scheduler::{
    CellIndex, CellStatus, Command, Config, Counts, Group, Input, Millis, Phase, Prior, Scheduler,
    SchedulerError,
};

/// The public face of a scheduler.
pub(crate) trait Subject {
    fn handle(&mut self, now: Millis, input: Input) -> Result<Vec<Command>, SchedulerError>;
    fn next_wake(&self) -> Option<Millis>;
    fn counts(&self) -> Counts;
    fn outstanding(&self, group: Group) -> u32;
    fn phase(&self) -> Phase;
    fn status(&self, cell: CellIndex) -> Option<CellStatus>;
}

/// Makes a subject for a batch whose cells have a past.
pub(crate) type Factory = fn(Config, &[Prior]) -> Box<dyn Subject>;

impl Subject for Scheduler {
    fn handle(&mut self, now: Millis, input: Input) -> Result<Vec<Command>, SchedulerError> {
        self.handle(now, input)
    }
    fn next_wake(&self) -> Option<Millis> {
        self.next_wake()
    }
    fn counts(&self) -> Counts {
        self.counts()
    }
    fn outstanding(&self, group: Group) -> u32 {
        self.outstanding(group)
    }
    fn phase(&self) -> Phase {
        self.phase()
    }
    fn status(&self, cell: CellIndex) -> Option<CellStatus> {
        self.status(cell)
    }
}

/// Makes the real scheduler.
pub(crate) fn genuine(config: Config, priors: &[Prior]) -> Box<dyn Subject> {
    Box::new(build(config, priors))
}

pub(crate) fn build(config: Config, priors: &[Prior]) -> Scheduler {
    match Scheduler::resume(config, priors.iter().copied()) {
        Ok(scheduler) => scheduler,
        Err(error) => panic!("the plan drew a setting that cannot work: {error}"),
    }
}
