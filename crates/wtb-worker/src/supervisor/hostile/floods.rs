//! Workers that say too much, or do not listen: their time runs out all the same.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::rig::{Desk, LONG, Manners, Process, Rig, SHORT, order, settings};
use crate::message::{FromWorker, Order};
use crate::outcome::End;

/// An attempt of a process that follows the script times out in time.
fn times_out(desk: &Desk, script: impl FnOnce(&Process) + Send + 'static) {
    let began = Instant::now();
    let rig = Rig::new(&settings(2 * SHORT, true), Manners::Stubborn, script);
    let ended = rig.attempt(desk).unwrap();
    assert_eq!(ended.outcome.status, End::TimedOut);
    assert!(ended.is_gone && !ended.is_lost);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
}

fn get() -> FromWorker {
    FromWorker::Get { thread: "t".to_owned(), namespace: String::new(), id: None }
}

#[test]
fn a_flood_of_nodes_does_not_hold_the_deadline() {
    times_out(&Desk::default(), |process| {
        process.begin();
        let node = |ended| FromWorker::Node { node: "n".to_owned(), ended };
        while process.say(&node(false)) && process.say(&node(true)) {}
    });
}

#[test]
fn a_flood_of_slow_questions_does_not_hold_the_deadline() {
    // One read brings more than a thousand questions: together they would take half a minute.
    let desk = Desk { takes: Duration::from_millis(20), ..Desk::default() };
    times_out(&desk, |process| {
        process.begin();
        while process.say(&get()) {}
    });
    assert!(desk.asked.into_inner() < 200);
}

#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    let desk = Desk { bytes: 64 << 10, ..Desk::default() };
    times_out(&desk, |process| {
        process.begin();
        while process.say(&get()) {}
    });
    let bytes = desk.asked.load(Ordering::SeqCst) * desk.bytes;
    assert!(bytes < 4 << 20, "{bytes} bytes were answered, and none was read");
}

#[test]
fn a_worker_that_reads_its_answers_late_gets_all_of_them() {
    const QUESTIONS: usize = 200;
    let desk = Desk { bytes: 64 << 10, ..Desk::default() };
    let rig = Rig::new(&settings(LONG, true), Manners::Polite, |process| {
        process.begin();
        for _ in 0..QUESTIONS {
            process.say(&get());
        }
        for _ in 0..QUESTIONS {
            process.hear().unwrap();
        }
        process.deliver(End::Succeeded);
    });
    assert_eq!(rig.attempt(&desk).unwrap().outcome.status, End::Succeeded);
    assert_eq!(desk.asked.into_inner(), QUESTIONS);
}

#[test]
fn a_worker_that_does_not_read_its_attempt_times_out() {
    let settings = settings(SHORT, true);
    let mut rig = Rig::new(&settings, Manners::Stubborn, |process| {
        process.wait_until_asked();
    });
    let input = vec![0; 8 << 20].into();
    let ended = rig.worker.attempt(Order { input, ..order() }, &Desk::default()).unwrap();
    assert_eq!(ended.outcome.status, End::TimedOut);
    rig.leave();
}
