//! The one error type of the command: a message, where it points to, its causes and hints.

use std::fmt::Write as _;

use wtb_engine::EngineError;
use wtb_store::StoreError;

use crate::exit;
use crate::text::{Style, Tone};

/// Whose business an error is, and so which exit code it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line, the bench file or what they name is wrong.
    Usage,
    /// There is nothing to do.
    NothingSelected,
    /// The program, its store or its machine failed.
    Internal,
    /// Whoever read the output stopped reading (`wtb list | head`); nothing is printed.
    OutputClosed,
}

/// An error on its way to the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// Whose business it is.
    pub kind: ErrorKind,
    /// What is wrong, in one sentence without a period.
    pub message: String,
    /// The lines of the input that it is about, as they are to be printed.
    pub excerpt: Option<String>,
    /// What led to it, nearest first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl CliError {
    /// Makes an error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, excerpt: None, causes: Vec::new(), hints: Vec::new() }
    }

    /// Makes an error about what the user gave.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Makes an error of the program or its machine.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds what led to it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the exit code that the error gives.
    pub const fn exit_code(&self) -> i32 {
        match self.kind {
            ErrorKind::Usage => exit::USAGE,
            ErrorKind::NothingSelected => exit::NOTHING_SELECTED,
            ErrorKind::Internal => exit::INTERNAL,
            ErrorKind::OutputClosed => exit::DONE,
        }
    }

    /// Returns the error as it is printed: `error:`, the excerpt, `caused by:` lines, a blank
    /// line and `hint:` lines.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut text = format!("{} {}\n", style.paint(Tone::Bad, "error:"), self.message);
        if let Some(excerpt) = &self.excerpt {
            text.push_str(excerpt);
        }
        for cause in &self.causes {
            let indented = cause.trim_end().replace('\n', "\n    ");
            let _infallible = writeln!(text, "  caused by: {indented}");
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            let _infallible = writeln!(text, "{} {hint}", style.paint(Tone::Note, "hint:"));
        }
        text
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::usage(message)
                .hint("`wtb list` and `wtb list executions` print what there is"),
            StoreError::Ambiguous { .. } => {
                Self::usage(message).hint("type more characters of the id")
            }
            StoreError::Open { .. } => Self::usage(message)
                .hint("name another store with `--store` or the variable `WTB_STORE`"),
            StoreError::InUse { .. } => Self::usage(message).hint(
                "a program that was killed on another machine counts as alive for some seconds more",
            ),
            StoreError::Newer { .. } | StoreError::ReadOnly(_) | StoreError::NotOwner { .. } => {
                Self::usage(message)
            }
            StoreError::Busy(_) => {
                Self::internal(message).hint("close the other program, or try again")
            }
            _ => Self::internal(message),
        }
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::Illegal(_)
            | EngineError::Busy { .. }
            | EngineError::Objective(_)
            | EngineError::Invalid(_) => Self::usage(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_message_causes_and_hints_in_that_order() {
        let error = CliError::usage("cannot import `app:graph`")
            .caused_by("Traceback:\n  line 1")
            .hint("install `app`");
        insta::assert_snapshot!(error.render(Style::plain()), @r"
        error: cannot import `app:graph`
          caused by: Traceback:
              line 1

        hint: install `app`
        ");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn an_unknown_id_is_the_users_business_and_a_full_disk_is_not() {
        let unknown = StoreError::NotFound { what: "batch", id: "b_zzz".to_owned() };
        assert_eq!(CliError::from(unknown).exit_code(), exit::USAGE);
        assert_eq!(CliError::from(StoreError::Full("x".to_owned())).exit_code(), exit::INTERNAL);
    }
}
