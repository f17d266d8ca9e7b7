//! Records to write to a store, the same every time: for the checks, and for benchmarks.

mod attempt;
mod batch;

use wtb_model::{
    Backoff, BatchId, BatchSpec, CheckpointMode, Direction, ErrorPolicy, Event, EventBody,
    ExecutionId, ExecutionRecord, ExecutionStatus, FailFast, ID_ENTROPY_BYTES, KeepWorkspaces,
    ScoreRecord, SessionId, SessionRecord, StoredValue, Timestamp, WorkspaceSpec,
};

pub use self::attempt::{
    cancel_handed, error, failure, finish, node, outcome, place, requeue, start, start_by, started,
    succeed, succeeded,
};
pub use self::batch::{Batch, case, variant};
use crate::{Change, UnitOfWork};

/// Texts that mean something to SQL, to patterns or to shells, and must mean nothing to a store.
pub const HOSTILE: &[&str] = &[
    "100%_of'em",
    "\"; DROP TABLE executions; --",
    "a\\b\\%",
    "[a-z]*?",
    "?1 :name @x $y",
    "näïve ünïcode ☃ 🦀 עברית",
    "line\nbreak\ttab",
    " ",
];

/// A moment, so many microseconds after the first one.
pub fn moment(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + micros)
}

fn entropy(number: u64) -> [u8; ID_ENTROPY_BYTES] {
    let mut entropy = [0; ID_ENTROPY_BYTES];
    let hash = blake3::hash(&number.to_le_bytes());
    for (byte, random) in entropy.iter_mut().zip(hash.as_bytes()) {
        *byte = *random;
    }
    entropy
}

/// The id of session number so-and-so.
pub fn session_id(number: u64) -> SessionId {
    SessionId::from_entropy(entropy(number))
}

/// The id of batch number so-and-so.
pub fn batch_id(number: u64) -> BatchId {
    BatchId::from_entropy(entropy(number))
}

/// The id of execution number so-and-so.
pub fn execution_id(number: u64) -> ExecutionId {
    ExecutionId::from_entropy(entropy(number))
}

/// A session that has just begun.
pub fn session(number: u64) -> SessionRecord {
    SessionRecord {
        id: session_id(number),
        host: "host 'one'".to_owned(),
        process: 4_000_000_000,
        process_started: Some(1 << 40),
        started_at: moment(0),
        heartbeat_at: moment(1),
        ended_at: None,
    }
}

/// What is asked of a batch, with every field set.
pub fn spec() -> BatchSpec {
    BatchSpec {
        losses_max: BatchSpec::losses_max(),
        looks: 4,
        repeats: 2,
        seed: u64::MAX,
        runner: "thread".to_owned(),
        max_workers: 8,
        timeout_ms: Some(60_000),
        retries: 2,
        backoff: Backoff::default(),
        fail_fast: Some(FailFast::Fraction(0.5)),
        error: ErrorPolicy::Exclude,
        metric: Some("accuracy".to_owned()),
        evaluators: vec![serde_json::json!({"name": "exact_match", "field": "answer"})],
        window: 32,
        checkpoints: CheckpointMode::Exit,
        workspace: WorkspaceSpec {
            inputs: Some("/data".to_owned()),
            rung: Some("copy".to_owned()),
            keep: KeepWorkspaces::All,
        },
        front: serde_json::json!({"graph": "my_app:graph", "nested": [1, null, "'"]}),
    }
}

/// A small value that stays inline.
pub fn value(text: &str) -> StoredValue {
    StoredValue::Inline { kind: "json".to_owned(), bytes: text.as_bytes().to_vec() }
}

/// Bytes without a pattern, which no compression makes smaller; the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A queued execution of no batch.
pub fn execution(number: u64) -> ExecutionRecord {
    ExecutionRecord {
        id: execution_id(number),
        batch: None,
        workflow: "rag".to_owned(),
        variant: "baseline".to_owned(),
        case_id: "input".to_owned(),
        repeat: 0,
        variant_index: 0,
        case_index: 0,
        seed: u64::from(u32::MAX),
        status: ExecutionStatus::Queued,
        attempts: 0,
        token: 0,
        dead_letter: false,
        created_at: moment(0),
        started_at: None,
        finished_at: None,
        duration_us: None,
        input: Some(value("{}")),
        output: None,
        state: None,
        interrupts: None,
        error: None,
        usage: None,
        warnings: Vec::new(),
        settled: false,
        parent: None,
        origin: None,
        lineages: 0,
        from_head: false,
        front: Some(serde_json::json!({"graph": "my_app:graph", "nul": null})),
    }
}

/// What an ended cell goes on to by itself: it stands at the begin of another lineage.
pub fn continuation(cell: &ExecutionRecord) -> ExecutionRecord {
    ExecutionRecord {
        id: cell.id.continuation(),
        batch: None,
        origin: cell.batch.clone(),
        status: ExecutionStatus::Paused,
        lineages: cell.lineages + 1,
        from_head: true,
        settled: true,
        dead_letter: false,
        output: None,
        ..cell.clone()
    }
}

/// A score.
pub fn score(source: &str, name: &str, value: f64) -> ScoreRecord {
    ScoreRecord {
        name: name.to_owned(),
        value: Some(value),
        direction: Direction::Max,
        source: source.to_owned(),
        version: None,
        reason: None,
        error: None,
    }
}

/// An event of session 1.
pub fn event(batch: Option<&BatchId>, execution: Option<&ExecutionId>, body: EventBody) -> Event {
    Event {
        at: moment(0),
        session: session_id(1),
        batch: batch.cloned(),
        execution: execution.cloned(),
        body,
    }
}

/// An event that a user published, told apart by its number.
pub fn note(number: u64) -> Event {
    let data = serde_json::json!({"number": number});
    event(None, None, EventBody::Custom { name: "custom.note".to_owned(), data })
}

/// A unit of changes that nothing reports.
pub fn unit(changes: impl IntoIterator<Item = Change>) -> UnitOfWork {
    UnitOfWork { changes: changes.into_iter().collect(), events: Vec::new() }
}
