//! A store of an older schema, on a real server: what upgrading it does, and when it is not done.

use std::time::Duration;

use wtb_model::{SessionRecord, Value};
use wtb_store::conformance::sample::session;
use wtb_store::{
    Change, CheckpointName, NEW_INLINE_BYTES_MAX, NewCheckpoint, NewValue, Store, StoreError,
    UnitOfWork,
};

use super::server::shared;
use super::*;
use crate::{PostgresOptions, PostgresStore};

/// What a later version might do to what the first one holds.
const LATER: &str = "CREATE TABLE @.seen (id TEXT PRIMARY KEY); \
     INSERT INTO @.seen SELECT id FROM @.sessions; ALTER TABLE @.batches ADD COLUMN note TEXT";
const BROKEN: &str = "CREATE TABLE @.half (x INTEGER); INSERT INTO @.nowhere VALUES (1)";

fn nobody_lives(_: &SessionRecord, _: Duration) -> bool {
    false
}

fn until_a_minute(_: &SessionRecord, silence: Duration) -> bool {
    silence < Duration::from_mins(1)
}

/// A place for a store, and how this program's successors would look at it.
struct Fixture {
    address: Address,
    connection: Connection,
    successor: Vec<&'static str>,
}

impl Fixture {
    /// A store that this program has made, in which a session was opened.
    fn older() -> Self {
        let url = shared().fresh();
        let store = PostgresStore::open(&url, PostgresOptions::default()).unwrap();
        store.commit(UnitOfWork::silent(Change::OpenSession(session(1)))).unwrap();
        store.close().unwrap();
        let address = Address::parse(&url, PostgresOptions::default()).unwrap();
        let connection = Connection::open(&address).unwrap();
        Self { address, connection, successor: [MIGRATIONS, &[LATER]].concat() }
    }

    fn compare(&mut self, lives: Lives<'_>) -> Result<Upgrade, StoreError> {
        told(compare(&mut self.connection, &self.address, &self.successor, lives))
    }

    fn upgrade(&mut self, lives: Lives<'_>) -> Result<Upgrade, StoreError> {
        let done = told(upgrade(&mut self.connection, &self.address, &self.successor, lives));
        // What failed is undone with its connection.
        self.connection = Connection::open(&self.address).unwrap();
        done
    }

    fn number(&mut self, sql: &str) -> i64 {
        let rows = self.connection.query(sql, &[], "testing").unwrap();
        get(&rows[0], 0).unwrap()
    }

    fn version(&mut self) -> i64 {
        self.number("SELECT MAX(version) FROM @.migrations")
    }
}

fn told<T>(result: Result<T, Failure>) -> Result<T, StoreError> {
    result.map_err(|failure| match failure {
        Failure::Conflict(error) | Failure::Data(error) | Failure::Fatal(error) => error,
        Failure::Lost(reason) => panic!("the connection was lost: {reason}"),
    })
}

#[test]
fn an_older_store_keeps_what_it_holds() {
    let mut store = Fixture::older();
    let upgrade = store.upgrade(&nobody_lives).unwrap();
    let known = last_of(MIGRATIONS);
    assert_eq!((upgrade.from, upgrade.to), (known, known + 1));
    assert_eq!(store.version(), i64::from(known + 1));
    assert_eq!(store.number("SELECT count(*) FROM @.seen"), 1, "applied once, to what was there");
    let again = store.upgrade(&nobody_lives).unwrap();
    assert!(!again.is_needed(), "{again:?}");
}

#[test]
fn opening_leaves_an_older_store_to_who_asks_for_it() {
    let mut store = Fixture::older();
    let error = told(migrate(&mut store.connection, &store.address, &store.successor)).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Open { .. }), "{text}");
    let command = format!("`wtb migrate --store '{}'`", store.address.url);
    assert!(text.contains(&command) && !text.contains("s3cret"), "{text}");
    assert_eq!(store.version(), i64::from(last_of(MIGRATIONS)));
}

#[test]
fn comparing_tells_what_would_be_done_and_does_nothing() {
    let mut store = Fixture::older();
    for _ in 0..2 {
        let upgrade = store.compare(&until_a_minute).unwrap();
        assert!(upgrade.is_needed());
        assert_eq!(upgrade.sessions, [session(1)]);
        assert!(!upgrade.url.contains("s3cret"), "{}", upgrade.url);
    }
    assert!(store.compare(&nobody_lives).unwrap().sessions.is_empty());
}

#[test]
fn who_lives_is_in_the_way() {
    let mut store = Fixture::older();
    let error = store.upgrade(&until_a_minute).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::InUse { .. }), "{text}");
    let named = format!("process {} on {}", session(1).process, session(1).host);
    assert!(text.contains(&named) && !text.contains("s3cret"), "{text}");
    assert_eq!(store.version(), i64::from(last_of(MIGRATIONS)));
    store.connection.batch("UPDATE @.sessions SET ended_at = 1", "testing").unwrap();
    assert!(store.upgrade(&until_a_minute).unwrap().is_needed());
}

#[test]
fn who_opened_the_store_before_writes_nothing_after() {
    let mut older = Fixture::older();
    let url = shared().address(&format!("schema={}", older.address.options.schema));
    let store = PostgresStore::open(&url, PostgresOptions::default()).unwrap();
    let put = |id: &str| store.commit(UnitOfWork::silent(checkpoint(id)));
    let open = |number| store.commit(UnitOfWork::silent(Change::OpenSession(session(number))));
    open(2).unwrap();
    put("a").unwrap();
    older.upgrade(&nobody_lives).unwrap();
    for error in [put("b"), open(3), put("c")].map(Result::unwrap_err) {
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    }
    assert_eq!(older.number("SELECT count(*) FROM @.sessions"), 2);
    assert_eq!(older.number("SELECT count(*) FROM @.checkpoints"), 1);
}

fn checkpoint(id: &str) -> Change {
    let name =
        CheckpointName { thread: "t".to_owned(), namespace: String::new(), id: id.to_owned() };
    let checkpoint = Box::new(NewCheckpoint {
        snapshot: None,
        name,
        parent: None,
        run: None,
        metadata: "{}".to_owned(),
        body: NewValue::new(Value::new("msgpack", id.to_owned()), NEW_INLINE_BYTES_MAX),
        channels: Vec::new(),
    });
    Change::PutCheckpoint { checkpoint, lease: None }
}

#[test]
fn a_migration_that_fails_leaves_the_version_before_it() {
    let mut store = Fixture::older();
    store.successor.push(BROKEN);
    let error = store.upgrade(&nobody_lives).unwrap_err();
    assert!(error.to_string().contains("upgrading the store to version"), "{error}");
    assert_eq!(store.version(), i64::from(last_of(MIGRATIONS)));
    let sql = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = $1 \
               AND tablename IN ('seen', 'half')";
    let schema = store.address.options.schema.as_str().into();
    let rows = store.connection.query(sql, &[schema], "testing").unwrap();
    assert_eq!(get::<i64>(&rows[0], 0).unwrap(), 0, "a part of the upgrade is left");
}

#[test]
fn what_is_no_store_or_newer_is_left_alone() {
    let mut store = Fixture::older();
    store.upgrade(&nobody_lives).unwrap();
    store.successor.pop();
    for result in [store.upgrade(&nobody_lives), store.compare(&nobody_lives)] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    }
    let nowhere = Address::parse(&shared().fresh(), PostgresOptions::default()).unwrap();
    store.connection = Connection::open(&nowhere).unwrap();
    store.address = nowhere;
    let error = store.upgrade(&nobody_lives).unwrap_err();
    assert!(error.to_string().contains("there is no store in schema"), "{error}");
    let schema = &store.address.options.schema;
    let sql = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.recipes (name TEXT)");
    shared().raw().batch_execute(&sql).unwrap();
    let error = store.upgrade(&nobody_lives).unwrap_err();
    assert!(error.to_string().contains("belongs to another program"), "{error}");
}
