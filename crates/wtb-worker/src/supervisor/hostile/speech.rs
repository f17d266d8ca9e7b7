//! Workers that say what they should not.

use std::sync::mpsc;

use super::rig::{Desk, LONG, Manners, Process, Rig, order, settings};
use crate::checkpointer::GivenWrites;
use crate::frame;
use crate::message::{Answer, FromWorker, PROTOCOL_VERSION, ToWorker};
use crate::outcome::{End, Outcome};
use crate::supervisor::CRASHED;
use wtb_store::CheckpointName;

/// The outcome of an attempt whose process follows the script, and only ends when it is killed.
fn outcome(script: impl FnOnce(&Process) + Send + 'static) -> Outcome {
    let script = |process: &Process| {
        script(process);
        // It stays, and reads, until it is ended.
        while process.hear().is_some() {}
    };
    let ended = Rig::new(&settings(LONG, true), Manners::Stubborn, script)
        .attempt(&Desk::default())
        .unwrap();
    assert!(ended.is_gone && !ended.is_lost);
    ended.outcome
}

fn is_violation(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.status, End::Failed);
    assert!(outcome.retryable);
    let error = outcome.error.as_ref().unwrap();
    assert_eq!(error.kind, CRASHED);
    let begin = "the worker does not keep to the protocol (";
    assert!(error.message.starts_with(begin) && error.message.contains(what), "{}", error.message);
}

fn get() -> FromWorker {
    FromWorker::Get { thread: "t".to_owned(), namespace: String::new(), id: None }
}

fn writes() -> FromWorker {
    let checkpoint =
        CheckpointName { thread: "t".to_owned(), namespace: String::new(), id: "1".to_owned() };
    let (task, path, writes) = ("task".to_owned(), String::new(), Vec::new());
    FromWorker::PutWrites(Box::new(GivenWrites { checkpoint, task, path, writes, replace: false }))
}

#[test]
fn one_that_keeps_to_the_protocol_succeeds() {
    let ended = Rig::new(&settings(LONG, true), Manners::Polite, |process| {
        process.begin();
        process.deliver(End::Succeeded);
        assert_eq!(process.hear(), Some(ToWorker::Farewell {}));
    })
    .attempt(&Desk::default())
    .unwrap();
    assert_eq!(ended.outcome, Outcome::of(End::Succeeded));
    assert!(ended.is_gone && !ended.is_lost);
}

#[test]
fn rubbish_ends_the_attempt() {
    let outcome = outcome(|process| {
        process.begin();
        process.say(&FromWorker::Node { node: "plan".to_owned(), ended: false });
        process.write(&[4, 0, 0, 0, 0xc1, 0xc1, 0xc1, 0xc1]);
        process.deliver(End::Succeeded);
    });
    is_violation(&outcome, "no message of the protocol");
    assert_eq!(outcome.error.unwrap().node.as_deref(), Some("plan"));
}

#[test]
fn a_frame_that_is_announced_too_long_ends_the_attempt() {
    let outcome = outcome(|process| {
        process.begin();
        process.write(&[0xff; 4]);
    });
    is_violation(&outcome, "longer than");
}

#[test]
fn another_version_ends_the_attempt() {
    let outcome = outcome(|process| {
        process.say(&FromWorker::Hello { version: PROTOCOL_VERSION + 1 });
        process.deliver(End::Succeeded);
    });
    is_violation(&outcome, "it speaks version 2, this program 1");
}

#[test]
fn one_that_does_not_say_hello_is_not_heard() {
    let outcome = outcome(|process| {
        process.deliver(End::Succeeded);
    });
    is_violation(&outcome, "hello");
}

#[test]
fn the_first_outcome_stands_whatever_is_said_after_it() {
    let outcome = outcome(|process| {
        process.begin();
        process.deliver(End::Interrupted);
        process.deliver(End::Succeeded);
        process.write(&[0xff; 100]);
    });
    assert_eq!(outcome, Outcome::of(End::Interrupted));
}

#[test]
fn questions_after_the_outcome_are_answered_and_nothing_is_stored() {
    let (answers, heard) = mpsc::channel();
    let desk = Desk::default();
    let rig = Rig::new(&settings(LONG, true), Manners::Polite, move |process| {
        process.begin();
        process.deliver(End::Succeeded);
        process.say(&writes());
        process.say(&get());
        while let Some(message) = process.hear() {
            answers.send(message.clone()).unwrap();
            if matches!(message, ToWorker::Answer(_)) {
                return;
            }
        }
    });
    assert_eq!(rig.attempt(&desk).unwrap().outcome, Outcome::of(End::Succeeded));
    let refused = Answer::Failed { message: "the attempt has ended".to_owned() };
    assert_eq!(
        heard.iter().collect::<Vec<_>>(),
        [ToWorker::Farewell {}, ToWorker::Answer(refused)]
    );
    assert_eq!((desk.asked.into_inner(), desk.stored.into_inner()), (0, 0));
}

#[test]
fn what_became_of_writes_is_told_with_the_next_answer_and_once() {
    let (answers, heard) = mpsc::channel();
    let desk = Desk { is_full: true, ..Desk::default() };
    let rig = Rig::new(&settings(LONG, true), Manners::Polite, move |process| {
        process.begin();
        process.say(&writes());
        for _ in 0..2 {
            process.say(&get());
            answers.send(process.hear().unwrap()).unwrap();
        }
        process.deliver(End::Succeeded);
    });
    rig.attempt(&desk).unwrap();
    let heard: Vec<_> = heard.iter().collect();
    assert!(
        matches!(&heard[..], [
            ToWorker::Answer(Answer::Failed { message }),
            ToWorker::Answer(Answer::Checkpoint { found: Some(_) }),
        ] if message.contains("the disk is full")),
        "{heard:?}"
    );
}

/// Whether a warm worker would be given another attempt after it has said something more.
fn is_fit(is_at_once: bool, more: Vec<u8>) -> bool {
    let (go, wait) = mpsc::channel::<()>();
    let (said, has_said) = mpsc::channel();
    let mut rig = Rig::new(&settings(LONG, false), Manners::Stubborn, move |process| {
        process.begin();
        let outcome = FromWorker::Outcome(Box::new(Outcome::of(End::Succeeded)));
        let outcome = frame::encode(&outcome).unwrap();
        if is_at_once {
            process.write(&[outcome, more].concat());
        } else {
            process.write(&outcome);
            let _ = wait.recv();
            process.write(&more);
        }
        said.send(()).unwrap();
        while process.hear().is_some() {}
    });
    let ended = rig.worker.attempt(order(), &Desk::default()).unwrap();
    assert_eq!(ended.outcome, Outcome::of(End::Succeeded));
    assert!(!ended.is_gone);
    drop(go);
    has_said.recv().unwrap();
    let is_fit = rig.worker.is_alive();
    rig.leave();
    is_fit
}

#[test]
fn a_warm_worker_that_speaks_between_attempts_gets_none() {
    let again = frame::encode(&FromWorker::Outcome(Box::new(Outcome::of(End::Failed)))).unwrap();
    assert!(is_fit(false, Vec::new()));
    assert!(!is_fit(false, again));
    assert!(!is_fit(false, vec![0xff; 8]));
    assert!(!is_fit(true, vec![0xff; 8]));
}
