//! Requests and settings that make no sense.

use wtb_scheduler::{CellIndex, Config, ConfigError, FailFast, Input, Millis, Scheduler};

use crate::{batch, idle, send};

#[test]
fn senseless_requests_are_explained_and_change_nothing() {
    let mut scheduler = batch(Config::default(), 2);
    send(&mut scheduler, 0, idle(1));
    let before = (scheduler.counts(), scheduler.phase(), scheduler.next_wake());
    let stories = [
        (Input::Resume, "cannot resume a batch that is running"),
        (
            Input::Requeue { cell: CellIndex(0) },
            "cannot requeue cell 0: it is running; only a settled cell that ended without success \
             can be requeued",
        ),
        (
            Input::CancelCell { cell: CellIndex(9) },
            "there is no cell 9: the batch has 2 cells, counted from 0",
        ),
        (
            Input::Settled { cell: CellIndex(1) },
            "cannot settle cell 1: it is queued; only a cell whose outcome was accepted can be \
             settled",
        ),
    ];
    for (input, text) in stories {
        assert_eq!(scheduler.handle(Millis(9), input).unwrap_err().to_string(), text);
    }
    assert_eq!((scheduler.counts(), scheduler.phase(), scheduler.next_wake()), before);
    send(&mut scheduler, 10, Input::Cancel);
    assert_eq!(
        scheduler.handle(Millis(11), Input::Pause).unwrap_err().to_string(),
        "cannot pause a batch that is finished (cancelled); resume the batch in a new session \
         instead"
    );
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let zero = Config { window: 0, ..Config::default() };
    assert_eq!(Scheduler::new(zero, 1).unwrap_err(), ConfigError::Zero { setting: "window" });
    let mut jittery = Config::default();
    jittery.backoff.jitter = f64::NAN;
    assert!(matches!(Scheduler::new(jittery, 1), Err(ConfigError::BackoffJitter { .. })));
    let mut shrinking = Config::default();
    shrinking.backoff.factor = 0.5;
    assert!(matches!(Scheduler::new(shrinking, 1), Err(ConfigError::BackoffFactor { .. })));
    let fail_fast = Some(FailFast::Fraction { fraction: 1.5, min_sample: 0 });
    let impossible = Config { fail_fast, ..Config::default() };
    assert!(matches!(Scheduler::new(impossible, 1), Err(ConfigError::FailFastFraction { .. })));
}
