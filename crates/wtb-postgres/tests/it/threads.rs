//! Checkpoints of several programs: nothing is lost, nobody waits for each other forever, and a lone
//! one is a single journey to the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use wtb_model::Value;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::{noise, unit};
use wtb_store::{
    Change, CheckpointName, Checkpoints as _, NEW_INLINE_BYTES_MAX, NewChannel, NewCheckpoint,
    NewValue, NewWrite, NewWrites, Slot, Store, StoreError, UnitOfWork,
};

use crate::Fresh;
use crate::server::shared;

fn name(thread: &str, namespace: &str, id: &str) -> CheckpointName {
    CheckpointName { thread: thread.into(), namespace: namespace.into(), id: id.into() }
}

fn value(bytes: &[u8]) -> NewValue {
    NewValue::new(Value::new("msgpack", bytes.to_vec()), NEW_INLINE_BYTES_MAX)
}

fn channel(name: &str, value: Option<NewValue>) -> NewChannel {
    NewChannel { name: name.into(), version: "1".into(), value }
}

/// A checkpoint whose channel `stays` is its parent's, if it has one.
fn checkpoint(name: CheckpointName, parent: Option<&str>, grows: NewValue) -> NewCheckpoint {
    let stays = parent.is_none().then(|| value(&noise(9, 900)));
    NewCheckpoint {
        snapshot: None,
        parent: parent.map(str::to_owned),
        run: Some(format!("run of {}", name.thread)),
        metadata: "{}".to_owned(),
        body: value(name.id.as_bytes()),
        channels: vec![channel("grows", Some(grows)), channel("stays", stays)],
        name,
    }
}

fn put(checkpoint: NewCheckpoint) -> UnitOfWork {
    unit([Change::PutCheckpoint { checkpoint: Box::new(checkpoint), lease: None }])
}

fn write(of: CheckpointName, task: &str, text: &[u8]) -> UnitOfWork {
    let write = NewWrite { position: 0, channel: "grows".into(), value: value(text) };
    let writes = NewWrites {
        checkpoint: of,
        task: task.into(),
        path: String::new(),
        writes: vec![write],
        replace: false,
    };
    unit([Change::PutWrites { writes: Box::new(writes), lease: None }])
}

/// Puts a chain of checkpoints with a value that grows, each with a write.
fn put_chain(store: &PostgresStore, thread: &str, length: u32) -> Result<(), StoreError> {
    let slot = Slot { thread: thread.into(), namespace: String::new(), channel: "grows".into() };
    let mut bytes = noise(1, 5_000);
    let mut parent: Option<String> = None;
    for number in 0..length {
        bytes.extend(noise(number.into(), 600));
        let id = format!("{number:05}");
        let grown = store.pack(&slot, Value::new("msgpack", bytes.clone()));
        let ticket = store.submit(write(name(thread, "", &id), "task", id.as_bytes()))?;
        store.commit(put(checkpoint(name(thread, "", &id), parent.as_deref(), grown)))?;
        ticket.wait()?;
        parent = Some(id);
    }
    Ok(())
}

fn of_thread(thread: &str) -> wtb_store::CheckpointFilter {
    wtb_store::CheckpointFilter { thread: Some(thread.into()), ..Default::default() }
}

/// The chain is there, with all its values.
fn check_chain(store: &PostgresStore, thread: &str, length: u32) {
    let found = store.checkpoints(&of_thread(thread), 10_000).unwrap();
    let ids: Vec<_> = found.iter().rev().map(|one| one.name.id.clone()).collect();
    assert_eq!(ids, (0..length).map(|number| format!("{number:05}")).collect::<Vec<_>>());
    let mut bytes = noise(1, 5_000);
    for (number, one) in (0_u64..).zip(found.iter().rev()) {
        bytes.extend(noise(number, 600));
        assert_eq!(one.channels[0].1.bytes, bytes, "{thread} at {number}");
        assert_eq!(one.channels[1].1.bytes, noise(9, 900), "{thread} at {number}");
        assert_eq!(one.writes.len(), 1);
    }
}

#[test]
fn programs_put_copy_prune_delete_and_collect_at_once() {
    const LENGTH: u32 = 40;
    let place = Fresh::new();
    let refused = AtomicU64::new(0);
    thread::scope(|scope| {
        for program in 0..8_u32 {
            let (store, refused) = (place.store(), &refused);
            scope.spawn(move || {
                let own = format!("own {program}");
                put_chain(&store, &own, LENGTH).unwrap();
                for round in 0..25_u32 {
                    let id = format!("{:05}", round * 8 + program);
                    let shared = format!("shared {}", (round + program) % 3);
                    let copied = Change::CopyThread {
                        source: if round % 2 == 0 { own.clone() } else { shared.clone() },
                        target: shared.clone(),
                        up_to: (round % 3 == 0).then(|| format!("{round:05}")),
                    };
                    let units = [
                        put(checkpoint(name(&shared, "", &id), None, value(&noise(7, 3_000)))),
                        write(name(&shared, "sub", "x"), &id, b"written"),
                        put(checkpoint(name(&shared, "", "next"), Some(&id), value(b"1"))),
                        match round % 5 {
                            0 => unit([copied]),
                            1 => unit([Change::PruneThread { thread: shared.clone() }]),
                            2 => unit([Change::DeleteThread { thread: shared.clone() }]),
                            3 => unit([Change::DeleteRun { run: format!("run of {shared}") }]),
                            _ => UnitOfWork::default(),
                        },
                    ];
                    let tickets = units.map(|unit| store.submit(unit).unwrap());
                    for (number, ticket) in tickets.into_iter().enumerate() {
                        match ticket.wait() {
                            Ok(_) => {}
                            // The others may have deleted its parent.
                            Err(StoreError::MissingChannels { .. }) if number == 2 => {
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                            // Nor has every thread what a copy is to begin with.
                            Err(StoreError::NotFound { what: "checkpoint", .. }) if number == 3 => {
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                    if round % 10 == program {
                        store.collect().unwrap();
                    }
                }
            });
        }
    });
    assert!(refused.into_inner() < 8 * 25, "as a rule the parent is there");
    let store = place.store();
    store.collect().unwrap();
    for program in 0..8 {
        check_chain(&store, &format!("own {program}"), LENGTH);
    }
    // Whatever is left of the others can be read.
    store.checkpoints(&wtb_store::CheckpointFilter::default(), 10_000).unwrap();
}

/// Programs that extend one thread see its checkpoints in the order of their numbers.
#[test]
fn the_numbers_of_a_thread_become_visible_in_their_order() {
    let place = Fresh::new();
    thread::scope(|scope| {
        for program in 0..4_u32 {
            let store = place.store();
            scope.spawn(move || {
                for number in 0..60_u32 {
                    let id = format!("{program} {number}");
                    let namespace = if number % 3 == 0 { "sub" } else { "" };
                    let given = checkpoint(name("t", namespace, &id), None, value(b"1"));
                    store.commit(put(given)).unwrap();
                }
            });
        }
        let store = place.store();
        let mut seen: Vec<u64> = Vec::new();
        while seen.len() < 240 {
            let now: Vec<_> = store.outline("t").unwrap().iter().map(|one| one.sequence).collect();
            assert_eq!(now[..seen.len()], seen, "what comes later has a larger number");
            seen = now;
        }
    });
}

/// The number of the last group that a program has committed.
fn marks(place: &Fresh) -> i64 {
    let sql = format!("SELECT max(last) FROM {}.writers", place.schema());
    shared().raw().query_one(&sql, &[]).unwrap().get(0)
}

/// As long as nothing unexpected happens, the long way is not taken: it fails here.
#[test]
fn a_lone_checkpoint_is_one_call() {
    let place = Fresh::new();
    let store = place.store();
    put_chain(&store, "t", 3).unwrap();
    let (before, mut raw) = (marks(&place), shared().raw());
    let grown = |number: u32| {
        let slot = Slot { thread: "t".into(), namespace: String::new(), channel: "grows".into() };
        let bytes = [noise(1, 5_000), noise(5, 400 * number as usize)].concat();
        store.pack(&slot, Value::new("msgpack", bytes))
    };
    let sql = format!(
        "CREATE FUNCTION {0}.refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE 'the long way was taken'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON {0}.checkpoints FOR EACH STATEMENT \
         WHEN (pg_catalog.current_query() NOT LIKE '%put_checkpoints%') \
         EXECUTE FUNCTION {0}.refuse()",
        place.schema()
    );
    raw.batch_execute(&sql).unwrap();
    for number in 3..10_u32 {
        let (id, parent) = (format!("{number:05}"), format!("{:05}", number - 1));
        store.commit(put(checkpoint(name("t", "", &id), Some(&parent), grown(number)))).unwrap();
    }
    assert_eq!(marks(&place), before + 7);
    // What nobody remembers is read, the long way.
    let other = place.store();
    let given = checkpoint(name("t", "", "00010"), Some("00009"), value(b"1"));
    let error = other.commit(put(given)).unwrap_err();
    assert!(error.to_string().contains("the long way was taken"), "{error}");
}

/// A server may have other defaults for transactions: the locks would not be worth much there.
#[test]
fn other_defaults_of_transactions_do_not_matter() {
    for level in ["serializable", "repeatable\\%20read"] {
        let place = Fresh::new();
        drop(place.store());
        let address =
            format!("{}&options=-c%20default_transaction_isolation%3D{level}", place.address);
        let stores =
            [(), ()].map(|()| PostgresStore::open(&address, PostgresOptions::default()).unwrap());
        thread::scope(|scope| {
            for (number, store) in stores.iter().enumerate() {
                let own = format!("t{number}");
                scope.spawn(move || put_chain(store, &own, 10).unwrap());
            }
        });
        check_chain(&stores[0], "t0", 10);
        check_chain(&stores[0], "t1", 10);
    }
}

/// PostgreSQL takes no NUL in a text.
#[test]
fn names_with_nul_come_back() {
    let store = Fresh::new().store();
    let odd = "a\0b\u{1a}0";
    for parent in [None, Some(odd)] {
        let id = format!("{odd}{}", parent.unwrap_or_default());
        let given = checkpoint(name(odd, odd, &id), parent, value(b"\0"));
        store.commit(put(given)).unwrap();
        store.commit(write(name(odd, odd, &id), odd, b"\0")).unwrap();
    }
    let found = store.checkpoints(&of_thread(odd), 10).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].name, name(odd, odd, &format!("{odd}{odd}")));
    assert_eq!((found[0].parent.as_deref(), found[0].writes[0].task.as_str()), (Some(odd), odd));
}

/// Units of one group build on each other.
#[test]
fn a_group_is_applied_in_its_order() {
    let store = Fresh::new().store();
    let first = || put(checkpoint(name("t", "", "1"), None, value(b"1")));
    let second = |thread: &str| put(checkpoint(name(thread, "", "2"), Some("1"), value(b"2")));
    let copied = Change::CopyThread { source: "t".into(), target: "u".into(), up_to: None };
    let deleted = |thread: &str| unit([Change::DeleteThread { thread: thread.into() }]);
    let many = |units: Vec<UnitOfWork>| {
        let tickets: Vec<_> = units.into_iter().map(|unit| store.submit(unit).unwrap()).collect();
        tickets.into_iter().map(|ticket| ticket.wait().is_ok()).collect::<Vec<_>>()
    };
    let both = vec![first(), second("t"), unit([copied.clone()]), deleted("t"), second("t")];
    assert_eq!(many(both), [true, true, true, true, false]);
    assert_eq!(store.outline("u").unwrap().len(), 2);
    // A unit that is refused after it has deleted something leaves everything as it was.
    let mut half = deleted("u");
    half.changes.extend(second("u").changes);
    assert_eq!(many(vec![half, first(), second("t"), first()]), [false, true, true, true]);
    assert_eq!(store.outline("u").unwrap().len(), 2);
    assert_eq!(store.outline("t").unwrap().len(), 2);
    let mut whole = deleted("t");
    whole.changes.extend(first().changes.into_iter().chain(second("t").changes));
    assert_eq!(many(vec![whole, deleted("u")]), [true, true]);
    assert_eq!(store.outline("t").unwrap().len(), 2);
}

/// A checkpoint that is its own ancestor: nothing refuses it, and nothing may hang on it.
#[test]
fn a_circle_of_ancestors_has_an_end() {
    let store = Fresh::new().store();
    for (id, parent) in [("1", "2"), ("2", "1")] {
        let given = NewCheckpoint {
            channels: vec![channel("x", Some(value(b"1")))],
            parent: Some(parent.into()),
            ..checkpoint(name("t", "", id), None, value(b"1"))
        };
        store.commit(put(given)).unwrap();
    }
    let found = store.channel_history(&name("t", "", "2"), &["y".to_owned()]).unwrap();
    assert_eq!(found, [wtb_store::ChannelHistory::default()]);
}
