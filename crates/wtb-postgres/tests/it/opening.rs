//! Opening: what is made, what is refused, and what the refusal says.

use std::sync::Barrier;
use std::thread;

use postgres::{Client, NoTls};
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::{note, session, unit};
use wtb_store::{Change, Store, StoreError, UnitOfWork};

use crate::Fresh;
use crate::server::{Server, shared};

fn open_error(address: &str) -> StoreError {
    PostgresStore::open(address, PostgresOptions::default()).unwrap_err()
}

/// The text of a refusal of this kind, which must not give the password away.
fn refusal(address: &str) -> String {
    let error = open_error(address);
    let text = error.to_string();
    assert!(matches!(error, StoreError::Open { .. }), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("wr0ng"), "{text}");
    text
}

#[test]
fn the_address_is_told_without_the_password() {
    let place = Fresh::new();
    let store = place.store();
    assert!(place.address.contains("s3cret"));
    assert!(!store.url().contains("s3cret"), "{}", store.url());
    assert!(store.url().contains(place.schema()), "{}", store.url());
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
}

#[test]
fn a_store_that_must_exist_is_not_made() {
    let place = Fresh::new();
    let options = PostgresOptions { create: false, ..PostgresOptions::default() };
    let error = PostgresStore::open(&place.address, options.clone()).unwrap_err();
    assert!(error.to_string().contains("there is no store in schema"), "{error}");
    drop(place.store());
    PostgresStore::open(&place.address, options).unwrap();
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let server = shared();
    let good = server.address("");
    let text = refusal(&good.replace("s3cret", "wr0ng"));
    assert!(text.contains("check the user and the password"), "{text}");
    let text = refusal(&good.replace(":s3cret", ""));
    assert!(text.contains("password"), "{text}");
    let text = refusal(&good.replace("/postgres?", "/nowhere?"));
    assert!(text.contains("`postgresql") && text.contains("CREATE DATABASE"), "{text}");

    let error = open_error(&good.replace(&format!(":{}/", server.port), ":1/"));
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("see that the server runs"), "{error}");
    let error = open_error(&good.replace("127.0.0.1", "no-such-host.invalid"));
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
}

#[test]
fn a_schema_of_something_else_is_left_alone() {
    let place = Fresh::new();
    let sql = format!("CREATE SCHEMA {0}; CREATE TABLE {0}.recipes (name TEXT)", place.schema());
    shared().raw().batch_execute(&sql).unwrap();
    assert!(refusal(&place.address).contains("belongs to another program"));
}

#[test]
fn a_newer_store_is_refused() {
    let place = Fresh::new();
    drop(place.store());
    let mut raw = shared().raw();
    let sql = format!("INSERT INTO {}.migrations (version) VALUES (99)", place.schema());
    raw.batch_execute(&sql).unwrap();
    let error = open_error(&place.address);
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn many_open_a_new_store_at_once() {
    let place = Fresh::new();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let (place, barrier) = (&place, &barrier);
            scope.spawn(move || {
                barrier.wait();
                place.store().commit(unit([Change::OpenSession(session(number))])).unwrap();
            });
        }
    });
    assert_eq!(place.store().open_sessions().unwrap().len(), 8);
}

#[test]
fn who_may_only_read_reads_and_is_told_so() {
    let place = Fresh::new();
    place.store().commit(UnitOfWork::of_events(vec![note(1)])).unwrap();
    let server = shared();
    let reader = format!("reader_{}", place.schema());
    server
        .raw()
        .batch_execute(&format!(
            "CREATE ROLE {reader} LOGIN PASSWORD 's3cret'; \
             GRANT USAGE ON SCHEMA {0} TO {reader}; \
             GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {reader}",
            place.schema()
        ))
        .unwrap();
    let as_reader = place.address.replace("postgres:s3cret", &format!("{reader}:s3cret"));
    let store = PostgresStore::open(&as_reader, PostgresOptions::default()).unwrap();
    assert_eq!(store.last_sequence().unwrap(), 1);
    let error = store.commit(UnitOfWork::of_events(vec![note(2)])).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    assert!(error.to_string().contains("grant the user"), "{error}");

    let nowhere = server.fresh().replace("postgres:s3cret", &format!("{reader}:s3cret"));
    assert!(refusal(&nowhere).contains("permission denied"));
}

#[test]
fn a_server_that_is_read_only_is_read_and_named() {
    let mut server = Server::start(&["fsync=off"]);
    let address = server.fresh();
    let store = PostgresStore::open(&address, PostgresOptions::default()).unwrap();
    store.commit(UnitOfWork::of_events(vec![note(1)])).unwrap();
    drop(store);
    server.stop(crate::server::Stop::Fast);
    // What a standby is, as far as a program can tell.
    std::fs::write(server.data().join("standby.signal"), "").unwrap();
    server.restart();
    let store = PostgresStore::open(&address, PostgresOptions::default()).unwrap();
    assert_eq!(store.last_sequence().unwrap(), 1);
    let error = store.commit(UnitOfWork::of_events(vec![note(2)])).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    assert!(error.to_string().contains("standby"), "{error}");
}

#[test]
fn too_many_connections_are_waited_for_and_told() {
    let server =
        Server::start(&["fsync=off", "max_connections=6", "superuser_reserved_connections=0"]);
    let address = server.address("patience=0.5");
    drop(PostgresStore::open(&address, PostgresOptions::default()).unwrap());
    let hogs: Vec<Client> =
        std::iter::from_fn(|| Client::connect(&address.replace("patience=0.5", ""), NoTls).ok())
            .collect();
    assert!(hogs.len() >= 3, "{}", hogs.len());
    let error = open_error(&address);
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("max_connections"), "{error}");
}
