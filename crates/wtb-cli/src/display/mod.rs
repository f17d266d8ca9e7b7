//! Live progress on stderr: a bar on a terminal, lines elsewhere, failures as they happen.
//!
//! Knows nothing of batches: whoever drives one hands over [`Progress`] now and then.

mod line;

#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use wtb_engine::{Failure, Progress};

use crate::request::OutputOptions;
use crate::text::{Style, Tone, tame};
use line::{failure_line, progress_line};

/// How often lines are printed where there is no terminal, in milliseconds.
const LINE_INTERVAL_MS: u64 = 10_000;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgressMode {
    /// A bar on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A line now and then.
    Plain,
    /// Not at all.
    None,
}

type Writer = Box<dyn Write + Send>;

enum Sink {
    Bar(ProgressBar),
    Lines(Writer),
}

/// Live progress of one batch.
///
/// ```
/// # fn progress() -> wtb_engine::Progress {
/// #     wtb_engine::Progress {
/// #         total: 1, counts: Default::default(), unscored: 0, retried: 0, elapsed_ms: 0,
/// #         per_second: 0.0, remaining_ms: None, status: None, backpressure: false, failures: vec![],
/// #     }
/// # }
/// use wtb_cli::{Display, DisplayOptions, ProgressMode};
///
/// let mut display = Display::new(DisplayOptions { mode: ProgressMode::None, ..Default::default() });
/// display.update(&progress());
/// display.finish();
/// ```
pub struct Display {
    sink: Sink,
    options: DisplayOptions,
    style: Style,
    known: Vec<Failure>,
    errors: u64,
    printed_ms: Option<u64>,
}

/// How a [`Display`] looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DisplayOptions {
    /// How progress is shown.
    pub mode: ProgressMode,
    /// When to use colour.
    pub color: crate::ColorChoice,
    /// Whether the variable `NO_COLOR` is set.
    pub no_color: bool,
    /// Whether nothing at all is shown, notes neither.
    pub quiet: bool,
}

impl From<&OutputOptions> for DisplayOptions {
    fn from(output: &OutputOptions) -> Self {
        Self {
            mode: output.progress,
            color: output.color,
            no_color: output.no_color,
            quiet: output.quiet,
        }
    }
}

impl Display {
    /// Makes a display on this process's stderr.
    pub fn new(options: DisplayOptions) -> Self {
        let stderr = std::io::stderr();
        if stderr.is_terminal() && options.mode == ProgressMode::Auto && !options.quiet {
            return Self::on_terminal(ProgressDrawTarget::stderr(), options);
        }
        let is_terminal = stderr.is_terminal();
        Self::on_stream(Box::new(stderr), is_terminal, options)
    }

    fn on_terminal(target: ProgressDrawTarget, options: DisplayOptions) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        // The template is a constant of ours; were it wrong, the default look is still a bar.
        if let Ok(look) = ProgressStyle::with_template("[{bar:24}] {msg}") {
            bar.set_style(look.progress_chars("=> "));
        }
        Self::with_sink(Sink::Bar(bar), true, options)
    }

    fn on_stream(writer: Writer, is_terminal: bool, options: DisplayOptions) -> Self {
        Self::with_sink(Sink::Lines(writer), is_terminal, options)
    }

    fn with_sink(sink: Sink, is_terminal: bool, options: DisplayOptions) -> Self {
        let style = options.color.decide(is_terminal, options.no_color);
        Self { sink, options, style, known: Vec::new(), errors: 0, printed_ms: None }
    }

    /// Shows where the batch stands, and failures that were not shown before.
    pub fn update(&mut self, progress: &Progress) {
        if self.options.quiet || self.options.mode == ProgressMode::None {
            return;
        }
        self.show_failures(progress);
        let text = progress_line(progress, self.style);
        match &mut self.sink {
            Sink::Bar(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.counts.ended());
                bar.set_message(text);
                // Rate and remaining time move on even where the position does not.
                bar.tick();
            }
            Sink::Lines(_) => {
                let is_due = self
                    .printed_ms
                    .is_none_or(|printed| progress.elapsed_ms >= printed + LINE_INTERVAL_MS);
                if is_due {
                    self.printed_ms = Some(progress.elapsed_ms);
                    self.line(&text);
                }
            }
        }
    }

    /// Says something beside the progress.
    pub fn note(&mut self, text: &str) {
        if !self.options.quiet {
            self.line(text);
        }
    }

    /// Takes the bar away; what was said stays.
    pub fn finish(&mut self) {
        if let Sink::Bar(bar) = &self.sink {
            bar.finish_and_clear();
        }
    }

    fn show_failures(&mut self, progress: &Progress) {
        let new: Vec<_> =
            progress.failures.iter().filter(|failure| !self.known.contains(failure)).collect();
        let errors = progress.counts.errors();
        let unseen = errors.saturating_sub(self.errors).saturating_sub(new.len() as u64);
        let mut lines: Vec<_> =
            new.into_iter().map(|failure| failure_line(failure, self.style)).collect();
        // The first update of a resumed batch counts failures that an earlier session has shown.
        if unseen > 0 && !self.known.is_empty() {
            lines.insert(0, self.style.paint(Tone::Bad, &format!("FAIL  and {unseen} more")));
        }
        for line in lines {
            self.line(&line);
        }
        self.errors = errors;
        self.known.clone_from(&progress.failures);
    }

    fn line(&mut self, text: &str) {
        let text = &*tame(text, self.style.is_colored());
        match &mut self.sink {
            Sink::Bar(bar) => bar.println(text),
            // With stderr gone there is nobody left to tell.
            Sink::Lines(writer) => drop(writeln!(writer, "{text}").and_then(|()| writer.flush())),
        }
    }
}
