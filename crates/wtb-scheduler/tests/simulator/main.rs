//! Throws seeded faults at the scheduler and checks its invariants after every step.
//!
//! A failing seed prints the command that replays it with a full trace:
//! `WTB_SIMULATOR_SEED=123 cargo test -p wtb-scheduler --test simulator -- replay --nocapture`.
//! `plan` draws a world, `world` and `faults` run it, `model`, `rules` and `audit` check it,
//! `mutants` breaks the scheduler on purpose.

#![expect(clippy::print_stderr, reason = "the trace of a replayed seed is for a person to read")]

mod attempt_rules;
mod audit;
mod coverage;
mod faults;
mod model;
mod mutants;
mod plan;
mod rules;
mod subject;
mod world;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{subject::Factory, world::World};

const SEEDS: u64 = 20_000;
/// Every broken scheduler must be caught within so many seeds.
const SEEDS_PER_MUTANT: u64 = 600;

fn replay_command(seed: u64) -> String {
    format!(
        "WTB_SIMULATOR_SEED={seed} cargo test -p wtb-scheduler --test simulator -- replay --nocapture"
    )
}

/// Runs seeds on all cores; returns what they showed together.
fn run_seeds(factory: Factory, seeds: u64) -> Result<BTreeSet<String>, (u64, String)> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut shown = BTreeSet::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return Ok(shown);
            }
            let report = World::new(seed, factory, false).run().map_err(|text| (seed, text))?;
            shown.extend(report.seen);
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut seen = BTreeSet::new();
    for result in results {
        seen.extend(result?);
    }
    Ok(seen)
}

#[test]
fn invariants_hold_in_every_world_and_every_decision_is_reached() {
    let seen = match run_seeds(subject::genuine, SEEDS) {
        Ok(seen) => seen,
        Err((seed, text)) => panic!("seed {seed}: {text}\nreplay: {}", replay_command(seed)),
    };
    let all: BTreeSet<String> = coverage::ALL.iter().map(|&kind| kind.to_owned()).collect();
    assert_eq!(seen, all, "the worlds miss decisions, or `coverage::ALL` does");
}

#[test]
fn every_broken_scheduler_is_caught() {
    for (name, factory) in mutants::MUTANTS {
        let caught = run_seeds(*factory, SEEDS_PER_MUTANT);
        assert!(caught.is_err(), "a scheduler that {name} passed {SEEDS_PER_MUTANT} worlds");
    }
}

#[test]
fn replay() {
    let seed = match std::env::var("WTB_SIMULATOR_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("`{text}` is not a seed")),
        Err(_) => 0,
    };
    let trace = World::new(seed, subject::genuine, true).run();
    match trace {
        Ok(report) => eprintln!("seed {seed} holds after {} steps", report.steps),
        Err(text) => panic!("seed {seed}: {text}"),
    }
}
