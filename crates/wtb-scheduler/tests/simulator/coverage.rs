//! Which kinds of decision the worlds have brought about: a simulation that never reaches a
//! decision says nothing about it.

use std::collections::BTreeSet;

use wtb_scheduler::{Command, Next};

/// Every kind of decision there is.
pub(crate) const ALL: &[&str] = &[
    "accept Failed",
    "accept Interrupted",
    "accept Paused",
    "accept Cancelled",
    "accept Succeeded",
    "accept TimedOut",
    "accept and retry",
    "accept as dead letter",
    "backpressure applied",
    "backpressure released",
    "expire Cancelled",
    "expire LeaseExpired",
    "expire Lost",
    "expire Timeout",
    "expire and retry",
    "expire as dead letter",
    "fence Duplicate",
    "fence Stale",
    "fence Unknown",
    "finish many",
    "finish one",
    "phase Draining",
    "phase Finished(Cancelled)",
    "phase Finished(Completed)",
    "phase Finished(Drained)",
    "phase Finished(FailedFast)",
    "phase Paused",
    "phase Running",
    "release",
    "start",
    "stop",
    "withdraw",
];

/// Notes what kind of decision a command is.
pub(crate) fn see(seen: &mut BTreeSet<String>, command: &Command) {
    match command {
        Command::Start { .. } => note(seen, "start"),
        Command::Accept { next, .. } => see_next(seen, "accept", *next),
        Command::Expire { cause, next, .. } => {
            note(seen, &format!("expire {cause:?}"));
            see_next(seen, "expire", *next);
        }
        Command::Withdraw { .. } => note(seen, "withdraw"),
        Command::Stop { .. } => note(seen, "stop"),
        Command::Fence { reason, .. } => note(seen, &format!("fence {reason:?}")),
        Command::Finish { count: 1, .. } => note(seen, "finish one"),
        Command::Finish { .. } => note(seen, "finish many"),
        Command::BackpressureApplied { .. } => note(seen, "backpressure applied"),
        Command::BackpressureReleased { .. } => note(seen, "backpressure released"),
        Command::Release { .. } => note(seen, "release"),
        Command::Phase { to, .. } => note(seen, &format!("phase {to:?}")),
    }
}

fn see_next(seen: &mut BTreeSet<String>, what: &str, next: Next) {
    match next {
        Next::Retry { .. } => note(seen, &format!("{what} and retry")),
        Next::Final { end, dead_letter } => {
            if dead_letter {
                note(seen, &format!("{what} as dead letter"));
            }
            if what == "accept" {
                note(seen, &format!("{what} {end:?}"));
            }
        }
    }
}

fn note(seen: &mut BTreeSet<String>, kind: &str) {
    if !seen.contains(kind) {
        seen.insert(kind.to_owned());
    }
}
