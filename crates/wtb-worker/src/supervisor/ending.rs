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
        // What was cut off could not put away what it had begun.
        if self.stop.is_none()
            && let Some(text) = self.leak()
        {
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
        if let Some(reason) = &report.not_started {
            return format!("a process for the attempt could not be made: {reason}");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(report: Option<Report>, limits: &Limits) -> String {
        let outcome = Facts { report, ..Facts::default() }.outcome(limits);
        assert_eq!((outcome.status, outcome.retryable), (End::Failed, true));
        let error = outcome.error.unwrap();
        assert_eq!(error.kind, CRASHED);
        error.message
    }

    fn by_signal(signal: i32, limits: &Limits) -> String {
        cause(Some(Report { signal: Some(signal), ..Report::default() }), limits)
    }

    #[test]
    fn each_cause_has_its_text() {
        let free = Limits::default();
        let tight = Limits { memory_bytes: Some(1 << 30), cpu_s: Some(3), ..Limits::default() };
        assert_eq!(by_signal(libc::SIGSEGV, &free), "signal 11 (SIGSEGV)");
        assert_eq!(by_signal(libc::SIGRTMIN() + 1, &free), "signal 35");
        assert!(by_signal(libc::SIGKILL, &free).contains("runs out of memory"));
        assert_eq!(by_signal(libc::SIGXCPU, &free), "signal 24 (SIGXCPU)");
        assert_eq!(by_signal(libc::SIGXCPU, &tight), "used more CPU time than its limit of 3 s");
        let exited = Report { status: Some(7), ..Report::default() };
        assert!(cause(Some(exited), &free).contains("exit status 7"));
        let large = Report { signal: Some(9), memory_bytes: Some(3 << 30), ..Report::default() };
        assert_eq!(
            cause(Some(large), &tight),
            "used 3072 MiB of memory, over its limit of 1024 MiB"
        );
        assert!(cause(Some(Report::default()), &free).contains("does not know"));
        assert!(cause(None, &free).contains("nobody could tell"));
    }

    #[test]
    fn the_nodes_that_ran_are_named() {
        let report = Some(Report { signal: Some(libc::SIGABRT), ..Report::default() });
        let crash = |nodes: &[&str]| {
            let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
            let mut facts = Facts { report: report.clone(), nodes, ..Facts::default() };
            let error = facts.outcome(&Limits::default()).error.unwrap();
            (error.message, error.node)
        };
        let text = "signal 6 (SIGABRT)";
        assert_eq!(crash(&[]), (text.to_owned(), None));
        assert_eq!(crash(&["a"]), (format!("{text} in node \"a\""), Some("a".to_owned())));
        assert_eq!(crash(&["a", "b"]), (format!("{text} while nodes a, b ran"), None));
    }

    #[test]
    fn what_was_left_behind_is_a_warning() {
        let left = |names: &[&str], count| Report {
            status: Some(0),
            left_behind: names.iter().map(|name| (*name).to_owned()).collect(),
            left_behind_count: count,
            ..Report::default()
        };
        let warning = |report, is_output_open| {
            let outcome = Some(Outcome::of(End::Succeeded));
            let report = Some(report);
            let mut facts = Facts { outcome, report, is_output_open, ..Facts::default() };
            facts.outcome(&Limits::default()).warnings
        };
        assert!(warning(left(&[], 0), false).is_empty());
        let text = "processes were left behind, and ended: sleep";
        assert_eq!(warning(left(&["sleep"], 1), true), [text]);
        assert_eq!(warning(left(&["sleep"], 4), false), [format!("{text} and 3 more")]);
        assert!(warning(left(&[], 0), true)[0].contains("output is still open"));
    }

    #[test]
    fn one_is_lost_only_where_nothing_is_known() {
        assert!(Facts::default().is_lost());
        let stop = Some(Stop::Cancelled);
        assert!(!Facts { stop, ..Facts::default() }.is_lost());
        let violation = Some(String::new());
        assert!(!Facts { violation, ..Facts::default() }.is_lost());
        assert!(!Facts { report: Some(Report::default()), ..Facts::default() }.is_lost());
    }
}
