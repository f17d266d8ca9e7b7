//! Bytes that are no messages: refused, quickly, and at no greater cost than their own length.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use wtb_worker::frame::{self, FRAME_BYTES_MAX, FrameError, Inbox};
use wtb_worker::{FromWorker, ToWorker};

use crate::any::{any_from_worker, any_to_worker};
use crate::memory::most_held;

/// What reading holds besides what it reads: a buffer of its own, and what `serde` makes room for.
const OWN_BYTES: usize = 4 << 20;
/// How much more than its bytes a message may hold: small fields are larger in memory.
const TIMES: usize = 40;

/// Feeds bytes to an inbox as a supervisor does, and to whoever waits for a frame.
fn hear(bytes: &[u8]) {
    let ((), most) = most_held(|| {
        hear_as::<FromWorker>(bytes);
        hear_as::<ToWorker>(bytes);
    });
    let allowed = OWN_BYTES + TIMES * bytes.len();
    assert!(most < allowed, "{most} bytes were held for {} that came", bytes.len());
}

fn hear_as<T: serde::de::DeserializeOwned>(bytes: &[u8]) {
    let mut rest = bytes;
    let mut inbox = Inbox::default();
    while inbox.fill(&mut rest).unwrap() {
        // Each frame has four bytes at least.
        let mut frames = 0;
        while let Ok(Some(_)) = inbox.take::<T>() {
            frames += 1;
        }
        assert!(frames <= bytes.len() / 4);
    }
    let _ = frame::read::<T>(&mut &*bytes);
    let _ = rmp_serde::from_slice::<T>(bytes);
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_le_bytes(), body].concat()
}

#[derive(Debug, Clone)]
enum Harm {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Announce(u32),
    Insert(Index, Vec<u8>),
}

fn any_harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<(Index, u8)>().prop_map(|(at, bit)| Harm::Flip(at, bit % 8)),
        // Among them the markers of MessagePack that announce lengths of four bytes.
        (any::<Index>(), prop_oneof![any::<u8>(), 0xc4..0xe0_u8])
            .prop_map(|(at, byte)| Harm::Set(at, byte)),
        any::<Index>().prop_map(Harm::Cut),
        any::<u32>().prop_map(Harm::Announce),
        (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

fn harmed(mut frame: Vec<u8>, harms: Vec<Harm>) -> Vec<u8> {
    for harm in harms {
        let place = |at: Index| at.index(frame.len().max(1));
        match harm {
            Harm::Flip(at, bit) => {
                let at = place(at);
                frame.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Harm::Set(at, new) => {
                let at = place(at);
                frame.get_mut(at).into_iter().for_each(|byte| *byte = new);
            }
            Harm::Cut(at) => frame.truncate(at.index(frame.len() + 1)),
            Harm::Announce(bytes) => {
                frame.iter_mut().zip(bytes.to_le_bytes()).for_each(|(byte, new)| *byte = new);
            }
            Harm::Insert(at, bytes) => {
                let at = at.index(frame.len() + 1);
                frame.splice(at..at, bytes);
            }
        }
    }
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_harm_nobody(bytes in vec(any::<u8>(), 0..300)) {
        hear(&bytes);
        hear(&framed(&bytes));
    }

    #[test]
    fn harmed_messages_of_workers_harm_nobody(
        message in any_from_worker(), harms in vec(any_harm(), 1..6),
    ) {
        hear(&harmed(frame::encode(&message).unwrap(), harms));
    }

    #[test]
    fn harmed_messages_of_supervisors_harm_nobody(
        message in any_to_worker(), harms in vec(any_harm(), 1..6),
    ) {
        hear(&harmed(frame::encode(&message).unwrap(), harms));
    }
}

/// What comes before a field's value in a message of one field.
fn opened(message: &str, field: &str) -> Vec<u8> {
    let name = |text: &str| [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0x81], name(message), vec![0x81], name(field)].concat()
}

#[test]
fn lengths_that_are_only_announced_cost_nothing() {
    let fields =
        [("welcome", "job"), ("steps", "thread"), ("history", "channels"), ("outcome", "nodes")];
    for (message, field) in fields {
        for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
            let body =
                [&opened(message, field)[..], &[marker, 0xff, 0xff, 0xff, 0xff, 0x01]].concat();
            hear(&framed(&body));
        }
    }
}

#[test]
fn a_frame_that_is_only_announced_costs_nothing() {
    let announced = u32::try_from(FRAME_BYTES_MAX).unwrap();
    hear(&announced.to_le_bytes());
    hear(&[&announced.to_le_bytes()[..], &[0; 100]].concat());
    for bytes in [announced + 1, u32::MAX] {
        let mut inbox = Inbox::default();
        inbox.fill(&mut &bytes.to_le_bytes()[..]).unwrap();
        assert!(inbox.has_next(), "an error is something to say");
        let taken = inbox.take::<FromWorker>();
        assert!(matches!(taken, Err(FrameError::TooLong { .. })), "{taken:?}");
        let read = frame::read::<FromWorker>(&mut &bytes.to_le_bytes()[..]);
        assert!(matches!(read, Err(FrameError::TooLong { .. })), "{read:?}");
    }
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let places = [opened("node", "unknown"), opened("list", "filter"), Vec::new()];
    for open in places {
        for depth in [100, 1_023, 1_024, 100_000, 1_000_000] {
            for level in [&[0x91][..], &[0x81, 0xa1, b'k'], &[0x81]] {
                let body = [&open[..], &level.repeat(depth), &[0xc0]].concat();
                hear(&framed(&body));
            }
        }
    }
}

#[test]
fn deeply_nested_metadata_of_a_filter_is_refused_before_the_stack_ends() {
    let name = |text: &str| [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let filter = [opened("list", "filter"), vec![0x81], name("metadata")].concat();
    for depth in [100, 900, 1_024, 200_000] {
        let entry = [&[0x91, 0x92][..], &name("key")].concat();
        let body = [filter.clone(), entry, [0x91].repeat(depth), vec![0xc0]].concat();
        hear(&framed(&body));
    }
}

#[test]
fn an_empty_frame_is_no_message() {
    let mut inbox = Inbox::default();
    inbox.fill(&mut &[0; 4][..]).unwrap();
    assert!(matches!(inbox.take::<FromWorker>(), Err(FrameError::Malformed(_))));
}
