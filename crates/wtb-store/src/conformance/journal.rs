//! The journal: ordered without regard to the clock, filtered, awaited.

use std::thread;
use std::time::Duration;

use wtb_model::{Event, EventBody, JournalEntry};

use super::sample::{batch_id, event, execution_id, moment, note, session_id};
use super::{Place, checks};
use crate::{JournalFilter, Store, StoreError, UnitOfWork};

checks!("journal":
    entries_come_back_in_order_though_the_clock_jumps,
    the_journal_is_read_piece_by_piece,
    the_journal_is_filtered_by_whom_and_when,
    the_journal_is_filtered_by_kind,
    kinds_are_plain_text,
    sequence_numbers_go_on_after_a_restart,
    whoever_waits_is_woken,
);

fn write(store: &dyn Store, events: Vec<Event>) -> Result<u64, StoreError> {
    store.commit(UnitOfWork::of_events(events)).map(|receipt| receipt.sequence)
}

fn custom(name: &str) -> Event {
    let data = serde_json::Value::Null;
    event(None, None, EventBody::Custom { name: name.to_owned(), data })
}

fn entries_come_back_in_order_though_the_clock_jumps(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let events: Vec<_> = (0_u64..30)
        .map(|number| Event {
            at: moment(if number % 2 == 0 { 1_000 } else { -1_000 }),
            ..note(number)
        })
        .collect();
    for chunk in events.chunks(7) {
        write(store.as_ref(), chunk.to_vec())?;
    }
    let found = store.journal(&JournalFilter::default(), 0, 100)?;
    assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(found.last().map(|entry| entry.sequence), Some(store.last_sequence()?));
    let found: Vec<_> = found.into_iter().map(|entry| entry.event).collect();
    assert_eq!(found, events);
    Ok(())
}

fn the_journal_is_read_piece_by_piece(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    for _ in 0..7 {
        write_mixed(store.as_ref())?;
    }
    for kinds in [vec![], vec!["execution.*"], vec!["batch.paused", "custom.*"]] {
        let filter = JournalFilter {
            kinds: kinds.into_iter().map(str::to_owned).collect(),
            since: Some(moment(1)),
            until: Some(moment(4)),
            ..JournalFilter::default()
        };
        let whole = store.journal(&filter, 0, 100)?;
        for size in [1, 3, 100] {
            let (mut after, mut found) = (0, Vec::new());
            loop {
                let piece = store.journal(&filter, after, size)?;
                let Some(last) = piece.last() else { break };
                assert!(piece.len() as u64 <= size);
                after = last.sequence;
                found.extend(piece);
            }
            assert_eq!(found, whole, "{size} at a time");
        }
    }
    let any = JournalFilter::default();
    assert!(store.journal(&any, u64::MAX, 10)?.is_empty());
    assert!(store.journal(&any, 0, 0)?.is_empty());
    Ok(())
}

/// Six entries: their places in the journal are what the filters below are asked for.
fn write_mixed(store: &dyn Store) -> Result<(), StoreError> {
    let (batch, execution) = (batch_id(1), execution_id(1));
    let cancelled = EventBody::ExecutionCancelled { reason: "no".to_owned() };
    let paused = EventBody::ExecutionPaused { attempt: 1 };
    let mut events = vec![
        event(Some(&batch), None, EventBody::BatchPaused {}),
        event(Some(&batch), Some(&execution), cancelled.clone()),
        event(Some(&batch_id(2)), Some(&execution_id(2)), cancelled),
        event(None, Some(&execution), paused),
        event(Some(&batch), None, EventBody::BatchResumed {}),
        custom("custom.execution.x"),
    ];
    for (event, at) in events.iter_mut().zip([0, 1, 2, 3, 1, 5]) {
        event.at = moment(at);
    }
    write(store, events).map(drop)
}

/// Asserts which of the journal's entries a filter finds.
fn finds(store: &dyn Store, filter: &JournalFilter, expected: &[u64]) -> Result<(), StoreError> {
    let all = store.journal(&JournalFilter::default(), 0, 100)?;
    let first = all.first().map_or(0, |entry| entry.sequence);
    let found = store.journal(filter, 0, 100)?;
    let places: Vec<_> = found.iter().map(|entry: &JournalEntry| entry.sequence - first).collect();
    assert_eq!(places, expected, "{filter:?}");
    Ok(())
}

fn the_journal_is_filtered_by_whom_and_when(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let store = store.as_ref();
    write_mixed(store)?;
    let mut filter = JournalFilter::default();
    finds(store, &filter, &[0, 1, 2, 3, 4, 5])?;
    filter.since = Some(moment(1));
    finds(store, &filter, &[1, 2, 3, 4, 5])?;
    filter.until = Some(moment(3));
    finds(store, &filter, &[1, 2, 4])?;
    filter.since = None;
    finds(store, &filter, &[0, 1, 2, 4])?;
    filter.batch = Some(batch_id(1));
    finds(store, &filter, &[0, 1, 4])?;
    filter.execution = Some(execution_id(1));
    finds(store, &filter, &[1])?;
    filter.batch = None;
    filter.until = None;
    finds(store, &filter, &[1, 3])?;
    filter.kinds = vec!["execution.paused".to_owned()];
    finds(store, &filter, &[3])
}

fn the_journal_is_filtered_by_kind(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    write_mixed(store.as_ref())?;
    let asked: [(&[&str], &[u64]); 6] = [
        (&["execution.*"], &[1, 2, 3]),
        (&["batch.*", "custom.*"], &[0, 4, 5]),
        (&["batch.paused", "execution.paused"], &[0, 3]),
        (&["*"], &[0, 1, 2, 3, 4, 5]),
        (&["custom.execution.x"], &[5]),
        (&["execution", "cancelled", "batch.", "%", "batch_paused", ""], &[]),
    ];
    for (kinds, expected) in asked {
        let filter = JournalFilter {
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            ..JournalFilter::default()
        };
        finds(store.as_ref(), &filter, expected)?;
    }
    Ok(())
}

fn kinds_are_plain_text(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let names: Vec<_> =
        super::sample::HOSTILE.iter().map(|text| format!("custom.{text}")).collect();
    write(store.as_ref(), names.iter().map(|name| custom(name)).collect())?;
    for name in &names {
        let long = format!("{name}*");
        for kind in [name, &long] {
            let filter = JournalFilter { kinds: vec![kind.clone()], ..JournalFilter::default() };
            let found = store.journal(&filter, 0, 100)?;
            assert_eq!(found.len(), 1, "{kind:?}");
            assert_eq!(found[0].event, custom(name));
        }
    }
    Ok(())
}

fn sequence_numbers_go_on_after_a_restart(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    assert_eq!(store.last_sequence()?, 0);
    let last = write(store.as_ref(), vec![note(1), note(2)])?;
    drop(store);
    let store = place.open()?;
    assert_eq!(store.last_sequence()?, last);
    assert_eq!(store.wait_journal(last, Duration::ZERO), last);
    let next = write(store.as_ref(), vec![note(3)])?;
    assert!(next > last);
    let new = store.journal(&JournalFilter::default(), last, 10)?;
    assert_eq!(new, [JournalEntry { sequence: next, event: note(3) }]);
    assert_eq!(new[0].event.session, session_id(1));
    Ok(())
}

fn whoever_waits_is_woken(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let patience = Duration::from_secs(30);
    let last = write(store.as_ref(), vec![note(1)])?;
    assert_eq!(store.wait_journal(last - 1, patience), last, "there already");
    assert_eq!(store.wait_journal(last, Duration::from_millis(1)), last, "nothing comes");
    let store = store.as_ref();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || store.wait_journal(last, patience));
        let written = write(store, vec![note(2)]);
        assert_eq!(waiting.join().ok(), written.ok());
    });
    let last = store.last_sequence()?;
    thread::scope(|scope| {
        let waiting = scope.spawn(move || store.wait_journal(last, Duration::MAX));
        let closed = store.close();
        assert_eq!(waiting.join().ok(), Some(last), "the end of the writer ends the wait");
        closed
    })
}
