//! Calling the command without a process, in surroundings that keep still.

use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::Value;
use wtb_cli::{Step, Surroundings, Terminal, start};

use crate::records::NOW;

/// What a call of the command left behind.
pub(crate) struct Called {
    pub(crate) step: Step,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    pub(crate) fn code(&self) -> i32 {
        match &self.step {
            Step::Exit(code) => *code,
            Step::Perform(request) => panic!("expected an exit, got {request:?}"),
        }
    }

    pub(crate) fn request(&self) -> Value {
        match &self.step {
            Step::Perform(request) => serde_json::to_value(request).unwrap(),
            Step::Exit(code) => panic!("exit {code}: {}", self.stderr),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// How the command is called.
pub(crate) struct Caller<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) variables: &'a [(&'a str, &'a str)],
    pub(crate) is_terminal: bool,
    pub(crate) width: usize,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(directory: &'a Path) -> Self {
        Self { directory, variables: &[], is_terminal: false, width: 80 }
    }

    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut Terminal<'_>, &Surroundings<'_>) -> T,
    ) -> (T, String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let environment = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let surroundings = Surroundings {
            environment: &environment,
            directory: self.directory.to_path_buf(),
            now: NOW,
            time_zone: TimeZone::UTC,
        };
        let are_terminals = (self.is_terminal, self.is_terminal);
        let mut terminal = Terminal::new(&mut stdout, &mut stderr, are_terminals, self.width);
        let outcome = act(&mut terminal, &surroundings);
        drop(terminal);
        (outcome, String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    pub(crate) fn call(&self, line: &str) -> Called {
        let arguments: Vec<_> =
            std::iter::once("wtb").chain(line.split_whitespace()).map(Into::into).collect();
        let (step, stdout, stderr) =
            self.with(|terminal, surroundings| start(&arguments, surroundings, terminal));
        Called { step, stdout, stderr }
    }
}

/// Calls the command in a directory, without a terminal, at 80 columns.
pub(crate) fn wtb(directory: &Path, line: &str) -> Called {
    Caller::new(directory).call(line)
}
