//! A store with a known batch in it, and a way to call the command without a process.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value as Json;
use wtb_cli::{Step, Surroundings, Terminal, start};
use wtb_model::*;
use wtb_store::sqlite::{SqliteOptions, SqliteStore};
use wtb_store::{AttemptStart, Change, Store, UnitOfWork};

/// Noon of 2026-03-01 in UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
const SECOND: i64 = 1_000_000;

/// What a call of the command left behind.
pub(crate) struct Called {
    pub(crate) step: Step,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    pub(crate) fn code(&self) -> i32 {
        match &self.step {
            Step::Exit(code) => *code,
            Step::Perform(request) => panic!("expected an exit, got {request:?}"),
        }
    }

    pub(crate) fn request(&self) -> Json {
        match &self.step {
            Step::Perform(request) => serde_json::to_value(request).unwrap(),
            Step::Exit(code) => panic!("exit {code}: {}", self.stderr),
        }
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// How the command is called.
pub(crate) struct Caller<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) variables: &'a [(&'a str, &'a str)],
    pub(crate) is_terminal: bool,
    pub(crate) width: usize,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(directory: &'a Path) -> Self {
        Self {
            directory,
            variables: &[],
            is_terminal: false,
            width: 80,
        }
    }

    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut Terminal<'_>, &Surroundings<'_>) -> T,
    ) -> (T, String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let environment = |name: &str| {
            let found = self.variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let surroundings = Surroundings {
            environment: &environment,
            directory: self.directory.to_path_buf(),
            now: NOW,
            time_zone: TimeZone::UTC,
        };
        let are_terminals = (self.is_terminal, self.is_terminal);
        let mut terminal = Terminal::new(&mut stdout, &mut stderr, are_terminals, self.width);
        let outcome = act(&mut terminal, &surroundings);
        drop(terminal);
        (
            outcome,
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    }

    pub(crate) fn call(&self, line: &str) -> Called {
        let arguments: Vec<_> = std::iter::once("wtb")
            .chain(line.split_whitespace())
            .map(Into::into)
            .collect();
        let (step, stdout, stderr) =
            self.with(|terminal, surroundings| start(&arguments, surroundings, terminal));
        Called {
            step,
            stdout,
            stderr,
        }
    }
}

/// Calls the command in a directory, without a terminal, at 80 columns.
pub(crate) fn wtb(directory: &Path, line: &str) -> Called {
    Caller::new(directory).call(line)
}

fn at(seconds: i64) -> Timestamp {
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

fn value(text: &str) -> StoredValue {
    StoredValue::Inline {
        kind: "json".to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

fn spec(repeats: u32) -> BatchSpec {
    BatchSpec {
        repeats,
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
        front: Json::Null,
    }
}

/// A store in `directory/.wtb` that is written change by change, as the engine does.
pub(crate) struct Writer {
    pub(crate) store: Arc<SqliteStore>,
    session: SessionId,
}

impl Writer {
    pub(crate) fn create(directory: &Path) -> Self {
        let folder = directory.join(".wtb");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("wtb.db");
        let store = SqliteStore::open(path.to_str().unwrap(), SqliteOptions::default()).unwrap();
        let session = SessionId::from_entropy([9; ID_ENTROPY_BYTES]);
        let writer = Self {
            store: Arc::new(store),
            session,
        };
        writer.change(Change::OpenSession(SessionRecord {
            id: writer.session.clone(),
            host: "elsewhere".to_owned(),
            process: 1,
            process_started: None,
            started_at: at(-10),
            heartbeat_at: at(-10),
            ended_at: None,
        }));
        writer
    }

    pub(crate) fn change(&self, change: Change) {
        self.store.commit(UnitOfWork::silent(change)).unwrap();
    }

    fn event(&self, execution: Option<ExecutionId>, seconds: i64, body: EventBody) -> Event {
        let batch = Some(batch_id(1));
        Event {
            at: at(seconds),
            session: self.session.clone(),
            batch,
            execution,
            body,
        }
    }

    fn create_batch(&self, number: u8, name: &str, cases: &[&str]) {
        let variants = ["baseline", "rf"];
        let mut executions = Vec::new();
        for (variant_index, variant) in (0_u32..).zip(variants) {
            for (case_index, case) in (0_u32..).zip(cases) {
                let index = u8::try_from(executions.len()).unwrap();
                executions.push(ExecutionRecord {
                    id: execution_id(number * 16 + index),
                    batch: Some(batch_id(number)),
                    workflow: "ml_pipeline".to_owned(),
                    variant: variant.to_owned(),
                    case_id: (*case).to_owned(),
                    repeat: 0,
                    variant_index,
                    case_index,
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
                });
            }
        }
        let body = EventBody::BatchCreated {
            workflow: "ml_pipeline".to_owned(),
            variants: 2,
            cases: cases.len() as u64,
            repeats: 1,
            executions: executions.len() as u64,
        };
        let change = Change::CreateBatch {
            batch: Box::new(BatchRecord {
                id: batch_id(number),
                name: Some(name.to_owned()),
                workflow: "ml_pipeline".to_owned(),
                reference: Some("ml_pipeline:workflow".to_owned()),
                status: BatchStatus::Pending,
                spec: spec(1),
                session: Some(self.session.clone()),
                created_at: at(i64::from(number)),
                started_at: None,
                finished_at: None,
            }),
            variants: variants
                .iter()
                .map(|name| VariantRecord {
                    name: (*name).to_owned(),
                    description: Json::Null,
                })
                .collect(),
            cases: cases
                .iter()
                .map(|id| CaseRecord {
                    id: (*id).to_owned(),
                    group: None,
                    tags: Vec::new(),
                    input: value("{\"dataset\":\"wine\"}"),
                    expected: None,
                })
                .collect(),
            executions,
        };
        let mut event = self.event(None, i64::from(number), body);
        event.batch = Some(batch_id(number));
        self.store.commit(UnitOfWork::new(change, event)).unwrap();
        self.set_status(number, BatchStatus::Running, 10);
    }

    fn set_status(&self, number: u8, status: BatchStatus, seconds: i64) {
        self.change(Change::SetBatchStatus {
            batch: batch_id(number),
            session: self.session.clone(),
            status,
            at: at(seconds),
        });
    }

    fn attempt(&self, execution: u8, attempt: u32, outcome: Result<f64, &str>, is_last: bool) {
        let id = execution_id(execution);
        self.change(Change::StartAttempt(AttemptStart {
            execution: id.clone(),
            attempt,
            token: u64::from(attempt),
            worker: "thread-1".to_owned(),
            at: at(11),
        }));
        let error = outcome.err().map(|message| ErrorInfo {
            kind: "ValueError".to_owned(),
            message: message.to_owned(),
            traceback: Some(format!("Traceback:\n  in train\nValueError: {message}")),
            node: Some("train".to_owned()),
        });
        let node = |order, name: &str, error: Option<ErrorInfo>| NodeRecord {
            attempt,
            order,
            node: name.to_owned(),
            step: i64::from(order) + 1,
            status: if error.is_some() {
                NodeStatus::Failed
            } else {
                NodeStatus::Succeeded
            },
            calls: 1,
            started_at: at(11),
            duration_us: 1_500,
            input: Some(value("{}")),
            output: None,
            error,
            usage: None,
        };
        let score = |name: &str, value, direction| ScoreRecord {
            name: name.to_owned(),
            value: Some(value),
            direction,
            source: ScoreRecord::WORKFLOW.to_owned(),
            reason: None,
            error: None,
        };
        let metrics = outcome.map_or_else(
            |_| Vec::new(),
            |accuracy| {
                vec![
                    score("accuracy", accuracy, Direction::Max),
                    score("fit_s", 0.5, Direction::Min),
                ]
            },
        );
        let (status, next) = match (&error, is_last) {
            (None, _) => (AttemptStatus::Succeeded, ExecutionStatus::Succeeded),
            (Some(_), true) => (AttemptStatus::Failed, ExecutionStatus::Failed),
            (Some(_), false) => (AttemptStatus::Failed, ExecutionStatus::Queued),
        };
        self.change(Change::FinishAttempt {
            execution: id.clone(),
            attempt,
            token: u64::from(attempt),
            status,
            next,
            dead_letter: next == ExecutionStatus::Failed,
            outcome: Box::new(AttemptOutcome {
                output: error.is_none().then(|| value("{\"model\":\"rf\"}")),
                nodes: vec![node(0, "load", None), node(1, "train", error.clone())],
                error,
                metrics,
                duration_us: 120_000,
                ..AttemptOutcome::default()
            }),
            settled: true,
            at: at(12),
        });
        if next == ExecutionStatus::Failed {
            let body = EventBody::ExecutionFailed {
                attempt,
                node: Some("train".to_owned()),
                error: "ValueError".to_owned(),
                message: "bad split".to_owned(),
                dead_letter: true,
            };
            self.store
                .commit(UnitOfWork::of_events(vec![self.event(Some(id), 12, body)]))
                .unwrap();
        }
    }
}

/// A finished batch of two variants and two cases, one execution failed in its second attempt.
pub(crate) fn finished(directory: &Path) -> Writer {
    let writer = Writer::create(directory);
    writer.create_batch(1, "ML Pipeline Comparison", &["wine-0", "digits-0"]);
    writer.attempt(16, 1, Ok(0.9), true);
    writer.attempt(17, 1, Ok(0.8), true);
    writer.attempt(18, 1, Ok(0.95), true);
    writer.attempt(19, 1, Err("bad split"), false);
    writer.attempt(19, 2, Err("bad split"), true);
    writer.set_status(1, BatchStatus::CompletedWithErrors, 22);
    writer
}

/// The finished batch, and a newer one whose driver is dead with one of its two cells left.
pub(crate) fn with_stopped(directory: &Path) -> Writer {
    let writer = finished(directory);
    writer.create_batch(2, "Half done", &["wine-0"]);
    writer.attempt(32, 1, Ok(0.9), true);
    writer
}
