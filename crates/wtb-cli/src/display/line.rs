//! The texts of live progress.

use wtb_engine::{Failure, Progress};

use crate::text::{Style, Tone, duration, one_line};

const MESSAGE_WIDTH: usize = 200;

/// `123/400 (2 failed, 1 retried) 35.2/s ETA 8s`
pub(super) fn progress_line(progress: &Progress, style: Style) -> String {
    let counts = &progress.counts;
    let mut asides = Vec::new();
    if counts.errors() > 0 {
        asides.push(style.paint(Tone::Bad, &format!("{} failed", counts.errors())));
    }
    for (count, word) in [
        (counts.interrupted, "awaiting an answer"),
        (counts.cancelled, "cancelled"),
        (progress.retried, "retried"),
        (progress.unscored, "being scored"),
    ] {
        if count > 0 {
            asides.push(format!("{count} {word}"));
        }
    }
    if progress.status == Some(wtb_model::BatchStatus::Paused) {
        asides.push(style.paint(Tone::Warn, "paused"));
    }
    if progress.backpressure {
        asides.push(style.paint(Tone::Warn, "waiting for scores"));
    }
    let mut text = format!("{}/{}", counts.ended(), progress.total);
    if !asides.is_empty() {
        text.push_str(&format!(" ({})", asides.join(", ")));
    }
    if progress.per_second > 0.0 {
        text.push_str(&format!(" {:.1}/s", progress.per_second));
    }
    if let Some(remaining) = progress.remaining_ms.filter(|_| counts.outstanding() > 0) {
        text.push_str(&format!(" ETA {}", eta(remaining)));
    }
    text
}

/// `FAIL  variant / case: node "train": ValueError: ...`
pub(super) fn failure_line(failure: &Failure, style: Style) -> String {
    let node = failure.node.as_ref().map(|node| format!("node \"{node}\": ")).unwrap_or_default();
    format!(
        "{}  {} / {}: {node}{}",
        style.paint(Tone::Bad, "FAIL"),
        failure.variant,
        failure.case,
        one_line(&failure.message, MESSAGE_WIDTH)
    )
}

fn eta(milliseconds: u64) -> String {
    match milliseconds.div_ceil(1_000) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => duration(seconds * 1_000_000),
    }
}
