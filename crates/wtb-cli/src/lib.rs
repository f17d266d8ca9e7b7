//! The verbs of the `wtb` command.
//!
//! A library: the console script of the Python wheel calls it, since verbs that run graphs need
//! Python and Rust never calls Python. So a command line is performed in two steps:
//!
//! 1. [`start`] parses it, reads the bench file, settles every option, and performs all verbs that
//!    need the store alone. For the others it returns [`Step::Perform`] with a [`Request`].
//! 2. The console script performs the request through the public Python API, shows progress with a
//!    [`Display`], and ends with [`conclude()`], [`render_execution`], [`conclude_execution`],
//!    [`render()`] or [`report`], each of which returns the exit code ([`exit`]).
//!
//! This is the only crate that prints or reads the environment; it never ends the process.
#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "text for people: clear beats quick"
)]

mod arguments;
mod bench_file;
mod conclude;
mod display;
mod error;
pub mod exit;
mod near;
mod render;
mod request;
mod settings;
mod standing;
mod start;
mod store_url;
mod surroundings;
mod terminal;
mod text;
mod verbs;
mod verdict;
mod view;

#[cfg(test)]
mod testing;

pub use bench_file::{EvaluatorEntry, GridEntry, VariantEntry};
pub use conclude::conclude;
pub use display::{Display, DisplayOptions, ProgressMode};
pub use error::{CliError, ErrorKind};
pub use render::{
    conclude_doctor, conclude_execution, render, render_comparison, render_difference,
    render_execution, render_verdict, report,
};
pub use request::{
    Cases, CheckpointsRequest, DiffRequest, DoctorRequest, ForkRequest, OutputOptions, Place,
    Request, ResumeExecutionRequest, ResumeRequest, RollbackRequest, RunRequest, ScoreRequest,
    Selection, ShowRequest, Step,
};
pub use start::start;
pub use surroundings::Surroundings;
pub use terminal::{ColorChoice, Terminal};
pub use verbs::doctor::Check;
