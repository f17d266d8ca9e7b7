//! What a caller of the scheduler notices: one small story per promise.

#![expect(clippy::unwrap_used, reason = "a refusal nobody expects is a failed test")]

mod ending;
mod failing;
mod refusing;
mod starting;

use wtb_scheduler::{
    AttemptEnd, BatchEnd, Command, Config, Group, Input, Millis, Next, Phase, Scheduler, Token,
    WorkerId,
};

const WORKER: WorkerId = WorkerId(1);
const FAILED: AttemptEnd = AttemptEnd::Failed { retryable: true, retry_after: None };

fn idle(slots: u32) -> Input {
    Input::WorkerIdle { worker: WORKER, slots, group: Group(0) }
}

fn completed(token: u64, end: AttemptEnd) -> Input {
    Input::Completed { token: Token(token), end }
}

fn batch(config: Config, cells: u32) -> Scheduler {
    Scheduler::new(config, cells).unwrap()
}

/// Sends one input and returns the commands.
fn send(scheduler: &mut Scheduler, at: u64, input: Input) -> Vec<Command> {
    scheduler.handle(Millis(at), input).unwrap()
}

fn started(commands: &[Command]) -> Vec<(u32, u32, u64)> {
    let start = |command: &Command| match command {
        Command::Start { cell, attempt, token, .. } => Some((cell.0, *attempt, token.0)),
        _ => None,
    };
    commands.iter().filter_map(start).collect()
}

fn next(commands: &[Command]) -> Next {
    let next = |command: &Command| match command {
        Command::Accept { next, .. } | Command::Expire { next, .. } => Some(*next),
        _ => None,
    };
    commands.iter().find_map(next).unwrap()
}

fn ended(end: BatchEnd, from: Phase) -> Command {
    Command::Phase { from, to: Phase::Finished(end) }
}
