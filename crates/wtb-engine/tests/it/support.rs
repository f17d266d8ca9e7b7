//! Plans, workers and evaluators for tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use wtb_engine::{
    ActiveBatch, AttemptEnd, BatchPlan, CasePlan, Delivery, Ended, Engine, Group, Poll, Scoring,
    Task, WorkerKey,
};
use wtb_model::{
    AttemptOutcome, Backoff, BatchId, BatchSpec, CheckpointMode, Direction, ErrorInfo, ErrorPolicy,
    EventBody, ExecutionRecord, ExecutionStatus, JournalEntry, ScoreRecord, Value, VariantRecord,
};
use wtb_store::{ExecutionFilter, JournalFilter, Page, Store};

/// Long enough that only a hang exceeds it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// A store in a directory of its own, and an engine on it.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) engine: Arc<Engine>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = open(directory.path());
        Self { directory, engine }
    }

    /// Closes the engine and opens another one on the same file.
    pub(crate) fn reopen(&mut self) {
        self.engine.close().unwrap();
        self.engine = open(self.directory.path());
    }
}

pub(crate) fn open(directory: &Path) -> Arc<Engine> {
    Engine::open(&url(directory)).unwrap()
}

pub(crate) fn url(directory: &Path) -> String {
    format!("sqlite:///{}", directory.join("wtb.db").display())
}

/// A batch of `variants` x `cases`, changed as a test needs it.
pub(crate) fn plan(variants: u32, cases: u32, change: impl FnOnce(&mut BatchSpec)) -> BatchPlan {
    let mut spec = BatchSpec {
        losses_max: BatchSpec::losses_max(),
        looks: 1,
        workspace: wtb_model::WorkspaceSpec::default(),
        repeats: 1,
        seed: 7,
        runner: "thread".to_owned(),
        max_workers: 4,
        timeout_ms: None,
        retries: 0,
        backoff: Backoff { initial_ms: 1, factor: 2.0, max_ms: 5, jitter: 0.5 },
        fail_fast: None,
        error: ErrorPolicy::Zero,
        metric: None,
        evaluators: Vec::new(),
        window: 64,
        checkpoints: CheckpointMode::Step,
        front: serde_json::Value::Null,
    };
    change(&mut spec);
    BatchPlan {
        name: Some("test".to_owned()),
        workflow: "flow".to_owned(),
        reference: None,
        spec,
        variants: (0..variants).map(|number| variant(&format!("v{number}"))).collect(),
        cases: (0..cases).map(|number| case(&format!("c{number}"))).collect(),
    }
}

pub(crate) fn variant(name: &str) -> VariantRecord {
    VariantRecord { name: name.to_owned(), description: serde_json::Value::Null }
}

pub(crate) fn case(id: &str) -> CasePlan {
    let input = Value::new("text", id.to_owned());
    CasePlan {
        workspace: None,
        id: id.to_owned(),
        group: None,
        tags: Vec::new(),
        input,
        expected: None,
        answers: None,
    }
}

/// Asks for scores: `spec.evaluators = judged()`.
pub(crate) fn judged() -> Vec<serde_json::Value> {
    vec![serde_json::json!({ "name": "judge" })]
}

pub(crate) fn success() -> Delivery {
    let outcome = AttemptOutcome { duration_us: 5, ..AttemptOutcome::default() };
    Delivery { end: AttemptEnd::Succeeded, outcome }
}

pub(crate) fn failure(message: &str) -> Delivery {
    let error = ErrorInfo {
        kind: "ValueError".to_owned(),
        message: message.to_owned(),
        traceback: None,
        node: Some("answer".to_owned()),
    };
    let outcome = AttemptOutcome { error: Some(error), ..AttemptOutcome::default() };
    Delivery { end: AttemptEnd::Failed { retryable: true, retry_after: None }, outcome }
}

pub(crate) fn score(value: f64) -> ScoreRecord {
    ScoreRecord {
        name: "quality".to_owned(),
        value: Some(value),
        direction: Direction::Max,
        source: "judge".to_owned(),
        version: None,
        reason: None,
        error: None,
    }
}

/// Works for the batch on the calling thread until nothing more comes.
pub(crate) fn work(active: &ActiveBatch, key: WorkerKey, node: impl Fn(&Task) -> Delivery) {
    loop {
        match active.poll(key, POLL).unwrap() {
            Poll::Task(task) => drop(active.complete(&task, node(&task)).unwrap()),
            Poll::Idle => {}
            Poll::Released => break,
        }
    }
    active.leave(key).unwrap();
}

/// Scores whatever comes with 1 until nothing more comes.
pub(crate) fn judge(active: &ActiveBatch) {
    loop {
        match active.poll_scoring(POLL).unwrap() {
            Scoring::Task(task) => active.complete_scoring(&task, vec![score(1.0)]).unwrap(),
            Scoring::Idle => {}
            Scoring::Done => return,
        }
    }
}

/// Runs a batch to its end in this session: so many workers, and an evaluator.
pub(crate) fn run(
    active: &ActiveBatch,
    workers: usize,
    node: impl Fn(&Task) -> Delivery + Sync,
) -> Ended {
    thread::scope(|scope| {
        for number in 0..workers {
            let key = active.join(&format!("w{number}"), 0, None, Group(0)).unwrap();
            let node = &node;
            scope.spawn(move || work(active, key, node));
        }
        scope.spawn(|| judge(active));
    });
    ended(active)
}

pub(crate) fn ended(active: &ActiveBatch) -> Ended {
    active.wait(PATIENCE).unwrap().expect("the batch hangs")
}

/// Takes the next task; the batch must have one.
pub(crate) fn take(active: &ActiveBatch, key: WorkerKey) -> Task {
    match active.poll(key, PATIENCE).unwrap() {
        Poll::Task(task) => task,
        other => panic!("expected a task, not {other:?}"),
    }
}

/// Blocks whoever waits at it until it is opened.
#[derive(Default)]
pub(crate) struct Gate(AtomicBool);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn wait(&self) {
        eventually("the gate to open", || self.0.load(Ordering::SeqCst));
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn journal(store: &dyn Store, batch: &BatchId) -> Vec<JournalEntry> {
    let filter = JournalFilter { batch: Some(batch.clone()), ..JournalFilter::default() };
    store.flush().unwrap();
    store.journal(&filter, 0, 1_000_000).unwrap()
}

/// The bodies of a batch's events of one kind, in order.
pub(crate) fn events(store: &dyn Store, batch: &BatchId, kind: &str) -> Vec<EventBody> {
    let entries = journal(store, batch).into_iter().map(|entry| entry.event.body);
    entries.filter(|body| body.kind() == kind).collect()
}

pub(crate) fn executions(store: &dyn Store, batch: &BatchId) -> Vec<ExecutionRecord> {
    let filter = ExecutionFilter { batch: Some(batch.clone()), ..ExecutionFilter::default() };
    store.executions(&filter, Page::ALL).unwrap()
}

pub(crate) fn statuses(store: &dyn Store, batch: &BatchId) -> Vec<ExecutionStatus> {
    executions(store, batch).iter().map(|execution| execution.status).collect()
}
