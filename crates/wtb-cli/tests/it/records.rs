//! Records of a small batch, as the engine would make them.

use serde_json::Value;
use wtb_model::*;

/// Noon of 2026-03-01 in UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const VARIANTS: [&str; 2] = ["baseline", "rf"];
const WORKFLOW: &str = "ml_pipeline";
const SECOND: i64 = 1_000_000;

/// Seconds since ten minutes before [`NOW`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(NOW.as_micros() - 600 * SECOND + seconds * SECOND)
}

pub(crate) fn batch_id(number: u8) -> BatchId {
    BatchId::from_entropy([number; ID_ENTROPY_BYTES])
}

pub(crate) fn execution_id(number: u8) -> ExecutionId {
    let mut entropy = [200; ID_ENTROPY_BYTES];
    entropy[0] = number;
    ExecutionId::from_entropy(entropy)
}

pub(crate) fn session_id() -> SessionId {
    SessionId::from_entropy([9; ID_ENTROPY_BYTES])
}

/// A driver on another machine that has not been heard of for ten minutes.
pub(crate) fn dead_session() -> SessionRecord {
    SessionRecord {
        id: session_id(),
        host: "elsewhere".to_owned(),
        process: 1,
        process_started: None,
        started_at: at(-10),
        heartbeat_at: at(-10),
        ended_at: None,
    }
}

fn value(text: &str) -> StoredValue {
    StoredValue::Inline { kind: "json".to_owned(), bytes: text.as_bytes().to_vec() }
}

fn spec() -> BatchSpec {
    BatchSpec {
        losses_max: BatchSpec::losses_max(),
        looks: 1,
        workspace: wtb_model::WorkspaceSpec::default(),
        repeats: 1,
        seed: 7,
        runner: "thread".to_owned(),
        max_workers: 4,
        timeout_ms: Some(120_000),
        retries: 1,
        backoff: Backoff::default(),
        fail_fast: None,
        error: ErrorPolicy::Zero,
        metric: Some("accuracy".to_owned()),
        evaluators: Vec::new(),
        window: 64,
        checkpoints: CheckpointMode::Step,
        front: Value::Null,
    }
}

pub(crate) fn batch(number: u8, name: &str) -> BatchRecord {
    BatchRecord {
        id: batch_id(number),
        name: Some(name.to_owned()),
        workflow: WORKFLOW.to_owned(),
        reference: Some("ml_pipeline:workflow".to_owned()),
        status: BatchStatus::Pending,
        spec: spec(),
        session: Some(session_id()),
        created_at: at(i64::from(number)),
        started_at: None,
        finished_at: None,
    }
}

pub(crate) fn variants() -> Vec<VariantRecord> {
    let record = |name: &str| VariantRecord { name: name.to_owned(), description: Value::Null };
    VARIANTS.map(record).to_vec()
}

pub(crate) fn case(id: &str) -> CaseRecord {
    CaseRecord {
        workspace: None,
        id: id.to_owned(),
        group: None,
        tags: Vec::new(),
        input: value("{\"dataset\":\"wine\"}"),
        expected: None,
        answers: None,
    }
}

/// The queued executions of a batch, numbered from 16 times its number.
pub(crate) fn cells(batch: u8, cases: &[&str]) -> Vec<ExecutionRecord> {
    let mut cells = Vec::new();
    for (variant_index, variant) in (0..).zip(VARIANTS) {
        for (case_index, case) in (0..).zip(cases) {
            let number = batch * 16 + u8::try_from(cells.len()).unwrap();
            let cell = queued(batch, number, variant, case);
            cells.push(ExecutionRecord { variant_index, case_index, ..cell });
        }
    }
    cells
}

fn queued(batch: u8, number: u8, variant: &str, case: &str) -> ExecutionRecord {
    ExecutionRecord {
        id: execution_id(number),
        batch: Some(batch_id(batch)),
        workflow: WORKFLOW.to_owned(),
        variant: variant.to_owned(),
        case_id: case.to_owned(),
        repeat: 0,
        variant_index: 0,
        case_index: 0,
        seed: 42,
        status: ExecutionStatus::Queued,
        attempts: 0,
        token: 0,
        dead_letter: false,
        created_at: at(0),
        started_at: None,
        finished_at: None,
        duration_us: None,
        input: None,
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
        front: None,
    }
}

/// What an attempt of two nodes delivers: an accuracy, or an error of the second node.
pub(crate) fn outcome(attempt: u32, outcome: Result<f64, &str>) -> AttemptOutcome {
    let error = outcome.err().map(error);
    let succeeded = AttemptOutcome {
        nodes: vec![node(attempt, 0, "load", None), node(attempt, 1, "train", error.clone())],
        duration_us: 120_000,
        ..AttemptOutcome::default()
    };
    match outcome {
        Ok(accuracy) => AttemptOutcome {
            output: Some(value("{\"model\":\"rf\"}")),
            metrics: vec![
                metric("accuracy", accuracy, Direction::Max),
                metric("fit_s", 0.5, Direction::Min),
            ],
            ..succeeded
        },
        Err(_) => AttemptOutcome {
            error,
            stdout: Some(printed(&format!("fit {attempt}\n"))),
            stderr: Some(printed(&"\u{1b}[33mwarning: too few rows\u{1b}[0m\n".repeat(22))),
            ..succeeded
        },
    }
}

fn printed(text: &str) -> StoredValue {
    let value = wtb_model::Value::from(&Captured { head: text.into(), ..Captured::default() });
    StoredValue::Inline { kind: value.kind, bytes: value.bytes.to_vec() }
}

fn error(message: &str) -> ErrorInfo {
    ErrorInfo {
        kind: "ValueError".to_owned(),
        message: message.to_owned(),
        traceback: Some(format!("Traceback:\n  in train\nValueError: {message}")),
        node: Some("train".to_owned()),
    }
}

fn node(attempt: u32, order: u32, name: &str, error: Option<ErrorInfo>) -> NodeRecord {
    NodeRecord {
        attempt,
        order,
        node: name.to_owned(),
        step: i64::from(order) + 1,
        status: if error.is_some() { NodeStatus::Failed } else { NodeStatus::Succeeded },
        calls: 1,
        started_at: at(11),
        duration_us: 1_500,
        input: Some(value("{}")),
        output: None,
        error,
        usage: None,
    }
}

fn metric(name: &str, value: f64, direction: Direction) -> ScoreRecord {
    ScoreRecord {
        name: name.to_owned(),
        value: Some(value),
        direction,
        source: ScoreRecord::WORKFLOW.to_owned(),
        version: None,
        reason: None,
        error: None,
    }
}
