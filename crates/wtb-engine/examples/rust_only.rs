//! A batch without Python: the worker and the workflow's nodes are Rust functions.
//!
//! The workflow recognises a misspelt city. Its variants are three ways to say how alike two words
//! are; its cases are misspellings as people type them.
//!
//! ```console
//! cargo run -p wtb-engine --example rust_only [STORE]
//! ```
//!
//! With a path for the store, the batch is kept there.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::time::{Duration, Instant};

use wtb_engine::{
    ActiveBatch, AttemptEnd, BatchPlan, CasePlan, CompareRequest, Delivery, Engine, EngineError,
    Group, Poll, Task, compare_batches,
};
use wtb_model::{
    AttemptOutcome, Backoff, BatchSpec, CheckpointMode, Direction, ErrorPolicy, ScoreRecord, Value,
    VariantRecord,
};

const WORKERS: u32 = 2;

const CITIES: [&str; 14] = [
    "albuquerque",
    "antananarivo",
    "bratislava",
    "bucharest",
    "budapest",
    "cincinnati",
    "edinburgh",
    "gothenburg",
    "ljubljana",
    "luxembourg",
    "phnom penh",
    "pittsburgh",
    "reykjavik",
    "tegucigalpa",
];

/// What was typed, and what was meant.
const CASES: [(&str, &str); 16] = [
    ("Albequerque", "albuquerque"),
    ("Tananarive", "antananarivo"),
    ("Bratislawa", "bratislava"),
    ("Bukarest", "bucharest"),
    ("Budepast", "budapest"),
    ("Sincinnati", "cincinnati"),
    ("Edinborough", "edinburgh"),
    ("Goteborg", "gothenburg"),
    ("Laibach Ljubljana", "ljubljana"),
    ("Lubliana", "ljubljana"),
    ("Letzebuerg", "luxembourg"),
    ("Pnom Pen", "phnom penh"),
    ("Pitsburg", "pittsburgh"),
    ("Rejkavik", "reykjavik"),
    ("Tegusigalpa", "tegucigalpa"),
    ("Greater Pittsburgh", "pittsburgh"),
];

/// How alike two words are; larger is more alike.
type Alikeness = fn(&str, &str) -> f64;

/// The variants: what the node `recognise` is made of.
const VARIANTS: [(&str, Alikeness); 3] =
    [("prefix", common_prefix), ("edits", few_edits), ("bigrams", shared_bigrams)];

fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let given = std::env::args().nth(1);
    let store = given.unwrap_or_else(|| temporary.path().join("wtb.db").display().to_string());
    let engine = Engine::open(&store)?;
    let batch = engine.submit(plan())?;
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        for number in 0..WORKERS {
            let (engine, batch) = (&engine, &batch);
            scope.spawn(move || work(engine, batch, &format!("worker-{number}")));
        }
        while batch.wait(Duration::from_millis(100))?.is_none() {
            show_progress(&batch)?;
        }
        Ok(show_progress(&batch)?)
    })?;
    if let Some(id) = batch.id() {
        let ids = std::slice::from_ref(id);
        let request = CompareRequest::default();
        let comparison = compare_batches(engine.store().as_ref(), ids, &request)?;
        let mut out = stdout().lock();
        writeln!(out, "{:<10}{:>8}{:>8}", "variant", "correct", "cases")?;
        for line in &comparison.variants {
            let mean = line.mean.map_or("-".to_owned(), |mean| format!("{mean:.2}"));
            writeln!(out, "{:<10}{mean:>8}{:>8}", line.name, line.cases)?;
        }
        writeln!(out, "best: {}", comparison.best.as_deref().unwrap_or("none"))?;
    }
    Ok(engine.close()?)
}

fn plan() -> BatchPlan {
    let spec = BatchSpec {
        losses_max: BatchSpec::losses_max(),
        looks: 1,
        workspace: wtb_model::WorkspaceSpec::default(),
        repeats: 1,
        seed: 0,
        runner: "thread".to_owned(),
        max_workers: WORKERS,
        timeout_ms: Some(1_000),
        retries: 1,
        backoff: Backoff::default(),
        fail_fast: None,
        error: ErrorPolicy::Zero,
        metric: None,
        evaluators: Vec::new(),
        window: 64,
        checkpoints: CheckpointMode::Off,
        front: serde_json::Value::Null,
    };
    let variants = VARIANTS.map(|(name, _)| VariantRecord {
        name: name.to_owned(),
        description: serde_json::json!({ "nodes": { "recognise": name } }),
    });
    let cases = CASES.map(|(typed, meant)| CasePlan {
        workspace: None,
        id: typed.to_owned(),
        group: None,
        tags: Vec::new(),
        input: Value::new("text", typed),
        expected: Some(Value::new("text", meant)),
        answers: None,
    });
    BatchPlan {
        name: Some("misspelt cities".to_owned()),
        workflow: "recognise-city".to_owned(),
        reference: None,
        spec,
        variants: variants.to_vec(),
        cases: cases.to_vec(),
    }
}

/// A worker: polls for tasks until none is left for it.
fn work(engine: &Engine, batch: &ActiveBatch, name: &str) -> Result<(), EngineError> {
    let worker = batch.join(name, 0, None, Group(0))?;
    loop {
        match batch.poll(worker, Duration::from_secs(1))? {
            Poll::Task(task) => drop(batch.complete(&task, attempt(engine, &task)?)?),
            Poll::Idle => {}
            Poll::Released => return batch.leave(worker),
        }
    }
}

/// One attempt: runs the workflow's nodes, one after the other.
fn attempt(engine: &Engine, task: &Task) -> Result<Delivery, EngineError> {
    let started = Instant::now();
    let (typed, meant) = CASES[task.case as usize];
    let (_, alikeness) = VARIANTS[task.variant as usize];
    let city = recognise(&normalise(typed), alikeness);
    let correct = ScoreRecord {
        name: "correct".to_owned(),
        value: Some(f64::from(city == meant)),
        direction: Direction::Max,
        source: ScoreRecord::WORKFLOW.to_owned(),
        version: None,
        reason: None,
        error: None,
    };
    let outcome = AttemptOutcome {
        output: Some(engine.store().put_value(Value::new("text", city))?),
        metrics: vec![correct],
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        ..AttemptOutcome::default()
    };
    Ok(Delivery { end: AttemptEnd::Succeeded, outcome })
}

fn normalise(typed: &str) -> String {
    typed.trim().to_lowercase()
}

fn recognise(word: &str, alikeness: Alikeness) -> &'static str {
    let best = |left: &&str, right: &&str| alikeness(word, left).total_cmp(&alikeness(word, right));
    CITIES.into_iter().max_by(best).unwrap_or_default()
}

fn common_prefix(left: &str, right: &str) -> f64 {
    let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right);
    same.map(|_| 1.0).sum()
}

/// The number of edits that lead from one word to the other (Levenshtein), negative.
fn few_edits(left: &str, right: &str) -> f64 {
    let right: Vec<_> = right.chars().collect();
    let mut row: Vec<u16> = (0..).take(right.len() + 1).collect();
    for (above, from) in (1..).zip(left.chars()) {
        let mut diagonal = std::mem::replace(&mut row[0], above);
        for (index, to) in right.iter().enumerate() {
            let replaced = diagonal + u16::from(from != *to);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(diagonal + 1).min(row[index] + 1);
        }
    }
    -f64::from(row[right.len()])
}

/// How many pairs of neighbouring letters two words share.
fn shared_bigrams(left: &str, right: &str) -> f64 {
    let bigrams =
        |word: &str| -> BTreeSet<(char, char)> { word.chars().zip(word.chars().skip(1)).collect() };
    bigrams(left).intersection(&bigrams(right)).map(|_| 1.0).sum()
}

fn show_progress(batch: &ActiveBatch) -> std::io::Result<()> {
    let progress = batch.progress();
    let (ended, failed) = (progress.counts.ended(), progress.counts.errors());
    writeln!(stdout(), "{ended} of {} executions, {failed} failed", progress.total)
}
