//! Many threads, several openings, and the end of a store.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wtb_model::{EventBody, StatusCounts, StoredValue, Value};

use super::sample::{Batch, event, note, requeue, session_id, start, succeed, unit};
use super::{Place, checks, refusal};
use crate::{
    BatchFilter, Change, ExecutionFilter, JournalFilter, Page, Store, StoreError, UnitOfWork,
};

checks!("concurrency":
    many_threads_write_while_others_read,
    two_openings_share_one_store,
    a_flush_waits_for_everything_before_it,
    a_closed_store_has_everything_and_takes_nothing,
    a_dropped_store_has_everything,
);

const WRITERS: usize = 8;
const EACH: usize = 25;

/// Runs one execution from its queue to its end in two units, with a value that others share.
fn drive(store: &dyn Store, batch: &Batch, index: usize) -> Result<(), StoreError> {
    let id = &batch.executions[index].id;
    let shared = store.put_value(Value::new("json", vec![b'x'; 2_000 + index % 5]))?;
    let body = EventBody::ExecutionPaused { attempt: 1 };
    let began = event(Some(&batch.record.id), Some(id), body);
    let first = store.submit(UnitOfWork::new(start(id, 1, 1), began))?;
    let mut end = succeed(id);
    if let Change::FinishAttempt { outcome, .. } = &mut end {
        outcome.output = Some(shared);
    }
    let body = EventBody::ExecutionInterrupted { attempt: 1 };
    let ended = event(Some(&batch.record.id), Some(id), body);
    let second = store.submit(UnitOfWork::new(end, ended))?;
    let (first, second) = (first.wait()?, second.wait()?);
    assert!(first.sequence < second.sequence);
    assert_eq!(store.execution(id)?.attempts, 1, "what was redeemed is seen");
    Ok(())
}

fn many_threads_write_while_others_read(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let store = store.as_ref();
    let cases = u32::try_from(WRITERS * EACH).unwrap_or(0);
    let batch = &Batch::new(1, &session_id(1), (1, cases, 1));
    store.commit(unit([batch.create()]))?;
    let done = &AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let mut mine = writer * EACH..(writer + 1) * EACH;
                scope.spawn(move || mine.try_for_each(|index| drive(store, batch, index)))
            })
            .collect();
        let readers = [(); 3].map(|()| scope.spawn(move || watch(store, batch, done)));
        let written: Vec<_> = writers.into_iter().map(joined).collect();
        done.store(true, Ordering::Release);
        written.into_iter().chain(readers.map(joined)).collect::<Result<(), _>>()
    })?;
    let counts = store.batch(&batch.record.id)?.counts;
    let expected = StatusCounts { succeeded: u64::from(cases), ..StatusCounts::default() };
    assert_eq!(counts, expected);
    for id in batch.ids() {
        let output = store.execution(id)?.output;
        assert!(matches!(output, Some(StoredValue::Object { .. })), "{output:?}");
        assert_eq!(output.map(|output| store.value(&output).is_ok()), Some(true));
        let filter = JournalFilter { execution: Some(id.clone()), ..JournalFilter::default() };
        assert_eq!(store.journal(&filter, 0, 10)?.len(), 2);
    }
    Ok(())
}

/// What a thread returned; its panic is the check's.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Reads until the writers are done: every view is of whole units.
fn watch(store: &dyn Store, batch: &Batch, done: &AtomicBool) -> Result<(), StoreError> {
    let (mut ended, mut sequence) = (0, 0);
    while !done.load(Ordering::Acquire) {
        let counts = store.batch(&batch.record.id)?.counts;
        assert_eq!(counts.total(), batch.executions.len() as u64);
        assert!(counts.succeeded >= ended, "what was seen is not taken back");
        ended = counts.succeeded;
        let new = store.journal(&JournalFilter::default(), sequence, 50)?;
        assert!(new.iter().zip(sequence + 1..).all(|(entry, next)| entry.sequence >= next));
        sequence = new.last().map_or(sequence, |entry| entry.sequence);
        let filter = ExecutionFilter {
            batch: Some(batch.record.id.clone()),
            statuses: vec![wtb_model::ExecutionStatus::Succeeded],
            ..ExecutionFilter::default()
        };
        for execution in store.executions(&filter, Page::first(5))? {
            assert_eq!(store.detail(&execution.id)?.nodes.len(), 3, "a half-written outcome");
        }
    }
    Ok(())
}

fn two_openings_share_one_store(place: &dyn Place) -> Result<(), StoreError> {
    let (one, two) = (place.open()?, place.open()?);
    let batch = Batch::new(1, &session_id(1), (1, 2, 1));
    one.commit(unit([batch.create()]))?;
    let [first, second] = [&batch.executions[0].id, &batch.executions[1].id];
    two.commit(unit([start(first, 1, 1)]))?;
    one.commit(unit([start(second, 1, 1)]))?;
    let error = refusal(one.commit(unit([start(first, 1, 1)])));
    assert!(matches!(error, StoreError::Illegal(_)), "{error}");
    one.commit(unit([succeed(first)]))?;
    let counts = two.batch(&batch.record.id)?.counts;
    assert_eq!((counts.running, counts.succeeded), (1, 1));
    let last = one.commit(UnitOfWork::of_events(vec![note(1)]))?.sequence;
    assert!(two.commit(UnitOfWork::of_events(vec![note(2)]))?.sequence > last);
    Ok(())
}

fn a_flush_waits_for_everything_before_it(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    store.flush()?;
    for number in 0..500 {
        // The tickets are dropped: whoever does not want to know is not told.
        drop(store.submit(UnitOfWork::of_events(vec![note(number)]))?);
    }
    let refused = requeue(&super::sample::execution_id(404));
    drop(store.submit(UnitOfWork::silent(refused))?);
    store.flush()?;
    assert_eq!(store.journal(&JournalFilter::default(), 0, 1_000)?.len(), 500);
    Ok(())
}

fn a_closed_store_has_everything_and_takes_nothing(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let tickets = (0..500)
        .map(|number| store.submit(UnitOfWork::of_events(vec![note(number)])))
        .collect::<Result<Vec<_>, _>>()?;
    store.close()?;
    for ticket in tickets {
        ticket.wait()?;
    }
    let late = store.commit(UnitOfWork::of_events(vec![note(500)]));
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(matches!(store.put_value(Value::new("json", vec![0; 9_000])), Err(StoreError::Closed)));
    assert!(matches!(store.flush(), Err(StoreError::Closed)));
    store.close()?;
    assert_eq!(place.open()?.journal(&JournalFilter::default(), 0, 1_000)?.len(), 500);
    Ok(())
}

fn a_dropped_store_has_everything(place: &dyn Place) -> Result<(), StoreError> {
    let store = place.open()?;
    let value = store.put_value(Value::new("json", vec![1; 9_000]))?;
    let batch = Batch::new(1, &session_id(1), (1, 3, 1));
    drop(store.submit(unit([batch.create()]))?);
    drop(store);
    let store = place.open()?;
    assert_eq!(store.batches(&BatchFilter::default(), Page::ALL)?.len(), 1);
    assert_eq!(store.value(&value)?.bytes, vec![1; 9_000]);
    Ok(())
}
