//! What is sent is what comes, however it is cut on its way.

use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wtb_worker::frame::{self, FrameError, Inbox};
use wtb_worker::{End, FromWorker, Outcome, ToWorker};

use crate::any::{LARGE, any_from_worker, any_to_worker};

fn comes_through<T>(message: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let frame = frame::encode(message).unwrap();
    assert_eq!(&frame::read::<T>(&mut frame.as_slice()).unwrap().unwrap(), message);
    let mut rest = frame.as_slice();
    let mut inbox = Inbox::default();
    let come = loop {
        match inbox.take::<T>().unwrap() {
            Some(come) => break come,
            None => assert!(inbox.fill(&mut rest).unwrap(), "it never came"),
        }
    };
    assert_eq!(&come, message);
    assert!(!inbox.has_next() && inbox.take::<T>().unwrap().is_none());
}

/// What is taken out of an inbox into which these parts come one after the other.
fn taken(parts: &[&[u8]]) -> Vec<FromWorker> {
    let mut inbox = Inbox::default();
    let mut found = Vec::new();
    for mut part in parts.iter().copied().filter(|part| !part.is_empty()) {
        inbox.fill(&mut part).unwrap();
        while let Some(message) = inbox.take().unwrap() {
            found.push(message);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_workers_say_comes_through(message in any_from_worker()) {
        comes_through(&message);
    }

    #[test]
    fn what_supervisors_say_comes_through(message in any_to_worker()) {
        comes_through(&message);
    }
}

fn nodes(count: usize) -> (Vec<FromWorker>, Vec<u8>) {
    let node = |n| FromWorker::Node { node: format!("größe/{n}"), ended: n % 2 == 1 };
    let messages: Vec<_> = (0..count).map(node).collect();
    let frames = messages.iter().flat_map(|message| frame::encode(message).unwrap()).collect();
    (messages, frames)
}

#[test]
fn frames_may_be_cut_anywhere() {
    let (messages, frames) = nodes(3);
    assert_eq!(taken(&[&frames]), messages, "all in one read");
    let bytes: Vec<_> = frames.chunks(1).collect();
    assert_eq!(taken(&bytes), messages, "byte by byte");
    for first in 0..frames.len() {
        for second in first..frames.len() {
            let parts = [&frames[..first], &frames[first..second], &frames[second..]];
            assert_eq!(taken(&parts), messages, "cut at {first} and {second}");
        }
    }
}

#[test]
fn an_inbox_knows_whether_a_whole_frame_has_come() {
    let (_, frame) = nodes(1);
    for have in 0..frame.len() {
        let mut inbox = Inbox::default();
        inbox.fill(&mut &frame[..have]).unwrap();
        assert!(!inbox.has_next(), "{have} of {} bytes", frame.len());
        inbox.fill(&mut &frame[have..]).unwrap();
        assert!(inbox.has_next());
    }
}

#[test]
fn a_connection_that_ends_within_a_frame_is_an_error() {
    let (_, frame) = nodes(1);
    assert!(frame::read::<FromWorker>(&mut &frame[..0]).unwrap().is_none());
    for have in 1..frame.len() {
        let read = frame::read::<FromWorker>(&mut &frame[..have]);
        assert!(matches!(read, Err(FrameError::CutOff { .. })), "{have} bytes: {read:?}");
    }
}

#[test]
fn empty_and_large_payloads_come_through() {
    for bytes in [0, 1, 0xffff, 0x1_0000, LARGE, 5 * LARGE + 3] {
        comes_through(&ToWorker::Welcome { version: 1, job: Bytes::from(vec![7; bytes]) });
    }
}

/// `Outcome` and `Node` of a later program, with fields that this one does not know.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Later {
    Outcome { status: End, colour: Vec<Option<String>>, duration_s: f64 },
    Node { node: String, ended: bool, depth: u32 },
}

#[test]
fn fields_that_are_not_known_are_ignored_and_those_with_defaults_may_be_left_out() {
    let later = Later::Outcome { status: End::Failed, colour: vec![None], duration_s: 2.5 };
    let frame = frame::encode(&later).unwrap();
    let outcome = Outcome { duration_s: 2.5, ..Outcome::of(End::Failed) };
    let read = frame::read::<FromWorker>(&mut frame.as_slice()).unwrap();
    assert_eq!(read, Some(FromWorker::Outcome(Box::new(outcome))));
    let later = Later::Node { node: "plan".to_owned(), ended: true, depth: 3 };
    let frame = frame::encode(&later).unwrap();
    let read = frame::read::<FromWorker>(&mut frame.as_slice()).unwrap();
    assert_eq!(read, Some(FromWorker::Node { node: "plan".to_owned(), ended: true }));
}

#[test]
fn a_message_that_is_not_known_is_refused_by_name() {
    let frame = frame::encode(&serde_json::json!({"surprise": {}})).unwrap();
    let error = frame::read::<FromWorker>(&mut frame.as_slice()).unwrap_err().to_string();
    assert!(error.contains("unknown variant `surprise`"), "{error}");
}
