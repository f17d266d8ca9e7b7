//! Workers that end badly, late or never.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Instant;

use super::rig::{Desk, LONG, Manners, Process, Rig, SHORT, connected, order, settings};
use crate::message::{FromWorker, ToWorker};
use crate::outcome::End;
use crate::process::Report;
use crate::supervisor::{Ended, Settings, SupervisorError};

fn ended(
    settings: &Settings,
    manners: Manners,
    script: impl FnOnce(&Process) + Send + 'static,
) -> Ended {
    Rig::new(settings, manners, script).attempt(&Desk::default()).unwrap()
}

fn message(ended: &Ended) -> &str {
    &ended.outcome.error.as_ref().unwrap().message
}

/// It stays, and reads, until it is ended.
fn stay(process: &Process) {
    while process.hear().is_some() {}
}

#[test]
fn one_that_ends_within_a_frame_is_told_by_its_status() {
    let ended = ended(&settings(LONG, true), Manners::Polite, |process| {
        process.begin();
        process.write(&[200, 0, 0, 0, 0x81]);
        process.end(&Report { status: Some(3), ..Report::default() });
    });
    assert_eq!(message(&ended), "the process ended with exit status 3, and delivered nothing,");
    assert!(ended.is_gone && !ended.is_lost);
}

#[test]
fn one_that_closes_its_connection_and_goes_on_is_ended_without_a_timeout() {
    let settings = Settings { timeout: None, ..settings(LONG, true) };
    let (go, wait) = mpsc::channel::<()>();
    let mut rig = Rig::new(&settings, Manners::Stubborn, move |process| {
        process.begin();
        process.connection.shutdown(Shutdown::Both).unwrap();
        let _ = wait.recv();
    });
    let ended = rig.worker.attempt(order(), &Desk::default()).unwrap();
    drop(go);
    rig.leave();
    assert!(message(&ended).contains("it closed its connection, and went on"), "{ended:?}");
}

#[test]
fn a_keeper_that_goes_without_a_word_loses_its_worker() {
    let ended = ended(&settings(LONG, true), Manners::Polite, |process| {
        process.begin();
        process.lose_keeper();
    });
    assert!(ended.is_lost && ended.is_gone);
    assert_eq!(ended.outcome.status, End::Failed);
}

#[test]
fn an_outcome_counts_although_its_keeper_was_lost() {
    let ended = ended(&settings(LONG, true), Manners::Polite, |process| {
        process.begin();
        process.deliver(End::Succeeded);
        process.lose_keeper();
    });
    assert!(!ended.is_lost && ended.is_gone);
    assert_eq!(ended.outcome.status, End::Succeeded);
}

#[test]
fn one_that_ends_when_it_is_asked_to_is_not_killed() {
    let ended = ended(&settings(SHORT, true), Manners::Polite, |process| {
        process.begin();
        process.say(&FromWorker::Node { node: "train".to_owned(), ended: false });
        stay(process);
    });
    assert_eq!(ended.outcome.status, End::TimedOut);
    assert!(ended.outcome.error.is_none() && ended.outcome.duration_s >= SHORT.as_secs_f64());
}

#[test]
fn one_that_does_not_end_when_it_is_asked_to_is_killed_after_the_grace() {
    let began = Instant::now();
    let ended = ended(&settings(SHORT, true), Manners::Stubborn, |process| {
        process.begin();
        stay(process);
    });
    assert_eq!(ended.outcome.status, End::TimedOut);
    assert!(ended.is_gone);
    assert!((2 * SHORT..LONG).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[test]
fn one_that_does_not_even_end_when_it_is_killed_ends_the_supervisor() {
    let began = Instant::now();
    let attempted = Rig::new(&settings(SHORT, true), Manners::Undying, |process| {
        process.begin();
        stay(process);
    })
    .attempt(&Desk::default());
    assert!(matches!(attempted, Err(SupervisorError::TemplateLost(_))), "{attempted:?}");
    assert!(began.elapsed() < LONG);
}

#[test]
fn one_that_has_delivered_and_stays_is_killed_and_its_outcome_stands() {
    let ended = ended(&settings(LONG, true), Manners::Stubborn, |process| {
        process.begin();
        process.deliver(End::Succeeded);
        stay(process);
    });
    assert_eq!(ended.outcome.status, End::Succeeded);
    assert!(ended.is_gone);
}

#[test]
fn an_outcome_in_time_stands_although_the_attempt_was_stopped() {
    for (delivered, becomes) in [
        (End::Succeeded, End::Succeeded),
        (End::Cancelled, End::TimedOut),
        (End::Failed, End::TimedOut),
    ] {
        let ended = ended(&settings(SHORT, true), Manners::Stubborn, move |process| {
            process.begin();
            process.wait_until_asked();
            process.deliver(delivered);
        });
        assert_eq!(ended.outcome.status, becomes);
    }
}

#[test]
fn a_warm_worker_that_was_stopped_is_told_to_leave() {
    let settings = Settings { grace: LONG, ..settings(LONG, false) };
    let desk = Desk::default();
    desk.stopped.store(true, Ordering::SeqCst);
    let (told, heard) = mpsc::channel();
    let rig = Rig::new(&settings, Manners::Stubborn, move |process| {
        process.begin();
        process.wait_until_asked();
        process.deliver(End::Cancelled);
        told.send(process.hear()).unwrap();
    });
    let began = Instant::now();
    let ended = rig.attempt(&desk).unwrap();
    assert_eq!(heard.recv().unwrap(), Some(ToWorker::Farewell {}));
    assert_eq!(ended.outcome.status, End::Cancelled);
    assert!(ended.is_gone && began.elapsed() < LONG);
}

#[test]
fn a_connection_that_stays_open_elsewhere_does_not_hold_the_end() {
    let settings = Settings { timeout: None, ..settings(LONG, true) };
    let (spawned, [report, connection, ..]) = connected();
    let elsewhere = UnixStream::from(connection.try_clone().unwrap());
    let rig = Rig::of(&settings, spawned, [report, connection], Manners::Polite, |process| {
        process.begin();
        for _ in 0..1_000 {
            process.say(&FromWorker::Node { node: "n".to_owned(), ended: true });
        }
        process.deliver(End::Succeeded);
        process.report(&Report { status: Some(0), ..Report::default() });
    });
    let ended = rig.attempt(&Desk::default()).unwrap();
    drop(elsewhere);
    assert_eq!(ended.outcome.status, End::Succeeded, "what was said before its end counts");
    assert!(ended.is_gone);
}

#[test]
fn output_that_stays_open_elsewhere_is_reported() {
    let (spawned, [report, connection, stdout, _]) = connected();
    let rig =
        Rig::of(&settings(LONG, true), spawned, [report, connection], Manners::Polite, |process| {
            process.begin();
            process.deliver(End::Succeeded);
        });
    rustix::io::write(&stdout, b"as it was printed").unwrap();
    let ended = rig.attempt(&Desk::default()).unwrap();
    assert_eq!(ended.stdout.unwrap().text(), "as it was printed");
    assert!(ended.outcome.warnings[0].contains("still open"), "{:?}", ended.outcome.warnings);
    drop(stdout);
}
