//! Records to write to a store, the same every time: for the checks, and for benchmarks.

use wtb_model::{
    AttemptOutcome, AttemptStatus, Backoff, BatchId, BatchRecord, BatchSpec, BatchStatus,
    CaseRecord, Direction, ErrorInfo, ErrorPolicy, Event, EventBody, ExecutionId, ExecutionRecord,
    ExecutionStatus, FailFast, ID_ENTROPY_BYTES, NodeRecord, NodeStatus, ScoreRecord, SessionId,
    SessionRecord, StoredValue, Timestamp, VariantRecord,
};

use crate::{AttemptStart, Change, UnitOfWork};

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
        front: serde_json::json!({"graph": "my_app:graph", "nested": [1, null, "'"]}),
    }
}

/// A small value that stays inline.
pub fn value(text: &str) -> StoredValue {
    StoredValue::Inline {
        kind: "json".to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

/// A batch with all that is written with it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The batch.
    pub record: BatchRecord,
    /// Its variants.
    pub variants: Vec<VariantRecord>,
    /// Its cases.
    pub cases: Vec<CaseRecord>,
    /// Its executions by variant, case and repeat.
    pub executions: Vec<ExecutionRecord>,
}

impl Batch {
    /// A pending batch of an owner, with so many variants, cases and repeats. The numbers of its
    /// executions' ids begin at a million times its own.
    pub fn new(
        number: u64,
        owner: &SessionId,
        (variants, cases, repeats): (u32, u32, u32),
    ) -> Self {
        let record = BatchRecord {
            id: batch_id(number),
            name: Some(format!("batch {number}")),
            workflow: "rag".to_owned(),
            reference: Some("my_app.graph:build".to_owned()),
            status: BatchStatus::Pending,
            spec: BatchSpec { repeats, ..spec() },
            session: Some(owner.clone()),
            created_at: moment(0),
            started_at: None,
            finished_at: None,
        };
        let variants = (0..variants).map(variant).collect();
        let cases = (0..cases).map(case).collect();
        let mut batch = Self {
            record,
            variants,
            cases,
            executions: Vec::new(),
        };
        batch.add_cells(number * 1_000_000, repeats);
        batch
    }

    fn add_cells(&mut self, first: u64, repeats: u32) {
        let id = Some(self.record.id.clone());
        let mut numbers = first..;
        for (variant_index, variant) in (0..).zip(&self.variants) {
            for (case_index, case) in (0..).zip(&self.cases) {
                let cells =
                    (0..repeats)
                        .zip(&mut numbers)
                        .map(|(repeat, number)| ExecutionRecord {
                            batch: id.clone(),
                            variant: variant.name.clone(),
                            case_id: case.id.clone(),
                            repeat,
                            variant_index,
                            case_index,
                            input: None,
                            ..execution(number)
                        });
                self.executions.extend(cells);
            }
        }
    }

    /// The change that writes it.
    pub fn create(&self) -> Change {
        Change::CreateBatch {
            batch: Box::new(self.record.clone()),
            variants: self.variants.clone(),
            cases: self.cases.clone(),
            executions: self.executions.clone(),
        }
    }

    /// The ids of its executions.
    pub fn ids(&self) -> impl Iterator<Item = &ExecutionId> {
        self.executions.iter().map(|execution| &execution.id)
    }
}

/// Variant number so-and-so, counted from 0.
pub fn variant(index: u32) -> VariantRecord {
    VariantRecord {
        name: format!("retriever={index}"),
        description: serde_json::json!({"nodes": {"retriever": index}}),
    }
}

/// Case number so-and-so, counted from 0.
pub fn case(index: u32) -> CaseRecord {
    CaseRecord {
        id: format!("case-{index}"),
        group: (index % 2 == 1).then(|| "odd".to_owned()),
        tags: vec!["short".to_owned(), format!("tag'{index}")],
        input: value(&format!("{{\"query\": {index}}}")),
        expected: (index % 2 == 0).then(|| value("42")),
    }
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
    }
}

/// The start of an attempt.
pub fn start(execution: &ExecutionId, attempt: u32, token: u64) -> Change {
    Change::StartAttempt(AttemptStart {
        execution: execution.clone(),
        attempt,
        token,
        worker: "thread-1".to_owned(),
        at: moment(i64::from(attempt) * 100),
    })
}

/// The end of an attempt: what became of it and of its execution, unsettled.
pub fn finish(
    execution: &ExecutionId,
    (attempt, token): (u32, u64),
    (status, next): (AttemptStatus, ExecutionStatus),
    outcome: AttemptOutcome,
) -> Change {
    Change::FinishAttempt {
        execution: execution.clone(),
        attempt,
        token,
        status,
        next,
        dead_letter: next.is_error(),
        outcome: Box::new(outcome),
        settled: false,
        at: moment(i64::from(attempt) * 100 + 50),
    }
}

/// The end of a first attempt, under token 1, that reached the workflow's end.
pub fn succeed(execution: &ExecutionId) -> Change {
    let ends = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
    finish(execution, (1, 1), ends, outcome(3))
}

/// What a worker delivers for a workflow that reached its end through so many nodes.
pub fn outcome(nodes: u32) -> AttemptOutcome {
    AttemptOutcome {
        output: Some(value("{\"answer\": 42}")),
        nodes: (0..nodes).map(|order| node(1, order)).collect(),
        usage: Some(serde_json::json!({"input_tokens": 12})),
        duration_us: 1_234,
        ..AttemptOutcome::default()
    }
}

/// What a worker delivers for a workflow that raised.
pub fn failure(message: &str) -> AttemptOutcome {
    let error = error(message);
    let failed = NodeRecord {
        status: NodeStatus::Failed,
        output: None,
        error: Some(error.clone()),
        ..node(1, 0)
    };
    AttemptOutcome {
        error: Some(error),
        nodes: vec![failed],
        warnings: vec!["the state could not be stored".to_owned()],
        duration_us: 99,
        ..AttemptOutcome::default()
    }
}

/// An error with every field set.
pub fn error(message: &str) -> ErrorInfo {
    ErrorInfo {
        kind: "ValueError".to_owned(),
        message: message.to_owned(),
        traceback: Some("Traceback:\n  line 1".to_owned()),
        node: Some("agent/tools".to_owned()),
    }
}

/// One node of an attempt.
pub fn node(attempt: u32, order: u32) -> NodeRecord {
    NodeRecord {
        attempt,
        order,
        node: format!("agent/node-{order}"),
        step: i64::from(order) - 1,
        status: NodeStatus::Succeeded,
        calls: 1,
        started_at: moment(i64::from(order)),
        duration_us: 10,
        input: Some(value("{\"query\": \"?\"}")),
        output: Some(value("{\"documents\": [1, 2, 3]}")),
        error: None,
        usage: (order == 1).then(|| serde_json::json!({"output_tokens": 3})),
    }
}

/// A score.
pub fn score(source: &str, name: &str, value: f64) -> ScoreRecord {
    ScoreRecord {
        name: name.to_owned(),
        value: Some(value),
        direction: Direction::Max,
        source: source.to_owned(),
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
    event(
        None,
        None,
        EventBody::Custom {
            name: "custom.note".to_owned(),
            data,
        },
    )
}

/// A unit of changes that nothing reports.
pub fn unit(changes: impl IntoIterator<Item = Change>) -> UnitOfWork {
    UnitOfWork {
        changes: changes.into_iter().collect(),
        events: Vec::new(),
    }
}
