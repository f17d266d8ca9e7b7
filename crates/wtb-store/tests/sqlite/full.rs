//! A full disk, stood in for by the limit that a store can be given: both are `SQLITE_FULL`. And a
//! limit of file size, which is an I/O error.

use std::collections::HashMap;
use std::env;
use std::process::Command;

use wtb_model::Value;
use wtb_store::conformance::sample::{
    Batch, execution, noise, note, session_id, start, succeed, unit,
};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Change, JournalFilter, Store, StoreError, UnitOfWork};

use crate::File;

const SIZE_MAX_BYTES: u64 = 1 << 20;

fn small_store(file: &File) -> SqliteStore {
    let options = SqliteOptions { size_max_bytes: Some(SIZE_MAX_BYTES), ..Default::default() };
    SqliteStore::open(file.address(), options).unwrap()
}

/// An object of the size, unlike every other one.
fn object(number: u8, size: usize) -> Value {
    Value::new("bytes", noise(number.into(), size))
}

/// Stores objects until there is no room for more, and returns the error that said so.
fn fill(store: &SqliteStore) -> StoreError {
    for number in 0..100 {
        store.put_value(object(number, 20_000)).unwrap();
        if let Err(error) = store.commit(UnitOfWork::of_events(vec![note(number.into())])) {
            return error;
        }
    }
    panic!("100 objects of 20 kB fit into {SIZE_MAX_BYTES} bytes")
}

/// What a person does who frees some space.
fn make_room(file: &File) {
    assert!(file.raw().execute("DELETE FROM objects", []).unwrap() > 0);
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let file = File::fresh();
    let store = small_store(&file);
    let error = fill(&store);
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(error.to_string().contains(file.address()), "{error}");

    let whole = store.journal(&JournalFilter::default(), 0, 1_000).unwrap();
    let noted: Vec<_> = whole.into_iter().map(|entry| entry.event).collect();
    assert_eq!(noted, (0..noted.len() as u64).map(note).collect::<Vec<_>>());

    make_room(&file);
    store.commit(UnitOfWork::of_events(vec![note(77)])).unwrap();
    assert_eq!(store.last_sequence().unwrap(), noted.len() as u64 + 1);
    drop(store);
    file.assert_sound();
}

#[test]
fn every_unit_of_the_failed_transaction_is_told_and_none_is_written() {
    let file = File::fresh();
    let store = small_store(&file);
    let batch = Batch::new(1, &session_id(1), (1, 20, 1));
    store.commit(unit([batch.create()])).unwrap();
    fill(&store);
    let mut tickets: HashMap<_, _> = HashMap::new();
    for id in batch.ids() {
        store.put_value(object(200, 30_000)).unwrap();
        tickets.insert(id, store.submit(unit([start(id, 1, 1), succeed(id)])).unwrap());
    }
    let durable: HashMap<_, _> =
        tickets.into_iter().map(|(id, ticket)| (id, ticket.wait().is_ok())).collect();
    for id in batch.ids() {
        let detail = store.detail(id).unwrap();
        let written = (detail.attempts.len(), detail.nodes.len());
        assert_eq!(written, if durable[id] { (1, 3) } else { (0, 0) });
    }
    let counts = store.batch(&batch.record.id).unwrap().counts;
    assert_eq!(counts.succeeded, durable.values().filter(|durable| **durable).count() as u64);
    assert_eq!(counts.total(), 20);
}

#[test]
fn a_lost_object_is_not_named_by_a_later_unit() {
    let file = File::fresh();
    let store = small_store(&file);
    fill(&store);
    let mut single = execution(1);
    single.input = Some(store.put_value(object(200, 60_000)).unwrap());
    let create = || Change::CreateExecution(Box::new(single.clone()));
    // The object fails with a unit that does not name it ...
    let error = store.commit(UnitOfWork::of_events(vec![note(1)])).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    make_room(&file);
    // ... and the one that does would otherwise point to nothing, although there is room now.
    let error = store.commit(unit([create()])).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(store.execution(&single.id).is_err());

    assert_eq!(store.put_value(object(200, 60_000)).unwrap(), single.input.clone().unwrap());
    store.commit(unit([create()])).unwrap();
    assert_eq!(store.value(&single.input.unwrap()).unwrap(), object(200, 60_000));
}

/// The store of the process that this test starts itself again as, under a limit of file size.
const LIMITED: &str = "WTB_TEST_LIMITED_STORE";

#[cfg(unix)]
#[test]
fn an_io_error_names_the_store_and_what_to_look_at() {
    if let Ok(address) = env::var(LIMITED) {
        let store = SqliteStore::open(&address, SqliteOptions::default()).unwrap();
        let error = fill(&store);
        assert!(matches!(error, StoreError::Io(_)), "{error}");
        assert!(!store.journal(&JournalFilter::default(), 0, 1_000).unwrap().is_empty());
        println!("told: {error}");
        return;
    }
    let file = File::fresh();
    // 1 MiB. A process that does not ignore the signal is killed where it meets the limit.
    let limited = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"";
    let child = Command::new("sh")
        .args(["-c", limited])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "full::an_io_error_names_the_store_and_what_to_look_at", "--nocapture"])
        .env(LIMITED, file.address())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    let told = said.lines().find_map(|line| line.split_once("told: ")).unwrap().1;
    for part in [file.address(), "free space", "quotas", "limits of file size", "disk I/O error"] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    file.store().commit(UnitOfWork::of_events(vec![note(1)])).unwrap();
    file.assert_sound();
}
