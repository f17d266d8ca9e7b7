//! Going back and going on: who writes which lineage, and what stays as it was.

use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::json;
use wtb_engine::{
    ActiveBatch, AttemptEnd, Beginning, Delivery, Engine, EngineError, ForkPlan, Group, Place,
    ResumePlan, RetryPlan, SinglePlan, Task,
};
use wtb_model::{
    AttemptOutcome, CheckpointMode, EventBody, ExecutionId, ExecutionStatus as Status, StoredValue,
    Value,
};
use wtb_store::{
    Change, CheckpointName, ExecutionFilter, JournalFilter, NEW_INLINE_BYTES_MAX, NewCheckpoint,
    NewValue, Page, StoreError, UnitOfWork,
};

use crate::support::{Bench, ended, failure, open, plan, run, success, take};

fn single(bench: &Bench) -> Arc<ActiveBatch> {
    let plan = SinglePlan {
        workspace: wtb_model::WorkspaceSpec::default(),
        workflow: "flow".to_owned(),
        variant: "baseline".to_owned(),
        input: Value::new("text", b"hello".to_vec()),
        seed: 3,
        timeout_ms: None,
        checkpointed: true,
        front: json!({"reference": "module:flow"}),
    };
    bench.engine.submit_single(plan).unwrap()
}

/// Puts a checkpoint into an attempt's lineage, under its lease.
fn put(engine: &Engine, task: &Task, parent: Option<&str>, id: &str) -> Result<(), StoreError> {
    let thread = task.thread.clone().unwrap();
    let checkpoint = NewCheckpoint {
        snapshot: None,
        name: CheckpointName { thread, namespace: String::new(), id: id.to_owned() },
        parent: parent.map(str::to_owned),
        run: None,
        metadata: "{}".to_owned(),
        body: NewValue::new(Value::new("text", id.to_owned()), NEW_INLINE_BYTES_MAX),
        channels: Vec::new(),
    };
    let checkpoint = Box::new(checkpoint);
    let change = Change::PutCheckpoint { checkpoint, lease: Some(task.lease()) };
    engine.store().commit(UnitOfWork::silent(change)).map(drop)
}

fn ids(engine: &Engine, thread: &str) -> Vec<String> {
    let outlines = engine.store().outline(thread).unwrap();
    outlines.into_iter().map(|one| one.name.id).collect()
}

/// The bodies of an execution's events, in order.
fn told(engine: &Engine, execution: &ExecutionId) -> Vec<EventBody> {
    let filter = JournalFilter { execution: Some(execution.clone()), ..JournalFilter::default() };
    engine.store().flush().unwrap();
    let entries = engine.store().journal(&filter, 0, 1_000).unwrap();
    entries.into_iter().map(|entry| entry.event.body).collect()
}

fn place(lineage: u32, checkpoint: &str) -> Place {
    Place { lineage, checkpoint: checkpoint.to_owned() }
}

fn resume(execution: &ExecutionId) -> ResumePlan {
    let execution = execution.clone();
    ResumePlan {
        workspace: wtb_model::WorkspaceSpec::default(),
        execution,
        timeout_ms: None,
        answered: false,
        updated: false,
        expected: None,
    }
}

fn asking() -> Delivery {
    let question = StoredValue::Inline { kind: "text".to_owned(), bytes: b"sure?".to_vec() };
    let outcome = AttemptOutcome { interrupts: Some(question), ..AttemptOutcome::default() };
    Delivery { end: AttemptEnd::Interrupted, outcome }
}

/// A single execution that put `a` and `b`, and ended as `delivery` says.
fn with_two_steps(bench: &Bench, delivery: impl Fn() -> Delivery + Sync) -> ExecutionId {
    let active = single(bench);
    run(&active, 1, |task| {
        put(&bench.engine, task, None, "a").unwrap();
        put(&bench.engine, task, Some("a"), "b").unwrap();
        delivery()
    });
    active.executions().remove(0)
}

fn fork(source: &ExecutionId, place: Place, as_it_stands: bool) -> ForkPlan {
    ForkPlan {
        source: source.clone(),
        place,
        as_it_stands,
        prepared: None,
        workflow: "flow".to_owned(),
        variant: "other".to_owned(),
        front: json!({"reference": "module:flow"}),
    }
}

#[test]
fn an_attempt_that_begins_anew_opens_a_lineage_and_one_that_goes_on_does_not() {
    let bench = Bench::new();
    let id = with_two_steps(&bench, || failure("no"));
    let again = bench.engine.resume_execution(&resume(&id)).unwrap();
    run(&again, 1, |task| {
        assert_eq!((task.thread.as_deref(), task.from_head), (Some(&*id.thread(1)), true));
        put(&bench.engine, task, Some("b"), "c").unwrap();
        success()
    });
    assert_eq!(ids(&bench.engine, &id.thread(1)), ["a", "b", "c"]);
    let batch = bench.engine.submit(plan(1, 1, |spec| spec.retries = 1)).unwrap();
    let cell = batch.executions().remove(0);
    run(&batch, 1, |task| {
        assert_eq!(task.thread, Some(cell.thread(task.attempt)));
        put(&bench.engine, task, None, "a").unwrap();
        if task.attempt == 1 { failure("no") } else { success() }
    });
    assert_eq!(bench.engine.store().execution(&cell).unwrap().lineages, 2);
    let error = bench.engine.resume_execution(&resume(&cell)).err().unwrap();
    assert!(matches!(error, EngineError::AtItsEnd { .. }), "{error}");
    let whole = "has succeeded and has nothing to go on to: to begin at another place of its history, \
                 roll it back, or fork it";
    assert_eq!(error.to_string(), format!("execution {cell} {whole}"));
}

#[test]
fn a_rollback_opens_a_lineage_and_changes_no_other() {
    let bench = Bench::new();
    let id = with_two_steps(&bench, success);
    let error = bench.engine.rollback(&id, place(1, "z")).err().unwrap();
    assert!(error.to_string().contains("no checkpoint `z`"), "{error}");
    assert_eq!(bench.engine.store().execution(&id).unwrap().status, Status::Succeeded);
    bench.engine.rollback(&id, place(1, "a")).unwrap();
    let record = bench.engine.store().execution(&id).unwrap();
    assert_eq!((record.status, record.lineages, record.output), (Status::Paused, 2, None));
    let again = bench.engine.resume_execution(&resume(&id)).unwrap();
    run(&again, 1, |task| {
        put(&bench.engine, task, Some("a"), "c").unwrap();
        success()
    });
    assert_eq!(ids(&bench.engine, &id.thread(1)), ["a", "b"]);
    assert_eq!(ids(&bench.engine, &id.thread(2)), ["a", "c"]);
    bench.engine.rollback(&id, place(1, "b")).unwrap();
    assert_eq!(ids(&bench.engine, &id.thread(3)), ["a", "b"], "from a lineage of before");
    let bodies = told(&bench.engine, &id);
    let rolled_back =
        EventBody::ExecutionRolledBack { checkpoint: "a".to_owned(), thread: id.thread(2) };
    assert!(bodies.contains(&rolled_back));
    assert!(bodies.iter().any(|body| body.kind() == "execution.resumed"));
}

#[test]
fn a_fork_leaves_its_source_and_asks_what_that_asks() {
    let bench = Bench::new();
    let id = with_two_steps(&bench, asking);
    let before = bench.engine.store().execution(&id).unwrap();
    let there = bench.engine.fork(fork(&id, place(1, "a"), false)).unwrap();
    let asks = bench.engine.fork(fork(&id, place(1, "b"), true)).unwrap();
    assert_eq!(bench.engine.store().execution(&id).unwrap(), before);
    let (there, asks) = (
        bench.engine.store().execution(&there).unwrap(),
        bench.engine.store().execution(&asks).unwrap(),
    );
    assert_eq!((there.status, there.interrupts.is_some()), (Status::Paused, false));
    assert_eq!((asks.status, &asks.interrupts), (Status::Interrupted, &before.interrupts));
    for fork in [&there, &asks] {
        assert_eq!((&fork.parent, &*fork.variant), (&Some(id.clone()), "other"));
        assert_eq!((fork.attempts, fork.lineages, fork.from_head), (0, 1, true));
        assert_eq!((&fork.input, &fork.front), (&before.input, &before.front));
    }
    assert_eq!(ids(&bench.engine, &there.id.thread(1)), ["a"]);
    assert_eq!(ids(&bench.engine, &asks.id.thread(1)), ["a", "b"]);
}

#[test]
fn a_cell_goes_on_beside_the_result_of_its_batch() {
    let bench = Bench::new();
    let batch = bench.engine.submit(plan(2, 1, |_| {})).unwrap();
    let end = run(&batch, 1, |task| {
        put(&bench.engine, task, None, "a").unwrap();
        asking()
    });
    assert_eq!(end.counts.interrupted, 2);
    let cell = batch.executions().remove(1);
    let before = bench.engine.store().execution(&cell).unwrap();
    let again = bench.engine.resume_execution(&resume(&cell)).unwrap();
    let continued = again.executions().remove(0);
    assert_eq!((continued.known(), continued.is_continuation()), (cell.clone(), true));
    run(&again, 1, |task| {
        assert_eq!((task.attempt, task.thread.clone()), (2, Some(cell.thread(1))));
        assert_eq!((task.variant, task.case), (0, 0), "its job has one of each");
        put(&bench.engine, task, Some("a"), "b").unwrap();
        success()
    });
    let store = bench.engine.store();
    assert_eq!(store.execution(&cell).unwrap(), before);
    assert_eq!(store.find_execution(cell.as_str()).unwrap(), continued);
    let id = batch.id().unwrap();
    assert_eq!(store.batch(id).unwrap().counts.interrupted, 2);
    let filter = ExecutionFilter { batch: Some(id.clone()), ..ExecutionFilter::default() };
    assert_eq!(store.executions(&filter, Page::ALL).unwrap().len(), 2);
    let bodies = told(&bench.engine, &cell);
    assert!(bodies.iter().any(|body| body.kind() == "execution.succeeded"));
}

#[test]
fn what_is_under_way_is_neither_rolled_back_nor_resumed() {
    let bench = Bench::new();
    let active = single(&bench);
    let id = active.executions().remove(0);
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    put(&bench.engine, &task, None, "a").unwrap();
    let error = bench.engine.rollback(&id, place(1, "a")).err().unwrap().to_string();
    assert!(error.contains("`running`"), "{error}");
    let error = bench.engine.resume_execution(&resume(&id)).err().unwrap().to_string();
    assert!(error.contains("is under way in this program"), "{error}");
    let error = bench.engine.fork(fork(&id, place(1, "a"), true)).err().unwrap();
    assert!(matches!(error, EngineError::StandsNowhere { .. }), "{error}");
    assert!(error.to_string().contains("is running and stands nowhere"), "{error}");
    let fork = bench.engine.fork(fork(&id, place(1, "a"), false)).unwrap();
    assert_eq!(ids(&bench.engine, &fork.thread(1)), ["a"], "history can be forked at any time");
    active.complete(&task, success()).unwrap();
    ended(&active);
    let late = put(&bench.engine, &task, Some("a"), "b");
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

#[test]
fn what_a_session_left_goes_on_from_its_last_step() {
    let mut bench = Bench::new();
    let active = single(&bench);
    let id = active.executions().remove(0);
    let key = active.join("w", 0, None, Group(0)).unwrap();
    let task = take(&active, key);
    put(&bench.engine, &task, None, "a").unwrap();
    bench.reopen();
    let again = bench.engine.resume_execution(&resume(&id)).unwrap();
    run(&again, 1, |task| {
        assert_eq!((task.attempt, task.from_head), (2, true));
        put(&bench.engine, task, Some("a"), "b").unwrap();
        success()
    });
    assert_eq!(ids(&bench.engine, &id.thread(1)), ["a", "b"]);
}

/// Another program on the same store.
fn other(bench: &Bench) -> Arc<Engine> {
    open(bench.directory.path())
}

fn moved<T>(result: Result<T, EngineError>) {
    let error = result.err().expect("it has moved on");
    assert!(matches!(error, EngineError::Store(StoreError::Moved { .. })), "{error}");
}

#[test]
fn rollbacks_of_two_programs_have_lineages_of_their_own() {
    let bench = Bench::new();
    let single = with_two_steps(&bench, success);
    let batch = bench.engine.submit(plan(1, 1, |_| {})).unwrap();
    let cell = batch.executions().remove(0);
    run(&batch, 1, |task| {
        put(&bench.engine, task, None, "a").unwrap();
        put(&bench.engine, task, Some("a"), "b").unwrap();
        success()
    });
    let other = other(&bench);
    for id in [single, cell] {
        let barrier = Barrier::new(2);
        let done = thread::scope(|scope| {
            let both = [(&bench.engine, "a"), (&other, "b")].map(|(engine, checkpoint)| {
                let (id, barrier) = (&id, &barrier);
                scope.spawn(move || {
                    let mut done = Vec::new();
                    for _ in 0..20 {
                        barrier.wait();
                        let current = engine.store().find_execution(id.as_str()).unwrap();
                        match engine.rollback(&current, place(1, checkpoint)) {
                            Ok(_) => done.push(checkpoint),
                            refused => moved(refused),
                        }
                    }
                    done
                })
            });
            both.map(|one| one.join().unwrap()).concat()
        });
        let store = bench.engine.store();
        let current = store.find_execution(id.as_str()).unwrap();
        let lineages = store.execution(&current).unwrap().lineages;
        assert_eq!(lineages as usize, 1 + done.len());
        let heads = (2..=lineages).map(|number| ids(&bench.engine, &id.thread(number)).len());
        let to_b = done.iter().filter(|checkpoint| **checkpoint == "b").count();
        assert_eq!(heads.filter(|length| *length == 2).count(), to_b, "no two share a thread");
    }
}

#[test]
fn what_has_moved_on_is_neither_forked_nor_resumed_as_it_stood() {
    let bench = Bench::new();
    let id = with_two_steps(&bench, asking);
    let before = bench.engine.store().execution(&id).unwrap();
    let expected = |lineage, checkpoint| ResumePlan {
        expected: Some(place(lineage, checkpoint)),
        ..resume(&id)
    };
    moved(bench.engine.fork(fork(&id, place(1, "a"), true)));
    moved(bench.engine.prepare_fork(&id, &place(2, "b"), true));
    moved(bench.engine.resume_execution(&expected(1, "a")));
    moved(bench.engine.resume_execution(&expected(2, "b")));
    assert_eq!(bench.engine.store().execution(&id).unwrap(), before);
    let again = bench.engine.resume_execution(&expected(1, "b")).unwrap();
    run(&again, 1, |_| asking());
    // A cell that goes on for the first time stands where its batch left it.
    let batch = bench.engine.submit(plan(1, 1, |_| {})).unwrap();
    run(&batch, 1, |task| {
        put(&bench.engine, task, None, "a").unwrap();
        asking()
    });
    let cell = batch.executions().remove(0);
    let expected =
        |checkpoint| ResumePlan { expected: Some(place(1, checkpoint)), ..resume(&cell) };
    moved(bench.engine.resume_execution(&expected("b")));
    assert!(bench.engine.store().execution(&cell.continuation()).is_err());
    run(&bench.engine.resume_execution(&expected("a")).unwrap(), 1, |_| success());
}

#[test]
fn a_fork_is_prepared_before_it_is_there() {
    let bench = Bench::new();
    let id = with_two_steps(&bench, asking);
    let before = bench.engine.store().executions(&ExecutionFilter::default(), Page::ALL).unwrap();
    for (checkpoint, as_it_stands, history) in [("a", false, &["a"][..]), ("b", true, &["a", "b"])]
    {
        let at = place(1, checkpoint);
        let prepared = bench.engine.prepare_fork(&id, &at, as_it_stands).unwrap();
        assert_eq!(ids(&bench.engine, &prepared.thread(1)), history);
        assert!(bench.engine.store().execution(&prepared).is_err(), "nobody sees it yet");
        let plan = ForkPlan { prepared: Some(prepared.clone()), ..fork(&id, at, as_it_stands) };
        assert_eq!(bench.engine.fork(plan).unwrap(), prepared);
        let made = bench.engine.store().execution(&prepared).unwrap();
        assert_eq!((made.lineages, made.interrupts.is_some()), (1, as_it_stands));
        assert_eq!(told(&bench.engine, &prepared).len(), 1);
        assert_eq!(ids(&bench.engine, &prepared.thread(1)), history);
    }
    let now = bench.engine.store().executions(&ExecutionFilter::default(), Page::ALL).unwrap();
    assert_eq!(now.len(), before.len() + 2);
    let missing = bench.engine.prepare_fork(&id, &place(1, "z"), false);
    assert!(missing.err().unwrap().to_string().contains("no checkpoint `z`"));
}

/// What takes an execution up, as another program would.
type TakeUp = fn(&Engine, &ExecutionId) -> Result<Arc<ActiveBatch>, EngineError>;

fn resumed(engine: &Engine, id: &ExecutionId) -> Result<Arc<ActiveBatch>, EngineError> {
    engine.resume_execution(&resume(id))
}

fn retried(engine: &Engine, id: &ExecutionId) -> Result<Arc<ActiveBatch>, EngineError> {
    engine.retry_single(&RetryPlan {
        workspace: wtb_model::WorkspaceSpec::default(),
        execution: id.clone(),
        timeout_ms: None,
        checkpointed: true,
        beginning: Beginning::Head,
    })
}

fn refused_as_under_way(result: Result<Arc<ActiveBatch>, EngineError>) {
    let error = result.err().expect("somebody else has it");
    assert!(matches!(error, EngineError::UnderWay { .. }), "{error}");
    assert!(!error.to_string().contains('+'), "{error}");
}

/// A cell that asks something.
fn asking_cell(bench: &Bench) -> ExecutionId {
    let batch = bench.engine.submit(plan(1, 1, |_| {})).unwrap();
    run(&batch, 1, |task| {
        put(&bench.engine, task, None, "a").unwrap();
        asking()
    });
    batch.executions().remove(0)
}

#[test]
fn what_another_program_has_taken_up_is_its_own_before_it_starts() {
    let bench = Bench::new();
    let (single, cell) = (with_two_steps(&bench, asking), asking_cell(&bench));
    let other = other(&bench);
    for (id, take_up) in [(&single, resumed as TakeUp), (&single, retried), (&cell, resumed)] {
        let current = bench.engine.store().find_execution(id.as_str()).unwrap();
        let active = take_up(&other, &current).unwrap();
        let current = active.executions().remove(0);
        refused_as_under_way(resumed(&bench.engine, &current));
        refused_as_under_way(retried(&bench.engine, &current));
        run(&active, 1, |_| asking());
    }
}

#[test]
fn an_execution_is_taken_up_by_one_of_two_programs() {
    let bench = Bench::new();
    let (single, cell) = (with_two_steps(&bench, asking), asking_cell(&bench));
    let first = other(&bench);
    for round in 0..24 {
        let id = if round % 2 == 0 { &single } else { &cell };
        let current = || bench.engine.store().find_execution(id.as_str()).unwrap();
        if round % 3 == 0 {
            // Queued, by a session that is gone.
            let gone = other(&bench);
            drop(resumed(&gone, &current()).unwrap());
            gone.close().unwrap();
        }
        let second = other(&bench);
        let (current, barrier) = (&current(), &Barrier::new(2));
        let [one, two] = thread::scope(|scope| {
            let take_ups = [resumed as TakeUp, if round % 4 == 0 { retried } else { resumed }];
            let mut engines = [&first, &second].into_iter().zip(take_ups);
            [(); 2]
                .map(|()| {
                    let (engine, take_up) = engines.next().unwrap();
                    scope.spawn(move || {
                        barrier.wait();
                        take_up(engine, current)
                    })
                })
                .map(|taken| taken.join().unwrap())
        });
        let (won, lost) = match (one, two) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            (Ok(_), Ok(_)) => panic!("both drive it (round {round})"),
            (Err(one), Err(two)) => panic!("nobody drives it: {one}; {two} (round {round})"),
        };
        assert!(matches!(lost, EngineError::UnderWay { .. }), "{lost} (round {round})");
        run(&won, 1, |_| asking());
        let kinds = told(&bench.engine, &id.known());
        assert!(kinds.iter().any(|body| body.kind() == "execution.interrupted"));
    }
}

#[test]
fn what_a_cell_goes_on_to_is_told_apart_from_its_batch() {
    let bench = Bench::new();
    let cell = asking_cell(&bench);
    bench.engine.rollback(&cell, place(1, "a")).unwrap();
    run(&resumed(&bench.engine, &cell.continuation()).unwrap(), 1, |_| success());
    bench.engine.rollback(&cell.continuation(), place(1, "a")).unwrap();
    let filter = JournalFilter { execution: Some(cell.clone()), ..JournalFilter::default() };
    let entries = bench.engine.store().journal(&filter, 0, 1_000).unwrap();
    let begun = entries.iter().position(|one| one.event.body.kind() == "execution.rolled_back");
    let (of_batch, own) = entries.split_at(begun.unwrap());
    assert!(of_batch.iter().all(|one| one.event.batch.is_some()));
    assert!(own.len() >= 4 && own.iter().all(|one| one.event.batch.is_none()), "{own:?}");
}

#[test]
fn what_cannot_be_resumed_says_why() {
    let bench = Bench::new();
    let plan = plan(1, 2, |spec| spec.checkpoints = CheckpointMode::Off);
    let batch = bench.engine.submit(plan).unwrap();
    let [first, second] = [0, 1].map(|index| batch.executions().remove(index));
    for cell in [&first, &second] {
        let error = bench.engine.resume_execution(&resume(cell)).err().unwrap();
        assert!(matches!(error, EngineError::InBatch { .. }), "{error}");
        assert!(error.to_string().contains(&format!("{cell} is queued in batch")), "{error}");
    }
    run(&batch, 1, |_| asking());
    let error = bench.engine.resume_execution(&resume(&first)).err().unwrap();
    assert!(matches!(error, EngineError::NoCheckpoints { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{first} has no checkpoints")), "{error}");
}
