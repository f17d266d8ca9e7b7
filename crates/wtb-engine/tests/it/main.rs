//! The engine as its users meet it: a SQLite store in a temporary directory, worker threads whose
//! nodes are Rust closures, and the journal as the witness of what happened.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what helpers of tests do not get is a failure of the test"
)]

mod audit;
mod batch_events;
mod control;
mod crash;
mod deadlines;
mod environments;
mod execution_events;
mod extending;
#[cfg(unix)]
mod files;
#[cfg(target_os = "linux")]
mod handing;
#[cfg(target_os = "linux")]
mod inputs_elsewhere;
mod lineages;
mod owners;
mod retries;
mod scoring;
mod single;
mod support;
mod torture;
mod trouble;
