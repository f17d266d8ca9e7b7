//! Measures the hot path of the engine: executions per second that do nothing, on one worker, with
//! a SQLite store on disk; and the same handed ahead to two supervisors, as to those of a cluster.
//!
//! ```console
//! cargo run --release -p wtb-engine --example throughput -- 20000 [DIRECTORY [inline|ray]]
//! ```
//!
//! Prints a line of JSON for each, or for the one that is asked for. The directory decides which disk is measured; by default it is a
//! temporary one.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wtb_engine::{
    ActiveBatch, AttemptEnd, BatchPlan, CasePlan, Delivery, Engine, EngineError, Group, Handout,
    Outpost, Poll, Source, WorkerKey,
};
use wtb_model::{
    AttemptOutcome, Backoff, BatchSpec, CheckpointMode, ErrorPolicy, Value, VariantRecord,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments.next().map_or(temporary.path().to_owned(), PathBuf::from);
    let mut stdout = std::io::stdout();
    let only = arguments.next();
    let is_asked = |runner: &str| only.as_ref().is_none_or(|only| only == runner);
    if is_asked("inline") {
        writeln!(stdout, "{}", measured(&directory, executions, "inline", by_itself)?)?;
    }
    if is_asked("ray") {
        writeln!(stdout, "{}", measured(&directory, executions, "ray", handed_ahead)?)?;
    }
    Ok(())
}

/// The CPU time of who drives the batch, where others make the attempts.
type Driven = Option<Duration>;

fn measured(
    directory: &Path,
    executions: u32,
    runner: &str,
    run: impl Fn(&Arc<ActiveBatch>) -> Result<Driven, EngineError>,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let path = directory.join(format!("throughput-{}-{runner}.db", std::process::id()));
    let engine = Engine::open(&path.display().to_string())?;
    let begun = Instant::now();
    let batch = engine.submit(plan(executions, runner))?;
    let created_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let driven_s = run(&batch)?.map(|driven| driven.as_secs_f64());
    let run_s = begun.elapsed().as_secs_f64();
    batch.wait(Duration::from_mins(1))?;
    let report = serde_json::json!({
        "runner": runner,
        "executions": executions,
        "create_s": created_s,
        "run_s": run_s,
        "driven_s": driven_s,
        "executions_per_s": f64::from(executions) / run_s,
        "succeeded": batch.progress().counts.succeeded,
        "memory_peak_kb": memory_peak_kb(),
    });
    engine.close()?;
    std::fs::remove_file(&path)?;
    Ok(report)
}

/// One worker in the driver's own thread.
fn by_itself(batch: &Arc<ActiveBatch>) -> Result<Driven, EngineError> {
    work(batch.as_ref(), batch.join("worker", 0, None, Group(0))?)?;
    Ok(None)
}

/// Two supervisors with a store of their own each, and many workers, so that no body is waited for.
fn handed_ahead(batch: &Arc<ActiveBatch>) -> Result<Driven, EngineError> {
    let outposts: Vec<_> = (0..SUPERVISORS)
        .map(|_| Outpost::open(batch.outpost_plan()?).map(Arc::new))
        .collect::<Result<_, _>>()?;
    thread::scope(|scope| {
        for outpost in &outposts {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    outpost
                        .join("worker", 0, None, Group(0))
                        .and_then(|key| work(outpost.as_ref(), key))
                });
            }
        }
        drive(batch, &outposts)
    })
}

/// Hands out and takes in for all supervisors in turn; returns the CPU time of that.
fn drive(batch: &ActiveBatch, outposts: &[Arc<Outpost>]) -> Result<Driven, EngineError> {
    let mut posts = Vec::new();
    for outpost in outposts {
        posts.push((outpost, batch.join("supervisor", 0, None, Group(0))?, 0));
    }
    let mut busy = Duration::ZERO;
    while !posts.is_empty() {
        let mut left = Vec::new();
        for (outpost, key, held) in posts {
            let begun = on_cpu();
            let handout = batch.hand_out(key, AHEAD - held)?;
            busy += on_cpu().saturating_sub(begun);
            let (is_last, held) = (handout.is_last, held + len(&handout.tasks));
            let report = outpost.exchange(handout, Duration::from_millis(5))?;
            let gone = len(&report.ended) + len(&report.returned);
            let begun = on_cpu();
            batch.report(report)?;
            busy += on_cpu().saturating_sub(begun);
            if is_last && held == gone {
                outpost.hand(Handout { is_last, ..Handout::default() });
                batch.leave(key)?;
            } else {
                left.push((outpost, key, held - gone));
            }
        }
        posts = left;
    }
    Ok(Some(busy))
}

/// The CPU time of this thread, where the system tells it.
fn on_cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split_whitespace().next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// The most memory that the process ever held, where the kernel tells.
fn memory_peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

const SUPERVISORS: usize = 2;
const WORKERS: usize = 16;
/// How many attempts a supervisor holds.
const AHEAD: u32 = 512;

fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}

fn work(source: &dyn Source, worker: WorkerKey) -> Result<(), EngineError> {
    loop {
        match source.poll(worker, Duration::from_secs(1))? {
            Poll::Task(task) => {
                let outcome = AttemptOutcome::default();
                source.complete(&task, Delivery { end: AttemptEnd::Succeeded, outcome })?;
            }
            Poll::Idle => {}
            Poll::Released => return Ok(()),
        }
    }
}

fn plan(executions: u32, runner: &str) -> BatchPlan {
    let spec = BatchSpec {
        losses_max: BatchSpec::losses_max(),
        looks: 1,
        workspace: wtb_model::WorkspaceSpec::default(),
        repeats: 1,
        seed: 0,
        runner: runner.to_owned(),
        max_workers: 1024,
        timeout_ms: Some(60_000),
        retries: 0,
        backoff: Backoff::default(),
        fail_fast: None,
        error: ErrorPolicy::Zero,
        metric: None,
        evaluators: Vec::new(),
        window: 1024,
        checkpoints: CheckpointMode::Off,
        front: serde_json::Value::Null,
    };
    let cases = (0..executions).map(|number| CasePlan {
        workspace: None,
        id: format!("case-{number}"),
        group: None,
        tags: Vec::new(),
        input: Value::new("json", "{}"),
        expected: None,
        answers: None,
    });
    BatchPlan {
        name: None,
        workflow: "nothing".to_owned(),
        reference: None,
        spec,
        variants: vec![VariantRecord {
            name: "baseline".to_owned(),
            description: serde_json::Value::Null,
        }],
        cases: cases.collect(),
    }
}
