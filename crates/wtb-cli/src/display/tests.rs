//! What people see while a batch runs.

use std::sync::{Arc, Mutex};

use indicatif::InMemoryTerm;
use wtb_model::{BatchStatus, StatusCounts};

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn failure(case: &str) -> Failure {
    Failure {
        execution: format!("e_{case}"),
        variant: "rf".to_owned(),
        case: case.to_owned(),
        node: Some("train".to_owned()),
        message: "ValueError: bad\nsecond line".to_owned(),
    }
}

fn progress(ended: u64, elapsed_ms: u64, failures: &[&str]) -> Progress {
    let failed = failures.len() as u64;
    Progress {
        total: 400,
        counts: StatusCounts {
            queued: 396 - ended,
            running: 4,
            succeeded: ended - failed,
            failed,
            ..StatusCounts::default()
        },
        unscored: 0,
        retried: 1,
        elapsed_ms,
        per_second: 35.21,
        remaining_ms: Some(7_900),
        status: Some(BatchStatus::Running),
        backpressure: false,
        failures: failures.iter().map(|case| failure(case)).collect(),
    }
}

fn lines(options: DisplayOptions, is_terminal: bool, updates: &[Progress]) -> String {
    let shared = Shared::default();
    let mut display = Display::on_stream(Box::new(shared.clone()), is_terminal, options);
    for update in updates {
        display.update(update);
    }
    display.note("a note");
    display.finish();
    shared.text()
}

#[test]
fn without_a_terminal_failures_come_at_once_and_counts_now_and_then() {
    let updates = [
        progress(1, 100, &[]),
        progress(100, 5_000, &["one"]),
        progress(123, 9_000, &["one", "two"]),
        progress(200, 10_200, &["one", "two"]),
    ];
    insta::assert_snapshot!(lines(DisplayOptions::default(), false, &updates), @r#"
    1/400 (1 retried) 35.2/s ETA 8s
    FAIL  rf / one: node "train": ValueError: bad
    FAIL  rf / two: node "train": ValueError: bad
    200/400 (2 failed, 1 retried) 35.2/s ETA 8s
    a note
    "#);
}

#[test]
fn failures_that_went_by_between_two_updates_are_counted() {
    let mut later = progress(200, 100, &["three"]);
    later.counts.failed = 12;
    let text = lines(DisplayOptions::default(), false, &[progress(9, 50, &["one"]), later]);
    assert!(text.contains("FAIL  and 10 more\nFAIL  rf / three"), "{text}");
}

#[test]
fn colour_is_for_terminals_and_only_when_it_is_wanted() {
    let updates = [progress(100, 0, &["one"])];
    let auto = DisplayOptions::default();
    assert!(!lines(auto, false, &updates).contains('\u{1b}'));
    assert!(lines(auto, true, &updates).contains("\u{1b}[1;31mFAIL"));
    let no_color = DisplayOptions { no_color: true, ..auto };
    assert!(!lines(no_color, true, &updates).contains('\u{1b}'));
}

#[test]
fn quiet_shows_nothing_and_none_shows_only_notes() {
    let updates = [progress(100, 0, &["one"])];
    let none = DisplayOptions { mode: ProgressMode::None, ..DisplayOptions::default() };
    assert_eq!(lines(none, false, &updates), "a note\n");
    let quiet = DisplayOptions { quiet: true, ..DisplayOptions::default() };
    assert_eq!(lines(quiet, false, &updates), "");
}

#[test]
fn on_a_terminal_the_bar_stays_below_the_failures_and_is_taken_away_at_the_end() {
    let terminal = InMemoryTerm::new(10, 80);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    let mut display =
        Display::on_terminal(target, DisplayOptions { no_color: true, ..Default::default() });
    display.update(&progress(123, 3_500, &["one", "two"]));
    insta::assert_snapshot!(terminal.contents(), @r#"
    FAIL  rf / one: node "train": ValueError: bad
    FAIL  rf / two: node "train": ValueError: bad
    [=======>                ] 123/400 (2 failed, 1 retried) 35.2/s ETA 8s
    "#);
    display.finish();
    assert!(!terminal.contents().contains("[==="), "{}", terminal.contents());
    assert!(terminal.contents().contains("FAIL  rf / two"));
}
