//! The state machines of batches, executions and attempts. An illegal step is a typed error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A step that a state machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot go from `{from}` to `{to}`; from `{from}` it may go to {allowed}")]
pub struct IllegalTransition {
    /// What was to change, such as `batch b_...` or `an execution`.
    pub what: String,
    /// The state it is in.
    pub from: &'static str,
    /// The state that was asked for.
    pub to: &'static str,
    /// The states it may go to, as text.
    pub allowed: String,
}

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal => [$($next:ident),*]),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every state, in the order of its usual life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name used in stores, in Python and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Parses what [`Self::as_str`] prints.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == text)
            }

            /// Returns the states that may follow this one.
            pub const fn successors(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$next),*]),+ }
            }

            /// Checks the step to `to`; `what` names the thing in the error.
            pub fn check(self, to: Self, what: impl fmt::Display) -> Result<Self, IllegalTransition> {
                if self.successors().contains(&to) {
                    return Ok(to);
                }
                let names: Vec<_> = self.successors().iter().map(|next| format!("`{next}`")).collect();
                Err(IllegalTransition {
                    what: what.to_string(),
                    from: self.as_str(),
                    to: to.as_str(),
                    allowed: if names.is_empty() { "nothing".to_owned() } else { names.join(", ") },
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

status! {
    /// The life of a batch. A finished batch runs again when it is extended, resumed or retried.
    BatchStatus {
        /// Created, nothing started yet.
        Pending = "pending" => [Running, Cancelled],
        /// Executions are being handed out.
        Running = "running" => [Paused, Completed, CompletedWithErrors, Failed, Cancelled],
        /// Nothing new is handed out until it is resumed.
        Paused = "paused" => [Running, Cancelled],
        /// Every execution ended, none of them with an error.
        Completed = "completed" => [Running],
        /// Every execution ended, some of them with an error.
        CompletedWithErrors = "completed_with_errors" => [Running],
        /// Every execution failed, or the fail-fast threshold was reached.
        Failed = "failed" => [Running],
        /// Stopped on request; what had ended stays.
        Cancelled = "cancelled" => [Running],
    }
}

impl BatchStatus {
    /// Whether nothing of the batch is outstanding.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithErrors | Self::Failed | Self::Cancelled)
    }
}

status! {
    /// The life of an execution.
    ExecutionStatus {
        /// Waits for a worker, the first time or after a backoff.
        Queued = "queued" => [Running, Cancelled],
        /// An attempt is under way.
        Running = "running" => [Queued, Succeeded, Failed, TimedOut, Cancelled, Interrupted, Paused],
        /// The workflow reached its end.
        Succeeded = "succeeded" => [Queued, Paused],
        /// The last attempt raised, and no retry is left.
        Failed = "failed" => [Queued, Paused],
        /// The last attempt outlived its deadline, and no retry is left.
        TimedOut = "timed_out" => [Queued, Paused],
        /// Stopped on request.
        Cancelled = "cancelled" => [Queued, Paused],
        /// The workflow asked a question and awaits its answer.
        Interrupted = "interrupted" => [Queued, Paused],
        /// Stands at a breakpoint, or after a fork or rollback.
        Paused = "paused" => [Queued, Paused],
    }
}

impl ExecutionStatus {
    /// Whether no attempt is under way or to come.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Checks a step that is taken without an attempt: only the attempt itself, under its lease, moves
    /// an execution that is running.
    pub fn check_idle(self, to: Self, what: impl fmt::Display) -> Result<Self, IllegalTransition> {
        if self == Self::Running {
            return Err(self.not_until(to, &what, "with the end of its attempt"));
        }
        self.check(to, what)
    }

    /// Checks that a cell in this state may go on by itself, to `to`: it has ended.
    pub fn check_goes_on(self, to: Self, what: impl fmt::Display) -> Result<(), IllegalTransition> {
        if self.is_final() {
            return Ok(());
        }
        Err(self.not_until(to, &what, "beside its batch, once it has ended"))
    }

    /// Checks that what a cell went on to by itself, in this state, may give way to the cell's own
    /// step to `to`: nobody drives it.
    pub fn check_gives_way(
        self,
        to: Self,
        what: impl fmt::Display,
    ) -> Result<(), IllegalTransition> {
        if self.is_final() {
            return Ok(());
        }
        Err(self.not_until(to, &what, "once what it went on to by itself has ended"))
    }

    fn not_until(self, to: Self, what: &dyn fmt::Display, when: &str) -> IllegalTransition {
        IllegalTransition {
            what: what.to_string(),
            from: self.as_str(),
            to: to.as_str(),
            allowed: format!("`{to}` only {when}"),
        }
    }

    /// Whether it ended without what the workflow was to deliver.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }
}

status! {
    /// The life of an attempt.
    AttemptStatus {
        /// A worker holds its lease.
        Running = "running" => [Succeeded, Failed, TimedOut, Cancelled, Interrupted, Paused, Lost],
        /// The workflow reached its end.
        Succeeded = "succeeded" => [],
        /// The workflow raised.
        Failed = "failed" => [],
        /// It outlived its deadline.
        TimedOut = "timed_out" => [],
        /// Stopped on request.
        Cancelled = "cancelled" => [],
        /// The workflow asked a question.
        Interrupted = "interrupted" => [],
        /// Stands at a breakpoint.
        Paused = "paused" => [],
        /// Its worker vanished; not the workflow's fault.
        Lost = "lost" => [],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back() {
        for status in ExecutionStatus::ALL {
            assert_eq!(ExecutionStatus::parse(status.as_str()), Some(*status));
            let json = serde_json::to_string(status).unwrap();
            assert_eq!(json, format!("\"{status}\""), "JSON and text use one name");
        }
        assert_eq!(BatchStatus::parse("finished"), None);
    }

    #[test]
    fn an_illegal_step_says_what_is_allowed() {
        let error = BatchStatus::Paused.check(BatchStatus::Completed, "batch b_1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "batch b_1 cannot go from `paused` to `completed`; \
             from `paused` it may go to `running`, `cancelled`"
        );
        assert!(AttemptStatus::Lost.check(AttemptStatus::Running, "an attempt").is_err());
    }

    #[test]
    fn only_what_has_ended_goes_on_or_gives_way() {
        let (queued, paused) = (ExecutionStatus::Queued, ExecutionStatus::Paused);
        for status in ExecutionStatus::ALL {
            let ended = status.is_final();
            assert_eq!(status.check_goes_on(paused, "e").is_ok(), ended, "{status}");
            assert_eq!(status.check_gives_way(queued, "e").is_ok(), ended, "{status}");
            assert_eq!(status.check_idle(paused, "e").is_ok(), ended, "{status}");
            assert_eq!(status.check_idle(queued, "e").is_ok(), ended, "{status}");
        }
        let error = ExecutionStatus::Running.check_idle(paused, "execution e").unwrap_err();
        assert_eq!(
            error.to_string(),
            "execution e cannot go from `running` to `paused`; from `running` it may go to `paused` \
             only with the end of its attempt"
        );
    }

    #[test]
    fn final_executions_leave_through_the_queue_or_are_rolled_back() {
        let next = [ExecutionStatus::Queued, ExecutionStatus::Paused];
        for status in ExecutionStatus::ALL.iter().filter(|status| status.is_final()) {
            assert_eq!(status.successors(), next, "{status}");
        }
    }
}
