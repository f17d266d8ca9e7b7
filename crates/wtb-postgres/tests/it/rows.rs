//! What rests in rows, and what PostgreSQL would not take as it is.

use wtb_model::{AttemptOutcome, AttemptStatus, ExecutionStatus};
use wtb_store::conformance::sample::{
    Batch, error, execution, finish, note, outcome, score, session_id, start, unit,
};
use wtb_store::{Change, ExecutionFilter, JournalFilter, Page, Store, StoreError, UnitOfWork};

use crate::Fresh;
use crate::server::shared;

/// PostgreSQL takes no NUL in a text; users' errors, reasons and names may hold one.
#[test]
fn texts_with_nul_come_back() {
    let store = Fresh::new().store();
    let mut single = execution(1);
    single.variant = "a\0b\u{1a}0".to_owned();
    single.warnings = vec!["\0".to_owned()];
    let mut judged = score("judge\0", "quality", 1.0);
    judged.reason = Some("because \0".to_owned());
    let delivered = AttemptOutcome {
        error: Some(error("raised \0\u{1a}")),
        metrics: vec![judged.clone()],
        ..outcome(1)
    };
    let ends = (AttemptStatus::Failed, ExecutionStatus::Failed);
    store
        .commit(unit([
            Change::CreateExecution(Box::new(single.clone())),
            start(&single.id, 1, 1),
            finish(&single.id, (1, 1), ends, delivered.clone()),
        ]))
        .unwrap();
    let filter =
        ExecutionFilter { variant: Some(single.variant.clone()), ..ExecutionFilter::default() };
    let found = store.executions(&filter, Page::ALL).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].variant, &found[0].error), (&single.variant, &delivered.error));
    assert_eq!(store.detail(&single.id).unwrap().scores, [judged]);
    assert!(matches!(store.find_execution("\0"), Err(StoreError::NotFound { .. })));
}

/// One unit that the database refuses, among many that it takes.
#[test]
fn a_unit_that_the_database_refuses_is_refused_alone() {
    let place = Fresh::new();
    let (one, two) = (place.store(), place.store());
    let batch = Batch::new(7, &session_id(1), (1, 1, 1));
    one.commit(unit([batch.create()])).unwrap();
    let tickets: Vec<_> = (0..100)
        .map(|number| {
            // The other store does not know the batch that is there already.
            let changes = if number == 63 { vec![batch.create()] } else { Vec::new() };
            two.submit(UnitOfWork { changes, events: vec![note(number)] }).unwrap()
        })
        .collect();
    let mut sequences = Vec::new();
    for (number, ticket) in tickets.into_iter().enumerate() {
        match ticket.wait() {
            Ok(receipt) => sequences.push(receipt.sequence),
            Err(error) => assert_eq!(number, 63, "{error}"),
        }
    }
    assert_eq!(sequences, (1..=99).collect::<Vec<_>>());
}

/// More rows than one statement writes, and more objects than are remembered.
#[test]
fn a_large_batch_is_written_and_read() {
    let store = Fresh::new().store();
    let batch = Batch::new(1, &session_id(1), (2, 5_000, 1));
    store.commit(unit([batch.create()])).unwrap();
    assert_eq!(store.batch(&batch.record.id).unwrap().counts.queued, 10_000);
    assert_eq!(store.cases(&batch.record.id).unwrap(), batch.cases);
    let filter =
        ExecutionFilter { batch: Some(batch.record.id.clone()), ..ExecutionFilter::default() };
    assert_eq!(store.executions(&filter, Page::ALL).unwrap(), batch.executions);
}

/// What is not there afterwards: prepared statements, settings, locks, open transactions.
#[test]
fn nothing_is_left_on_a_connection() {
    let place = Fresh::new();
    let named = format!("{}&application_name={}", place.address, place.schema());
    let options = wtb_postgres::PostgresOptions { readers: 1, ..Default::default() };
    let store = wtb_postgres::PostgresStore::open(&named, options).unwrap();
    let batch = Batch::new(1, &session_id(1), (1, 2, 1));
    store.commit(unit([batch.create()])).unwrap();
    store.detail(&batch.executions[0].id).unwrap();
    store.journal(&JournalFilter::default(), 0, 10).unwrap();
    let mut raw = shared().raw();
    let rows = raw
        .query(
            "SELECT state, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid) \
             FROM pg_stat_activity a WHERE application_name = $1",
            &[&place.schema()],
        )
        .unwrap();
    assert_eq!(rows.len(), 2, "one that writes and one that reads");
    for row in rows {
        assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("idle", 0));
    }
}
