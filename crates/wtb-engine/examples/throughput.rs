//! Measures the hot path of the engine: executions per second that do nothing, on one worker, with
//! a SQLite store on disk.
//!
//! ```console
//! cargo run --release -p wtb-engine --example throughput -- 20000 [DIRECTORY]
//! ```
//!
//! Prints one line of JSON. The directory decides which disk is measured; by default it is a
//! temporary one.

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wtb_engine::{AttemptEnd, BatchPlan, CasePlan, Delivery, Engine, Poll};
use wtb_model::{
    AttemptOutcome, Backoff, BatchSpec, CheckpointMode, ErrorPolicy, Value, VariantRecord,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: u32 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments.next().map_or(temporary.path().to_owned(), PathBuf::from);
    let path = directory.join(format!("throughput-{}.db", std::process::id()));
    let engine = Engine::open(&path.display().to_string())?;
    let begun = Instant::now();
    let batch = engine.submit(plan(executions))?;
    let created_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let worker = batch.join("worker", 0, None)?;
    let mut handled_s = 0.0;
    loop {
        match batch.poll(worker, Duration::from_secs(1))? {
            Poll::Task(task) => {
                let outcome = AttemptOutcome::default();
                batch.complete(&task, Delivery { end: AttemptEnd::Succeeded, outcome })?;
            }
            Poll::Idle => {}
            Poll::Released => break,
        }
        handled_s = begun.elapsed().as_secs_f64();
    }
    batch.wait(Duration::from_mins(1))?;
    let report = serde_json::json!({
        "executions": executions,
        "create_s": created_s,
        "run_s": handled_s,
        "executions_per_s": f64::from(executions) / handled_s,
        "succeeded": batch.progress().counts.succeeded,
    });
    engine.close()?;
    std::fs::remove_file(&path)?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn plan(executions: u32) -> BatchPlan {
    let spec = BatchSpec {
        losses_max: BatchSpec::losses_max(),
        workspace: wtb_model::WorkspaceSpec::default(),
        repeats: 1,
        seed: 0,
        runner: "inline".to_owned(),
        max_workers: 1,
        timeout_ms: Some(60_000),
        retries: 0,
        backoff: Backoff::default(),
        fail_fast: None,
        error: ErrorPolicy::Zero,
        metric: None,
        evaluators: Vec::new(),
        window: 64,
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
