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
    the_journal_is_filtered,
    kinds_are_plain_text,
    sequence_numbers_go_on_after_a_restart,
    whoever_waits_is_woken,
);

fn write(store: &dyn Store, events: Vec<Event>) -> Result<u64, StoreError> {
    store
        .commit(UnitOfWork::of_events(events))
        .map(|receipt| receipt.sequence)
}

fn custom(name: &str) -> Event {
    let data = serde_json::Value::Null;
    event(
        None,
        None,
        EventBody::Custom {
            name: name.to_owned(),
            data,
        },
    )
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
    assert_eq!(
        found.last().map(|entry| entry.sequence),
        Some(store.last_sequence()?)
    );
    let found: Vec<_> = found.into_iter().map(|entry| entry.event).collect();
    assert_eq!(found, events);
    Ok(())
}

fn the_journal_is_read_piece_by_piece(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    write(store.as_ref(), (0..25).map(note).collect())?;
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let piece = store.journal(&JournalFilter::default(), after, 10)?;
        let Some(last) = piece.last() else { break };
        assert!(piece.len() <= 10);
        after = last.sequence;
        found.extend(piece.into_iter().map(|entry| entry.event));
    }
    assert_eq!(found, (0..25).map(note).collect::<Vec<_>>());
    assert!(
        store
            .journal(&JournalFilter::default(), u64::MAX, 10)?
            .is_empty()
    );
    assert!(store.journal(&JournalFilter::default(), 0, 0)?.is_empty());
    Ok(())
}

fn the_journal_is_filtered(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let (batch, execution) = (batch_id(1), execution_id(1));
    let body = |reason: &str| EventBody::ExecutionCancelled {
        reason: reason.to_owned(),
    };
    let at = |micros, event| Event {
        at: moment(micros),
        ..event
    };
    write(
        store.as_ref(),
        vec![
            at(0, event(Some(&batch), None, EventBody::BatchPaused {})),
            at(1, event(Some(&batch), Some(&execution), body("b"))),
            at(
                2,
                event(Some(&batch_id(2)), Some(&execution_id(2)), body("c")),
            ),
            at(
                3,
                event(
                    None,
                    Some(&execution),
                    EventBody::ExecutionPaused { attempt: 1 },
                ),
            ),
            at(1, event(Some(&batch), None, EventBody::BatchResumed {})),
            at(5, custom("custom.execution.x")),
        ],
    )?;
    let places = |filter: &JournalFilter| -> Result<Vec<u64>, StoreError> {
        let first = store.journal(&JournalFilter::default(), 0, 1)?;
        let first = first
            .first()
            .map_or(0, |entry: &JournalEntry| entry.sequence);
        let found = store.journal(filter, 0, 100)?;
        Ok(found
            .into_iter()
            .map(|entry| entry.sequence - first)
            .collect())
    };
    let any = JournalFilter::default();
    let kinds = |kinds: &[&str]| {
        kinds
            .iter()
            .map(|&kind| kind.to_owned())
            .collect::<Vec<_>>()
    };
    let of_batch = JournalFilter {
        batch: Some(batch),
        ..any.clone()
    };
    assert_eq!(places(&any)?, [0, 1, 2, 3, 4, 5]);
    assert_eq!(places(&of_batch)?, [0, 1, 4]);
    assert_eq!(
        places(&JournalFilter {
            execution: Some(execution),
            ..any.clone()
        })?,
        [1, 3]
    );
    assert_eq!(
        places(&JournalFilter {
            since: Some(moment(1)),
            ..any.clone()
        })?,
        [1, 2, 3, 4, 5]
    );
    assert_eq!(
        places(&JournalFilter {
            until: Some(moment(2)),
            ..any.clone()
        })?,
        [0, 1, 4]
    );
    let span = JournalFilter {
        since: Some(moment(1)),
        until: Some(moment(3)),
        ..any.clone()
    };
    assert_eq!(places(&span)?, [1, 2, 4]);
    for (asked, expected) in [
        (kinds(&["execution.*"]), vec![1, 2, 3]),
        (kinds(&["batch.*", "custom.*"]), vec![0, 4, 5]),
        (kinds(&["batch.paused", "execution.paused"]), vec![0, 3]),
        (kinds(&["*"]), vec![0, 1, 2, 3, 4, 5]),
        (kinds(&["custom.execution.x"]), vec![5]),
        (
            kinds(&["execution", "cancelled", "batch.", "%", "batch_paused", ""]),
            vec![],
        ),
    ] {
        assert_eq!(
            places(&JournalFilter {
                kinds: asked,
                ..any.clone()
            })?,
            expected
        );
    }
    let both = JournalFilter {
        kinds: kinds(&["execution.*"]),
        ..of_batch
    };
    assert_eq!(places(&both)?, [1]);
    Ok(())
}

fn kinds_are_plain_text(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let names: Vec<_> = super::sample::HOSTILE
        .iter()
        .map(|text| format!("custom.{text}"))
        .collect();
    write(
        store.as_ref(),
        names.iter().map(|name| custom(name)).collect(),
    )?;
    for name in &names {
        let long = format!("{}*", name);
        for kind in [name, &long] {
            let filter = JournalFilter {
                kinds: vec![kind.clone()],
                ..JournalFilter::default()
            };
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
    assert_eq!(
        new,
        [JournalEntry {
            sequence: next,
            event: note(3)
        }]
    );
    assert_eq!(new[0].event.session, session_id(1));
    Ok(())
}

fn whoever_waits_is_woken(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let patience = Duration::from_secs(30);
    let last = write(store.as_ref(), vec![note(1)])?;
    assert_eq!(
        store.wait_journal(last - 1, patience),
        last,
        "there already"
    );
    assert_eq!(
        store.wait_journal(last, Duration::from_millis(1)),
        last,
        "nothing comes"
    );
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
        assert_eq!(
            waiting.join().ok(),
            Some(last),
            "the end of the writer ends the wait"
        );
        closed
    })
}
