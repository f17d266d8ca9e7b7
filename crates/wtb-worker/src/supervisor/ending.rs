//! How an attempt ended, put together from what its worker said and what became of its process.

use std::fmt::Write as _;

use wtb_model::{Captured, ErrorInfo};

use crate::outcome::{End, Outcome};
use crate::process::{Limits, Report};

/// The type of the error of an attempt whose worker ended without an outcome.
pub const CRASHED: &str = "wtb.errors.WorkerCrashedError";

/// Why an attempt was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It took too long.
    TimedOut,
    /// It was not wanted any more.
    Cancelled,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The outcome: the worker's, or one that says what became of it.
    pub outcome: Outcome,
    /// What it printed.
    pub stdout: Option<Captured>,
    /// What it printed as errors.
    pub stderr: Option<Captured>,
    /// Whether nobody knows what became of the worker: its keeper was lost as well.
    pub is_lost: bool,
    /// Whether the worker's process has ended.
    pub is_gone: bool,
}

impl Ended {
    /// The end of an attempt for which there was no worker.
    pub const fn without_output(outcome: Outcome) -> Self {
        Self { outcome, stdout: None, stderr: None, is_lost: false, is_gone: true }
    }
}

/// What is known of an attempt at its end.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What the worker delivered.
    pub(super) outcome: Option<Outcome>,
    /// What its keeper reported; nothing while the worker lives, or where the keeper was lost.
    pub(super) report: Option<Report>,
    /// Why it was stopped.
    pub(super) stop: Option<Stop>,
    /// The nodes that had begun and not ended.
    pub(super) nodes: Vec<String>,
    /// What was wrong with what it said.
    pub(super) violation: Option<String>,
    /// Whether its output was still open somewhere after all its processes were gone.
    pub(super) is_output_open: bool,
    /// How long it took, in seconds.
    pub(super) duration_s: f64,
}

impl Facts {
    /// Whether nobody knows what became of the worker.
    pub(super) const fn is_lost(&self) -> bool {
        self.outcome.is_none()
            && self.report.is_none()
            && self.stop.is_none()
            && self.violation.is_none()
    }

    /// Returns the attempt's outcome.
    pub(super) fn outcome(&mut self, limits: &Limits) -> Outcome {
        let mut outcome = match (self.outcome.take(), self.stop) {
            (Some(outcome), None) => outcome,
            (given, Some(stop)) => self.stopped(given, stop),
            (None, None) => self.crashed(limits),
        };
        if let Some(text) = self.leak() {
            outcome.warnings.push(text);
        }
        outcome
    }

    /// What was recorded until it was stopped remains.
    fn stopped(&self, given: Option<Outcome>, stop: Stop) -> Outcome {
        let status = match stop {
            Stop::TimedOut => End::TimedOut,
            Stop::Cancelled => End::Cancelled,
        };
        // One that had ended in the meantime has ended.
        match given {
            Some(outcome) if matches!(outcome.status, End::Cancelled | End::Failed) => {
                Outcome { status, error: None, ..outcome }
            }
            Some(outcome) => outcome,
            None => Outcome { duration_s: self.duration_s, ..Outcome::of(status) },
        }
    }

    fn crashed(&self, limits: &Limits) -> Outcome {
        let mut message = self.cause(limits);
        match self.nodes.as_slice() {
            [] => {}
            [node] => {
                let _ = write!(message, " in node {node:?}");
            }
            nodes => {
                let _ = write!(message, " while nodes {} ran", nodes.join(", "));
            }
        }
        let node = (self.nodes.len() == 1).then(|| self.nodes[0].clone());
        Outcome {
            retryable: true,
            error: Some(ErrorInfo { kind: CRASHED.to_owned(), message, traceback: None, node }),
            duration_s: self.duration_s,
            ..Outcome::of(End::Failed)
        }
    }

    fn cause(&self, limits: &Limits) -> String {
        if let Some(violation) = &self.violation {
            return format!("the worker does not keep to the protocol ({violation})");
        }
        let Some(report) = &self.report else {
            return "the worker's process was lost, and nobody could tell how it ended".to_owned();
        };
        if let (Some(used), Some(limit)) = (report.memory_bytes, limits.memory_bytes) {
            return format!("used {} of memory, over its limit of {}", size(used), size(limit));
        }
        match (report.signal, report.status) {
            (Some(libc::SIGXCPU), _) if limits.cpu_s.is_some() => {
                let limit = limits.cpu_s.unwrap_or_default();
                format!("used more CPU time than its limit of {limit} s")
            }
            (Some(libc::SIGKILL), _) => {
                "signal 9 (SIGKILL), which the system sends when it runs out of memory,".to_owned()
            }
            (Some(signal), _) => match name_of(signal) {
                Some(name) => format!("signal {signal} ({name})"),
                None => format!("signal {signal}"),
            },
            (None, Some(status)) => {
                format!("the process ended with exit status {status}, and delivered nothing,")
            }
            (None, None) => "the process ended in a way that its keeper does not know".to_owned(),
        }
    }

    fn leak(&self) -> Option<String> {
        let report = self.report.as_ref()?;
        if report.left_behind_count > 0 {
            let names = report.left_behind.join(", ");
            let more = report.left_behind_count - report.left_behind.len() as u64;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return Some(format!("processes were left behind, and ended: {names}{more}"));
        }
        self.is_output_open.then(|| {
            "the output is still open in a process that is not the attempt's: what that prints is \
             not kept"
                .to_owned()
        })
    }
}

fn size(bytes: u64) -> String {
    let mib = bytes.div_ceil(1 << 20);
    format!("{mib} MiB")
}

fn name_of(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => return None,
    })
}
