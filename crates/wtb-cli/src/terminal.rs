//! Where the command writes: data to one stream, talk to another, and what they can show.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::error::{CliError, ErrorKind};
use crate::text::{Style, tame};

/// Columns assumed of a terminal that does not tell.
pub(crate) const DEFAULT_WIDTH: usize = 80;
/// Columns where there is no terminal: what a program reads is neither wrapped nor cut.
const UNLIMITED_WIDTH: usize = usize::MAX;
/// Below this, tables would be columns of single letters.
const MIN_WIDTH: usize = 40;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Whether to paint on a stream.
    pub(crate) fn decide(self, is_terminal: bool, no_color: bool) -> Style {
        match self {
            Self::Always => Style::colored(),
            Self::Auto if is_terminal && !no_color => Style::colored(),
            Self::Auto | Self::Never => Style::plain(),
        }
    }
}

/// The two streams of the command. Data goes to `stdout`, talk to `stderr`.
pub struct Terminal<'a> {
    stdout: Box<dyn Write + 'a>,
    stderr: Box<dyn Write + 'a>,
    data_is_interactive: bool,
    talk_is_interactive: bool,
    width: usize,
    quiet: bool,
    style: Style,
    talk_style: Style,
    store_flag: Option<String>,
}

impl<'a> Terminal<'a> {
    /// Makes a terminal of two writers, each a terminal's or not, that is `width` columns wide and
    /// shows no colour until [`Terminal::configure`] says otherwise.
    pub fn new(
        stdout: impl Write + 'a,
        stderr: impl Write + 'a,
        (data_is_interactive, talk_is_interactive): (bool, bool),
        width: usize,
    ) -> Self {
        Self {
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            data_is_interactive,
            talk_is_interactive,
            width: width.max(MIN_WIDTH),
            quiet: false,
            style: Style::plain(),
            talk_style: Style::plain(),
            store_flag: None,
        }
    }

    /// The streams of this process. The variable `COLUMNS` overrides the width; without a
    /// terminal there is no limit to it.
    pub fn system(environment: &dyn Fn(&str) -> Option<String>) -> Terminal<'static> {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let are_terminals = (stdout.is_terminal(), stderr.is_terminal());
        let measured = || match console::Term::stdout().size_checked() {
            Some((_, columns)) => usize::from(columns),
            None if are_terminals.0 => DEFAULT_WIDTH,
            None => UNLIMITED_WIDTH,
        };
        let named = environment("COLUMNS").and_then(|text| text.parse().ok());
        let width = named.unwrap_or_else(measured);
        Terminal::new(stdout, stderr, are_terminals, width)
    }

    /// Settles colour and quietness once the command line is known.
    pub fn configure(&mut self, color: ColorChoice, no_color: bool, quiet: bool) {
        self.style = color.decide(self.data_is_interactive, no_color);
        self.talk_style = color.decide(self.talk_is_interactive, no_color);
        self.quiet = quiet;
    }

    /// Remembers the store that the command line names, so that what is advised finds it again.
    /// A password is not repeated.
    pub(crate) fn remember_store(&mut self, flag: Option<&str>) {
        self.store_flag = flag.map(wtb_engine::redacted);
    }

    /// Returns a command to advise, such as `resume b_1`, as it has to be typed here.
    pub(crate) fn advise(&self, words: &str) -> String {
        match &self.store_flag {
            Some(store) => format!("`wtb {words} --store {store}`"),
            None => format!("`wtb {words}`"),
        }
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How to paint data.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// How to paint talk.
    pub(crate) fn talk_style(&self) -> Style {
        self.talk_style
    }

    /// Writes data for people: nothing that texts of users hold does anything to a terminal.
    pub fn data(&mut self, text: &str) -> Result<(), CliError> {
        let text = tame(text, self.style.is_colored());
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> Result<(), CliError> {
        let written = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::new(ErrorKind::OutputClosed, "output closed"),
            _ => CliError::internal(format!("cannot write the output: {error}")),
        })
    }

    /// Writes one JSON document as data.
    pub fn json(&mut self, document: &serde_json::Value) -> Result<(), CliError> {
        self.write(&format!("{document:#}\n"))
    }

    /// Says something to the person in front of it, unless they asked for quiet.
    pub fn talk(&mut self, text: &str) {
        if !self.quiet {
            self.insist(text);
        }
    }

    /// Prints an error and returns the exit code that it gives.
    pub fn fail(&mut self, error: &CliError) -> i32 {
        if error.kind != ErrorKind::OutputClosed {
            let text = error.render(self.talk_style);
            self.insist(&text);
        }
        error.exit_code()
    }

    fn insist(&mut self, text: &str) {
        let text = tame(text, self.talk_style.is_colored());
        // With stderr gone there is nobody left to tell.
        drop(self.stderr.write_all(text.as_bytes()).and_then(|()| self.stderr.flush()));
    }
}
