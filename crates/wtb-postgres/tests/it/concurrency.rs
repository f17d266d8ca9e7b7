//! Several stores write one database at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use wtb_model::{AttemptStatus, EventBody, ExecutionRecord, ExecutionStatus, StatusCounts, Value};
use wtb_store::conformance::sample::{
    Batch, continuation, event, execution, finish, moment, note, outcome, requeue, session,
    session_id, start, succeed, unit,
};
use wtb_store::{Change, JournalFilter, Store, StoreError, UnitOfWork};

use crate::Fresh;

const PROGRAMS: usize = 4;

/// The lock on the journal's end: without it, a reader would pass over what commits late.
#[test]
fn a_reader_misses_nothing_and_numbers_have_no_gaps() {
    const EACH: u64 = 300;
    let place = Fresh::new();
    let stores: Vec<_> = (0..PROGRAMS).map(|_| place.store()).collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let store = place.store();
            let (mut after, mut seen) = (0, Vec::new());
            loop {
                let last = done.load(Ordering::Acquire);
                let new = store.journal(&JournalFilter::default(), after, 7).unwrap();
                after = new.last().map_or(after, |entry| entry.sequence);
                if new.is_empty() && last {
                    return seen;
                }
                seen.extend(new.into_iter().map(|entry| entry.sequence));
            }
        });
        let writers: Vec<_> = stores
            .iter()
            .zip(0..)
            .map(|(store, program)| {
                scope.spawn(move || {
                    for number in 0..EACH {
                        let notes = vec![note(program * EACH + number), note(0)];
                        let ticket = store.submit(UnitOfWork::of_events(notes)).unwrap();
                        if number % 3 == 0 {
                            ticket.wait().unwrap();
                        }
                    }
                    store.flush().unwrap();
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        let seen = reader.join().unwrap();
        assert_eq!(seen, (1..=2 * EACH * PROGRAMS as u64).collect::<Vec<_>>());
    });
}

/// A cell is either driven itself or goes on by itself, whoever is first, and no token is used twice.
#[test]
fn a_cell_and_what_it_goes_on_to_do_not_run_at_once() {
    const ROUNDS: usize = 60;
    let place = Fresh::new();
    let cell = execution(1).id;
    let single = Change::CreateExecution(Box::new(execution(1)));
    place.store().commit(unit([single, start(&cell, 1, 1), succeed(&cell)])).unwrap();
    let tokens = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for program in 0..PROGRAMS {
            let (store, cell, tokens) = (place.store(), cell.clone(), &tokens);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let goes_on = program % 2 == 0;
                    let stands = store.execution(&cell).unwrap();
                    let id = if goes_on { cell.continuation() } else { cell.clone() };
                    let create = goes_on.then(|| continuation(&stands));
                    // Of the last attempt that it knows of, if any.
                    let last = store.execution(&id).unwrap_or(stands);
                    let (attempt, token) = (last.attempts + 1, last.token + 1);
                    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
                    let create = create.map(|one| Change::CreateExecution(Box::new(one)));
                    if let Some(create) = create {
                        let _taken = store.commit(unit([create]));
                    }
                    let begun = store.commit(unit([requeue(&id), start(&id, attempt, token)]));
                    match begun {
                        Ok(_) => {
                            tokens.lock().unwrap().push(token);
                            let end = finish(&id, (attempt, token), ends, outcome(1));
                            store.commit(unit([end])).unwrap();
                        }
                        Err(
                            StoreError::Illegal(_)
                            | StoreError::Fenced { .. }
                            | StoreError::NotFound { .. },
                        ) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    let mut tokens = tokens.into_inner().unwrap();
    let count = tokens.len();
    assert!(count >= ROUNDS, "{count}");
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), count, "no token is used twice");
}

/// Each attempt is started and ended by whoever is first, and by nobody else.
#[test]
fn one_of_many_gets_the_lease() {
    let place = Fresh::new();
    let batches = [1, 2].map(|number| Batch::new(number, &session_id(1), (1, 40, 1)));
    let create = batches.iter().map(Batch::create);
    place
        .store()
        .commit(unit([Change::OpenSession(session(1))].into_iter().chain(create)))
        .unwrap();
    let (started, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for program in 0..PROGRAMS {
            let (store, batches) = (place.store(), &batches);
            let (started, ended) = (&started, &ended);
            scope.spawn(move || {
                let mut ids: Vec<_> = batches.iter().flat_map(Batch::ids).collect();
                // In different orders: the locks must not be.
                if program % 2 == 1 {
                    ids.reverse();
                }
                let begin: Vec<_> =
                    ids.iter().map(|id| store.submit(unit([start(id, 1, 1)])).unwrap()).collect();
                let end: Vec<_> =
                    ids.iter().map(|id| store.submit(unit([succeed(id)])).unwrap()).collect();
                for ticket in begin {
                    match ticket.wait() {
                        Ok(_) => drop(started.fetch_add(1, Ordering::Relaxed)),
                        Err(StoreError::Illegal(_) | StoreError::Fenced { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                for ticket in end {
                    match ticket.wait() {
                        Ok(_) => drop(ended.fetch_add(1, Ordering::Relaxed)),
                        Err(StoreError::Fenced { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    assert_eq!((started.into_inner(), ended.into_inner()), (80, 80));
    let store = place.store();
    for batch in &batches {
        let counts = store.batch(&batch.record.id).unwrap().counts;
        assert_eq!(counts, StatusCounts { succeeded: 40, ..StatusCounts::default() });
        for id in batch.ids() {
            let detail = store.detail(id).unwrap();
            assert_eq!((detail.attempts.len(), detail.nodes.len()), (1, 3));
        }
    }
}

#[test]
fn one_of_many_claims_a_batch() {
    for _ in 0..5 {
        let place = Fresh::new();
        let batch = &Batch::new(1, &session_id(1), (1, 3, 1));
        let sessions = (1..=4).map(|number| Change::OpenSession(session(number)));
        let units = unit(sessions.chain([batch.create(), start(&batch.executions[0].id, 1, 1)]));
        place.store().commit(units).unwrap();
        let barrier = &Barrier::new(3);
        let won: usize = thread::scope(|scope| {
            let claimers: Vec<_> = (2..=4)
                .map(|number| {
                    let store = place.store();
                    scope.spawn(move || {
                        barrier.wait();
                        let claim = Change::ClaimBatch {
                            batch: batch.record.id.clone(),
                            session: session_id(number),
                            from: Some(session_id(1)),
                            at: batch.record.created_at,
                        };
                        match store.commit(unit([claim])) {
                            Ok(_) => 1,
                            Err(StoreError::NotOwner { .. }) => 0,
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            claimers.into_iter().map(|claimer| claimer.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(place.store().batch(&batch.record.id).unwrap().counts.queued, 3);
    }
}

/// Whoever decided upon what has moved on in the meantime is refused, however they interleave.
#[test]
fn rollbacks_of_several_programs_have_lineages_of_their_own() {
    const ROUNDS: u32 = 15;
    let place = Fresh::new();
    let batch = Batch::new(1, &session_id(1), (1, 1, 1));
    let cell = &batch.executions[0].id;
    place.store().commit(unit([batch.create(), start(cell, 1, 1), succeed(cell)])).unwrap();
    let before = place.store().execution(cell).unwrap().lineages;
    let barrier = Barrier::new(PROGRAMS);
    let done: u32 = thread::scope(|scope| {
        let programs: Vec<_> = (0..PROGRAMS)
            .map(|_| {
                let (store, barrier) = (place.store(), &barrier);
                scope.spawn(move || {
                    let rounds = (0..ROUNDS).filter(|_| {
                        let found = store.find_execution(cell.as_str()).unwrap();
                        let record = store.execution(&found).unwrap();
                        barrier.wait();
                        match store.commit(rolled_back(&record)) {
                            Ok(_) => true,
                            Err(StoreError::Moved { .. }) => false,
                            Err(other) => panic!("{other}"),
                        }
                    });
                    u32::try_from(rounds.count()).unwrap()
                })
            })
            .collect();
        programs.into_iter().map(|program| program.join().unwrap()).sum()
    });
    let lineages = place.store().execution(&cell.continuation()).unwrap().lineages;
    assert_eq!(lineages, before + done);
    assert!(done >= ROUNDS, "one of each round: {done}");
}

fn rolled_back(record: &ExecutionRecord) -> UnitOfWork {
    let id = record.id.continuation();
    let goes_on = (id != record.id).then(|| {
        let continued = ExecutionRecord { lineages: record.lineages, ..continuation(record) };
        Change::CreateExecution(Box::new(continued))
    });
    let lineages = record.lineages + 1;
    let (source, target) = (id.thread(1), id.thread(lineages));
    unit(goes_on.into_iter().chain([
        Change::ExpectHead {
            execution: record.id.clone(),
            lineages: record.lineages,
            checkpoint: None,
        },
        Change::PlaceExecution { execution: id, lineages, at: moment(5) },
        Change::CopyThread { source, target, up_to: None },
    ]))
}

/// What a dead session left queued is queued again afterwards: only one program may have done it.
#[test]
fn what_was_left_is_taken_up_by_one_program() {
    let place = Fresh::new();
    let stores: Vec<_> = (0..PROGRAMS).map(|_| place.store()).collect();
    for round in 0..20 {
        let single = execution(round);
        stores[0].commit(unit([Change::CreateExecution(Box::new(single.clone()))])).unwrap();
        let barrier = Barrier::new(PROGRAMS);
        let won: usize = thread::scope(|scope| {
            let programs: Vec<_> = (1..)
                .zip(&stores)
                .map(|(at, store)| {
                    let (single, barrier) = (&single, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        match store.commit(taken_up(single, at)) {
                            Ok(_) => 1,
                            Err(StoreError::Moved { .. }) => 0,
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            programs.into_iter().map(|program| program.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
    }
}

fn taken_up(record: &ExecutionRecord, at: i64) -> UnitOfWork {
    let (execution, status) = (record.id.clone(), record.status);
    let ended = ExecutionStatus::Cancelled;
    unit([
        Change::ExpectState {
            execution: execution.clone(),
            status,
            token: record.token,
            finished_at: record.finished_at,
        },
        Change::FinishExecution { execution, status: ended, at: moment(at) },
        requeue(&record.id),
    ])
}

/// Two programs put the same objects in opposite orders, and name them.
#[test]
fn objects_are_shared_without_a_deadlock() {
    let place = Fresh::new();
    let values: Vec<_> =
        (0..60_u8).map(|number| Value::new("bytes", vec![number; 3_000])).collect();
    thread::scope(|scope| {
        for program in 0..3_u64 {
            let (store, values) = (place.store(), &values);
            scope.spawn(move || {
                for (number, index) in (0_u64..).zip(0..values.len()) {
                    let index = if program == 1 { values.len() - 1 - index } else { index };
                    let mut single = execution(program * 1_000 + number);
                    single.input = Some(store.put_value(values[index].clone()).unwrap());
                    let create = Change::CreateExecution(Box::new(single));
                    let ticket = store.submit(unit([create])).unwrap();
                    if number % 4 == 0 {
                        ticket.wait().unwrap();
                    }
                }
            });
        }
    });
    let sql = format!("SELECT count(*) FROM {}.objects", place.schema());
    let stored: i64 = crate::server::shared().raw().query_one(&sql, &[]).unwrap().get(0);
    assert_eq!(stored, 60);
}

/// A silence is measured by the database, whatever the programs' clocks say.
#[test]
fn heartbeats_are_heard_on_the_clock_of_the_database() {
    let place = Fresh::new();
    let store = place.store();
    store.commit(unit([Change::OpenSession(session(1))])).unwrap();
    let body = EventBody::BatchPaused {};
    store.commit(UnitOfWork::of_events(vec![event(None, None, body)])).unwrap();
    let silence = store.silence(&session_id(1)).unwrap();
    assert!(silence.as_secs() < 60, "the sample's heartbeat is years old: {silence:?}");
    let sql =
        format!("UPDATE {}.sessions SET seen_at = seen_at - interval '1 hour'", place.schema());
    crate::server::shared().raw().execute(&sql, &[]).unwrap();
    assert!(store.silence(&session_id(1)).unwrap().as_secs() >= 3_600);
    let at = session(1).heartbeat_at;
    store.commit(unit([Change::Heartbeat { session: session_id(1), at }])).unwrap();
    assert!(store.silence(&session_id(1)).unwrap().as_secs() < 60);
    let missing = store.silence(&session_id(404));
    assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
}
