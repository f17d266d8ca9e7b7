//! How an execution stands that was gone on with. The sentence printed and the exit code come from
//! this one value.

use wtb_model::ExecutionStatus;

use crate::exit;

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing(pub(crate) ExecutionStatus);

impl Standing {
    /// Returns the exit code.
    pub(crate) const fn exit_code(self) -> i32 {
        match self.0 {
            ExecutionStatus::Succeeded => exit::DONE,
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Cancelled => {
                exit::FAILURES
            }
            _ => exit::INTERRUPTED,
        }
    }

    /// Returns the word that stands for it in JSON: those of batches.
    pub(crate) const fn word(self) -> &'static str {
        match self.0 {
            ExecutionStatus::Succeeded => "passed",
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Cancelled => {
                "failures"
            }
            ExecutionStatus::Interrupted | ExecutionStatus::Paused => "waiting",
            _ => "interrupted",
        }
    }

    /// Returns the sentence printed.
    pub(crate) const fn sentence(self) -> &'static str {
        match self.0 {
            ExecutionStatus::Succeeded => "the execution succeeded",
            ExecutionStatus::Failed => "the execution failed",
            ExecutionStatus::TimedOut => "the execution outlived its deadline",
            ExecutionStatus::Cancelled => "the execution was cancelled",
            ExecutionStatus::Interrupted => "the execution awaits an answer",
            ExecutionStatus::Paused => "the execution is paused",
            _ => "the execution has not ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_has_neither_succeeded_nor_failed() {
        let codes: Vec<_> = ExecutionStatus::ALL
            .iter()
            .map(|status| (status.as_str(), Standing(*status).exit_code()))
            .collect();
        let code = |name| codes.iter().find(|(known, _)| *known == name).map(|(_, code)| *code);
        assert_eq!(code("succeeded"), Some(0));
        for name in ["failed", "timed_out", "cancelled"] {
            assert_eq!(code(name), Some(100), "{name}");
        }
        for name in ["interrupted", "paused", "queued", "running"] {
            assert_eq!(code(name), Some(130), "{name}");
        }
    }
}
