//! The server goes away in the middle of writing, and comes back: nothing is lost or doubled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use wtb_model::EventBody;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::{Batch, note, session_id, start, succeed, unit};
use wtb_store::{JournalFilter, Store, StoreError, UnitOfWork};

use crate::server::{Server, Stop};

const WRITERS: u64 = 4;

fn numbers(store: &PostgresStore) -> Vec<u64> {
    let entries = store.journal(&JournalFilter::default(), 0, 1_000_000).unwrap();
    let sequences = entries.iter().map(|entry| entry.sequence);
    assert!(sequences.eq(1..=entries.len() as u64), "numbers have no gaps");
    let number = |body: &EventBody| match body {
        EventBody::Custom { data, .. } => data["number"].as_u64().unwrap(),
        other => panic!("{other:?}"),
    };
    entries.iter().map(|entry| number(&entry.event.body)).collect()
}

/// Writes numbered events until told to stop; returns how many were reported as durable.
fn write_on(store: &PostgresStore, writer: u64, done: &AtomicBool) -> u64 {
    let mut number = 0;
    while !done.load(Ordering::Acquire) {
        let tickets: Vec<_> = (0..5)
            .map(|_| {
                number += 1;
                let events = vec![note(writer * 1_000_000 + number)];
                store.submit(UnitOfWork::of_events(events)).unwrap()
            })
            .collect();
        for ticket in tickets {
            ticket.wait().unwrap();
        }
    }
    number
}

/// Waits until those who write are in the middle of it, however slow this machine is.
fn let_write(store: &PostgresStore) {
    let (begun, before) = (Instant::now(), store.last_sequence().unwrap());
    thread::sleep(Duration::from_millis(150));
    while store.last_sequence().unwrap() < before + 20 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nobody writes");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_restart_loses_and_doubles_nothing() {
    let mut server = Server::start(&[]);
    let address = server.fresh();
    survives_restarts(&mut server, &address);
}

/// Restarts a server while stores at an address of it write, and counts what is there at the end.
pub(crate) fn survives_restarts(server: &mut Server, address: &str) {
    let stores =
        [(); 2].map(|()| PostgresStore::open(address, PostgresOptions::default()).unwrap());
    let done = AtomicBool::new(false);
    let written: Vec<(u64, u64)> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, done) = (&stores[usize::try_from(writer % 2).unwrap()], &done);
                scope.spawn(move || (writer, write_on(store, writer, done)))
            })
            .collect();
        for round in 0..8 {
            let_write(&stores[0]);
            server.stop(if round % 2 == 0 { Stop::Crash } else { Stop::Fast });
            server.restart();
        }
        let_write(&stores[0]);
        done.store(true, Ordering::Release);
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let mut found = numbers(&stores[0]);
    found.sort_unstable();
    let expected: Vec<u64> = written
        .iter()
        .flat_map(|(writer, count)| (1..=*count).map(move |number| writer * 1_000_000 + number))
        .collect();
    assert!(expected.len() > 100, "{}", expected.len());
    assert_eq!(found, expected, "each event is there once");
}

/// Connections die at any moment, also during a commit; the server itself lives on.
#[test]
fn a_connection_that_dies_loses_and_doubles_nothing() {
    let server = Server::start(&[]);
    let address = server.fresh();
    let store = PostgresStore::open(&address, PostgresOptions::default()).unwrap();
    let done = AtomicBool::new(false);
    let count = thread::scope(|scope| {
        let writer = scope.spawn(|| write_on(&store, 0, &done));
        let mut raw = server.raw();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE application_name = 'wtb'";
            raw.query(sql, &[]).unwrap();
            thread::sleep(Duration::from_millis(3));
        }
        done.store(true, Ordering::Release);
        writer.join().unwrap()
    });
    assert_eq!(numbers(&store), (1..=count).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_written_in_time_is_told_and_what_comes_later_is_written() {
    let mut server = Server::start(&[]);
    let address = format!("{}&patience=0.4", server.fresh());
    let store = PostgresStore::open(&address, PostgresOptions::default()).unwrap();
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let id = &batch.executions[0].id;
    store.commit(unit([batch.create(), start(id, 1, 1)])).unwrap();
    server.stop(Stop::Fast);
    for result in [store.commit(unit([succeed(id)])).map(drop), store.last_sequence().map(drop)] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("127.0.0.1") && text.contains("tried for"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    server.restart();
    store.commit(unit([succeed(id)])).unwrap();
    assert_eq!(store.batch(&batch.record.id).unwrap().counts.succeeded, 1);
}
