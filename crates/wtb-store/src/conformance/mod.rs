//! The suite that every store must pass: what [`Store`] promises, check by check.
//!
//! A store's own tests call [`run`] with a way to make fresh places for stores. Each check is a
//! named function on a fresh place; a failure names the check, and the others still run.
//! [`sample`] makes the records that the checks write, for a store's own tests and benchmarks too.
//!
//! What only one kind of store can show (a full disk, a killed writer) is tested beside that store.

mod atomicity;
mod batches;
mod checkpoints;
mod claims;
mod concurrency;
mod continuations;
mod executions;
mod files;
mod find;
mod handed;
mod journal;
mod leases;
mod lineages;
mod listing;
mod nodes;
mod outside;
mod printed;
pub mod sample;
mod scores;
mod steps;
mod threads;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::{Receipt, Store, StoreError};

/// A fresh and empty place where a store can be opened, again and again.
pub trait Place {
    /// Opens the store; what was durable when it was open before is there again.
    fn open(&self) -> Result<Box<dyn Store>, StoreError>;

    /// Returns a directory for files of a check, which is there as long as the place.
    fn scratch(&self) -> PathBuf;

    /// Damages the bytes of an object behind the store's back. Returns whether that is possible.
    fn damage_object(&self, hash: [u8; 32]) -> bool {
        let _ = hash;
        false
    }

    /// Makes all objects look as if they had been put long ago. Returns whether that is possible.
    fn age_objects(&self) -> bool {
        false
    }

    /// Removes an object behind the store's back. Returns whether that is possible.
    fn remove_object(&self, hash: [u8; 32]) -> bool {
        let _ = hash;
        false
    }
}

/// One check. An error of the store that the check did not expect fails it, as a panic does.
pub type Check = fn(&dyn Place) -> Result<(), StoreError>;

/// All checks by topic and name.
pub const CHECKS: &[&[(&str, Check)]] = &[
    atomicity::CHECKS,
    batches::CHECKS,
    checkpoints::CHECKS,
    claims::CHECKS,
    concurrency::CHECKS,
    continuations::CHECKS,
    executions::CHECKS,
    files::CHECKS,
    find::CHECKS,
    handed::CHECKS,
    journal::CHECKS,
    leases::CHECKS,
    lineages::CHECKS,
    listing::CHECKS,
    nodes::CHECKS,
    outside::CHECKS,
    printed::CHECKS,
    scores::CHECKS,
    steps::CHECKS,
    threads::CHECKS,
    values::CHECKS,
];

/// Runs every check on a place of its own.
///
/// # Panics
///
/// After all checks have run, with the names of those that failed and why.
pub fn run(fresh: &dyn Fn() -> Box<dyn Place>) {
    run_with(fresh, &[]);
}

/// Runs every check but those of some topics, which places of this kind settle otherwise.
///
/// # Panics
///
/// As [`run`].
pub fn run_with(fresh: &dyn Fn() -> Box<dyn Place>, without: &[&str]) {
    let is_meant = |name: &str| !without.iter().any(|topic| name.starts_with(topic));
    let failures: Vec<String> = CHECKS
        .iter()
        .flat_map(|topic| topic.iter())
        .filter(|(name, _)| is_meant(name))
        .filter_map(|(name, check)| {
            let result = catch_unwind(AssertUnwindSafe(|| check(fresh().as_ref())));
            let reason = match result {
                Ok(Ok(())) => return None,
                Ok(Err(error)) => error.to_string(),
                // The panic's own message was printed when it happened.
                Err(_) => "an assertion failed, see above".to_owned(),
            };
            Some(format!("  {name}: {reason}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} checks failed:\n{}", failures.len(), failures.join("\n"));
}

/// Returns why a unit was refused; a unit that was not fails the check.
fn refusal(result: Result<Receipt, StoreError>) -> StoreError {
    match result {
        Ok(receipt) => panic!("the unit was to be refused, but is durable: {receipt:?}"),
        Err(error) => error,
    }
}

/// Lists checks under the names of their functions, with their topic in front.
macro_rules! checks {
    ($topic:literal: $($name:ident),+ $(,)?) => {
        /// The checks of this topic.
        pub(super) const CHECKS: &[(&str, super::Check)] =
            &[$((concat!($topic, "::", stringify!($name)), $name)),+];
    };
}
use checks;
