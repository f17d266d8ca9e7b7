//! How a batch came out. The sentence printed and the exit code come from this one value.

use wtb_model::{BatchStatus, StatusCounts};

use crate::exit;
use crate::text::{Tone, plural};

/// How a batch came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All have ended, and no more failed than may.
    Passed { executions: u64, failed: u64 },
    /// No more failed than may, but some await an answer or stand at a breakpoint.
    Waiting { executions: u64, failed: u64, waiting: u64 },
    /// More failed than may.
    Failures { executions: u64, failed: u64, allowed: u64 },
    /// Given up before its end, by the fail-fast threshold or on request.
    GivenUp { failed: u64, not_run: u64 },
    /// Stopped before its end; it can be resumed.
    Interrupted { outstanding: u64, executions: u64 },
}

impl Verdict {
    /// Judges a batch by where its executions stand.
    pub(crate) fn of(status: BatchStatus, counts: &StatusCounts, max_failures: u64) -> Self {
        let (executions, failed) = (counts.total(), counts.errors());
        // A batch whose last scores are missing has not ended either.
        if counts.outstanding() > 0 || !status.is_final() {
            return Self::Interrupted { outstanding: counts.outstanding(), executions };
        }
        if counts.cancelled > 0 {
            return Self::GivenUp { failed, not_run: counts.cancelled };
        }
        if failed > max_failures {
            return Self::Failures { executions, failed, allowed: max_failures };
        }
        let waiting = counts.interrupted + counts.paused;
        if waiting > 0 {
            return Self::Waiting { executions, failed, waiting };
        }
        Self::Passed { executions, failed }
    }

    /// Returns the exit code.
    pub(crate) const fn exit_code(&self) -> i32 {
        match self {
            Self::Passed { .. } => exit::DONE,
            Self::Failures { .. } | Self::GivenUp { .. } => exit::FAILURES,
            Self::Waiting { .. } | Self::Interrupted { .. } => exit::INTERRUPTED,
        }
    }

    /// Returns the word that stands for it in JSON.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Passed { .. } => "passed",
            Self::Waiting { .. } => "waiting",
            Self::Failures { .. } => "failures",
            Self::GivenUp { .. } => "given_up",
            Self::Interrupted { .. } => "interrupted",
        }
    }

    pub(crate) const fn tone(&self) -> Tone {
        match self {
            Self::Passed { failed: 0, .. } => Tone::Good,
            Self::Passed { .. } | Self::Waiting { .. } | Self::Interrupted { .. } => Tone::Warn,
            Self::Failures { .. } | Self::GivenUp { .. } => Tone::Bad,
        }
    }

    /// Returns the sentence printed.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Passed { executions, failed: 0 } => {
                format!("all of {} succeeded", plural(*executions, "execution"))
            }
            Self::Passed { executions, failed } => {
                format!("{failed} of {} failed, as many may", plural(*executions, "execution"))
            }
            Self::Waiting { executions, failed: 0, waiting } => {
                let all = plural(*executions, "execution");
                format!("none of {all} failed; {waiting} await an answer or stand still")
            }
            Self::Waiting { executions, failed, waiting } => {
                let all = plural(*executions, "execution");
                format!(
                    "{failed} of {all} failed, as many may; {waiting} await an answer or stand \
                     still"
                )
            }
            Self::Failures { executions, failed, allowed: 0 } => {
                format!("{failed} of {} failed", plural(*executions, "execution"))
            }
            Self::Failures { executions, failed, allowed } => format!(
                "{failed} of {} failed, more than the {allowed} that may",
                plural(*executions, "execution")
            ),
            Self::GivenUp { failed, not_run } => {
                format!("given up after {}; {not_run} did not run", plural(*failed, "failure"))
            }
            Self::Interrupted { outstanding: 0, .. } => {
                "interrupted: some executions await their scores".to_owned()
            }
            Self::Interrupted { outstanding, executions } => {
                format!(
                    "interrupted: {outstanding} of {} are left",
                    plural(*executions, "execution")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(succeeded: u64, failed: u64, queued: u64, cancelled: u64) -> StatusCounts {
        StatusCounts { succeeded, failed, queued, cancelled, ..StatusCounts::default() }
    }

    #[test]
    fn the_code_follows_from_the_counts() {
        let code =
            |status, counts: StatusCounts, max| Verdict::of(status, &counts, max).exit_code();
        assert_eq!(code(BatchStatus::Completed, counts(5, 0, 0, 0), 0), 0);
        assert_eq!(code(BatchStatus::CompletedWithErrors, counts(5, 2, 0, 0), 1), 100);
        assert_eq!(code(BatchStatus::CompletedWithErrors, counts(5, 2, 0, 0), 2), 0);
        assert_eq!(code(BatchStatus::Running, counts(5, 2, 1, 0), 0), 130);
        assert_eq!(code(BatchStatus::Failed, counts(5, 2, 0, 9), 50), 100);
        assert_eq!(code(BatchStatus::Cancelled, counts(5, 0, 0, 9), 0), 100);
        assert_eq!(code(BatchStatus::Running, counts(5, 0, 0, 0), 0), 130);
    }

    #[test]
    fn what_awaits_an_answer_has_not_succeeded() {
        let judge = |failed, interrupted, paused, max| {
            let counts = StatusCounts { interrupted, paused, ..counts(5, failed, 0, 0) };
            let verdict = Verdict::of(BatchStatus::Completed, &counts, max);
            (verdict.exit_code(), verdict.word(), verdict.sentence())
        };
        for (interrupted, paused) in [(2, 0), (0, 2), (1, 1)] {
            let sentence = "none of 7 executions failed; 2 await an answer or stand still";
            assert_eq!(judge(0, interrupted, paused, 0), (130, "waiting", sentence.to_owned()));
        }
        let sentence = "1 of 7 executions failed, as many may; 1 await an answer or stand still";
        assert_eq!(judge(1, 1, 0, 1), (130, "waiting", sentence.to_owned()));
        assert_eq!(judge(1, 1, 0, 0).0, 100, "failures come first");
    }

    #[test]
    fn the_sentence_says_what_the_code_means() {
        let verdict = Verdict::of(BatchStatus::CompletedWithErrors, &counts(5, 2, 0, 0), 1);
        assert_eq!(verdict.sentence(), "2 of 7 executions failed, more than the 1 that may");
        let verdict = Verdict::of(BatchStatus::Running, &counts(5, 0, 3, 0), 0);
        assert_eq!(verdict.sentence(), "interrupted: 3 of 8 executions are left");
    }
}
