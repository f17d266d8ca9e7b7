//! Opening: what is created, what is refused, and what the refusal says.

use std::fs;
use std::sync::Barrier;
use std::thread;

use wtb_store::conformance::sample::{note, session, unit};
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{Change, JournalFilter, Store, StoreError, UnitOfWork};

use crate::File;

fn open_error(address: &str) -> StoreError {
    SqliteStore::open(address, SqliteOptions::default()).unwrap_err()
}

#[test]
fn a_new_store_is_made_with_its_directory_for_its_owner_alone() {
    let file = File::fresh();
    let path = file.directory.path().join("a/b/store.db");
    let address = format!("sqlite:///{}?synchronous=full", path.display());
    let store = SqliteStore::open(&address, SqliteOptions::default()).unwrap();
    store.commit(UnitOfWork::of_events(vec![note(1)])).unwrap();
    assert_eq!(store.url(), format!("sqlite:///{}", path.display()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        }
    }
    drop(store);
    let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "a closed store is one file: {left:?}");
}

#[test]
fn a_store_that_must_exist_is_not_made() {
    let file = File::fresh();
    let options = SqliteOptions { create: false, ..SqliteOptions::default() };
    let error = SqliteStore::open(file.address(), options.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(error.to_string().contains(&format!("no file `{}`", file.address())), "{error}");
    assert!(!file.path.exists());
    drop(file.store());
    SqliteStore::open(file.address(), options).unwrap();
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_a_remedy() {
    let file = File::fresh();
    fs::write(&file.path, "text").unwrap();
    let below_a_file = file.path.join("store.db");
    let error = open_error(below_a_file.to_str().unwrap());
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(file.address()), "{message}");
    assert!(message.contains("choose another place"), "{message}");

    let directory = file.directory.path().to_str().unwrap();
    let message = open_error(directory).to_string();
    assert!(message.contains("it is a directory; name a file in it"), "{message}");
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let file = File::fresh();
    let text = "not a database, but rather a long text that somebody wrote\n".repeat(50);
    fs::write(&file.path, &text).unwrap();
    let error = open_error(file.address());
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(file.address()) && message.contains("another file"), "{message}");
    assert_eq!(fs::read_to_string(&file.path).unwrap(), text);

    fs::remove_file(&file.path).unwrap();
    file.raw().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let error = open_error(file.address());
    assert!(error.to_string().contains("the SQLite database of another program"), "{error}");
}

#[test]
fn a_newer_store_is_refused_and_not_touched() {
    let file = File::fresh();
    drop(file.store());
    file.raw().pragma_update(None, "user_version", 99).unwrap();
    let error = open_error(file.address());
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(file.address()) && message.contains("upgrade"), "{message}");
    let version: u32 =
        file.raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[test]
fn many_threads_open_a_new_store_at_once() {
    for _ in 0..10 {
        let file = File::fresh();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (file, barrier) = (&file, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let store = file.store();
                    store.commit(unit([Change::OpenSession(session(number))])).unwrap();
                });
            }
        });
        assert_eq!(file.store().open_sessions().unwrap().len(), 8);
        file.assert_sound();
    }
}

#[test]
fn a_damaged_row_is_named_and_hides_no_other() {
    let file = File::fresh();
    let store = file.store();
    store.commit(UnitOfWork::of_events(vec![note(1), note(2)])).unwrap();
    file.raw().execute("UPDATE journal SET body = '{\"kind\": \"' WHERE sequence = 1", []).unwrap();
    let error = store.journal(&JournalFilter::default(), 0, 10).unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("a journal entry"), "{error}");
    assert_eq!(store.journal(&JournalFilter::default(), 1, 10).unwrap()[0].event, note(2));
}

#[test]
fn events_of_a_newer_program_are_read_with_the_others() {
    let file = File::fresh();
    let store = file.store();
    store.commit(UnitOfWork::of_events(vec![note(1), note(2), note(3)])).unwrap();
    let newer = r#"{"kind": "checkpoint.saved", "step": 3}"#;
    let sql = "UPDATE journal SET kind = 'checkpoint.saved', body = ?1 WHERE sequence = 2";
    file.raw().execute(sql, [newer]).unwrap();
    let all = store.journal(&JournalFilter::default(), 0, 10).unwrap();
    let kinds: Vec<_> = all.iter().map(|entry| entry.event.body.kind()).collect();
    assert_eq!(kinds, ["custom.note", "checkpoint.saved", "custom.note"]);
    assert_eq!(all[1].event.body.data(), serde_json::json!({"step": 3}));
    let kinds = vec!["checkpoint.*".to_owned()];
    let filter = JournalFilter { kinds, ..JournalFilter::default() };
    assert_eq!(store.journal(&filter, 0, 10).unwrap(), all[1..2]);
    let again = UnitOfWork::of_events(vec![all[1].event.clone()]);
    assert!(store.commit(again).is_err(), "it is not ours to write");
    store.commit(UnitOfWork::of_events(vec![note(4)])).unwrap();
}

#[test]
fn a_closed_store_can_still_be_read() {
    let file = File::fresh();
    let store = file.store();
    store.commit(UnitOfWork::of_events(vec![note(1)])).unwrap();
    store.close().unwrap();
    assert_eq!(store.last_sequence().unwrap(), 1);
    assert_eq!(store.journal(&JournalFilter::default(), 0, 10).unwrap().len(), 1);
}
