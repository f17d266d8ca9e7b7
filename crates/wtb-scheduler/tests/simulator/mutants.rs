//! Schedulers that are broken on purpose, to show that the checks of this simulator can fail.
//!
//! They are never a stand-in for the scheduler in a test of the scheduler.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use wtb_scheduler::{
    AttemptEnd, CellEnd, CellIndex, CellStatus, Command, Config, Counts, FenceReason, Group, Input,
    Millis, Next, Phase, Prior, Scheduler, SchedulerError, Token,
};

use crate::subject::{Factory, Subject, build, genuine};

/// A scheduler whose commands or answers are tampered with.
struct Mutant {
    inner: Scheduler,
    tamper: fn(&mut Memory, Input, &mut Vec<Command>),
    tamper_counts: fn(&mut Counts),
    forgets_to_wake: bool,
    memory: Memory,
}

/// What a mutant remembers in order to misbehave believably.
#[derive(Default)]
pub(crate) struct Memory {
    started: BTreeMap<Token, (CellIndex, u32)>,
    last_start: Option<Command>,
}

impl Subject for Mutant {
    fn handle(&mut self, now: Millis, input: Input) -> Result<Vec<Command>, SchedulerError> {
        let mut commands = self.inner.handle(now, input)?;
        (self.tamper)(&mut self.memory, input, &mut commands);
        for command in &commands {
            if let Command::Start { token, cell, attempt, .. } = command {
                self.memory.started.insert(*token, (*cell, *attempt));
                self.memory.last_start = Some(*command);
            }
        }
        Ok(commands)
    }
    fn next_wake(&self) -> Option<Millis> {
        if self.forgets_to_wake { None } else { self.inner.next_wake() }
    }
    fn counts(&self) -> Counts {
        let mut counts = self.inner.counts();
        (self.tamper_counts)(&mut counts);
        counts
    }
    fn outstanding(&self, group: Group) -> u32 {
        self.inner.outstanding(group)
    }
    fn phase(&self) -> Phase {
        self.inner.phase()
    }
    fn status(&self, cell: CellIndex) -> Option<CellStatus> {
        self.inner.status(cell)
    }
}

fn mutant(config: Config, priors: &[Prior]) -> Mutant {
    Mutant {
        inner: build(config, priors),
        tamper: |_, _, _| {},
        tamper_counts: |_| {},
        forgets_to_wake: false,
        memory: Memory::default(),
    }
}

fn tampered(
    config: Config,
    priors: &[Prior],
    tamper: fn(&mut Memory, Input, &mut Vec<Command>),
) -> Box<dyn Subject> {
    Box::new(Mutant { tamper, ..mutant(config, priors) })
}

/// Every way to break the scheduler that the checks must notice.
pub(crate) const MUTANTS: &[(&str, Factory)] = &[
    ("runs one attempt too many", |config, priors| {
        let max_in_flight = config.max_in_flight + 1;
        genuine(Config { max_in_flight, ..config }, priors)
    }),
    ("opens the window too wide", |config, priors| {
        let window = config.window + 1;
        genuine(Config { window, ..config }, priors)
    }),
    ("retries once too often", |config, priors| {
        let retries = config.retries + 1;
        genuine(Config { retries, ..config }, priors)
    }),
    ("survives one loss too many", |config, priors| {
        let max_losses = config.max_losses + 1;
        genuine(Config { max_losses, ..config }, priors)
    }),
    ("waits longer than the backoff allows", |mut config, priors| {
        config.backoff.initial.0 = config.backoff.initial.0 * 2 + 1;
        config.backoff.max.0 = config.backoff.max.0 * 2 + 1;
        genuine(config, priors)
    }),
    ("waits less than the backoff allows", |mut config, priors| {
        config.backoff.initial = Millis(0);
        genuine(config, priors)
    }),
    ("gives work to any group", |config, priors| {
        let group = Group(0);
        let priors: Vec<_> = priors.iter().map(|prior| Prior { group, ..*prior }).collect();
        genuine(config, &priors)
    }),
    ("never gives up", |config, priors| genuine(Config { fail_fast: None, ..config }, priors)),
    ("does not settle", |config, priors| {
        let settle = !config.settle;
        genuine(Config { settle, ..config }, priors)
    }),
    ("lets leases live too long", |config, priors| {
        let lease_ttl = config.lease_ttl.map(|ttl| Millis(ttl.0 + 1));
        genuine(Config { lease_ttl, ..config }, priors)
    }),
    ("draws its jitter from elsewhere", |mut config, priors| {
        static DRAWN: AtomicU64 = AtomicU64::new(1);
        config.seed ^= DRAWN.fetch_add(1, Ordering::Relaxed) << 17;
        genuine(config, priors)
    }),
    ("forgets to wake", |config, priors| {
        Box::new(Mutant { forgets_to_wake: true, ..mutant(config, priors) })
    }),
    ("miscounts", |config, priors| {
        let tamper_counts = |counts: &mut Counts| counts.waiting += 1;
        Box::new(Mutant { tamper_counts, ..mutant(config, priors) })
    }),
    ("accepts a stale outcome", |config, priors| tampered(config, priors, accept_stale)),
    ("accepts an outcome twice", |config, priors| {
        tampered(config, priors, |_, _, commands| repeat(commands, is_accept))
    }),
    ("uses a token twice", |config, priors| tampered(config, priors, reuse_token)),
    ("starts work while paused", |config, priors| {
        tampered(config, priors, |memory, input, commands| {
            if input == Input::Pause {
                commands.extend(memory.last_start);
            }
        })
    }),
    ("does not tell of an expiry", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, is_expire);
        })
    }),
    ("does not tell of a withdrawal", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, |command| matches!(command, Command::Withdraw { .. }));
        })
    }),
    ("counts deadlines from the wrong moment", |config, priors| {
        let hands_ahead = !config.hands_ahead;
        genuine(Config { hands_ahead, ..config }, priors)
    }),
    ("does not tell of a start", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, is_start);
        })
    }),
    ("does not stop an expired attempt", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, |command| matches!(command, Command::Stop { .. }));
        })
    }),
    ("never fences", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, |command| matches!(command, Command::Fence { .. }));
        })
    }),
    ("never releases a worker", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, |command| matches!(command, Command::Release { .. }));
        })
    }),
    ("hides backpressure", |config, priors| {
        tampered(config, priors, |_, _, commands| {
            drop_all(commands, |command| matches!(command, Command::BackpressureApplied { .. }));
        })
    }),
];

fn accept_stale(memory: &mut Memory, input: Input, commands: &mut Vec<Command>) {
    for command in commands {
        let Command::Fence { token, reason: FenceReason::Stale } = *command else {
            continue;
        };
        let Some((cell, attempt)) = memory.started.get(&token).copied() else {
            continue;
        };
        let end = match input {
            Input::Completed { end, .. } => end,
            _ => AttemptEnd::Succeeded,
        };
        let next = Next::Final { end: CellEnd::Succeeded, dead_letter: false };
        *command = Command::Accept { token, cell, attempt, end, next };
    }
}

fn reuse_token(memory: &mut Memory, _: Input, commands: &mut Vec<Command>) {
    for command in commands {
        if let Command::Start { token, .. } = command
            && let Some((used, _)) = memory.started.first_key_value()
        {
            *token = *used;
        }
    }
}

fn is_accept(command: &Command) -> bool {
    matches!(command, Command::Accept { .. })
}

fn is_expire(command: &Command) -> bool {
    matches!(command, Command::Expire { .. })
}

fn is_start(command: &Command) -> bool {
    matches!(command, Command::Start { .. })
}

fn repeat(commands: &mut Vec<Command>, which: fn(&Command) -> bool) {
    let again: Vec<Command> = commands.iter().copied().filter(which).collect();
    commands.extend(again);
}

fn drop_all(commands: &mut Vec<Command>, which: fn(&Command) -> bool) {
    commands.retain(|command| !which(command));
}
