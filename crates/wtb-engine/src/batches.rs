//! Making batches and executions durable, claiming them, and loading them for their scheduler.

use std::collections::HashMap;

use wtb_model::{
    BatchId, BatchRecord, BatchSpec, BatchStatus, Event, EventBody, ExecutionRecord,
    ExecutionStatus, FailFast, SessionId, StatusCounts, Timestamp,
};
use wtb_scheduler::{Backoff, Config, Coordinates, Millis, Prior, comparable_order};
use wtb_store::{Change, ExecutionFilter, Page, Store, UnitOfWork};

use crate::active::{CellInfo, Setup};
use crate::clock::Clock;
use crate::comparison::{CompareOptions, Comparison, compare};
use crate::plan::{self, BatchPlan, Cell, Cells, Extension, SinglePlan};
use crate::{EngineError, entropy, session};

/// A fail-fast share means nothing before this many executions have ended.
const FAIL_FAST_SAMPLE_MIN: u32 = 10;
/// How often an execution may lose its worker before it counts as failed.
const LOSSES_MAX: u32 = 3;

/// A batch that this session owns, ready for its scheduler.
pub(crate) struct Taken {
    pub(crate) batch: BatchId,
    pub(crate) spec: BatchSpec,
    pub(crate) setup: Setup,
    pub(crate) first_token: u64,
    pub(crate) resumed: bool,
}

/// Writes a new batch with all its executions.
pub(crate) fn create(
    store: &dyn Store,
    session: &SessionId,
    plan: BatchPlan,
) -> Result<Taken, EngineError> {
    plan.check()?;
    let at = Clock::now();
    let batch = entropy::batch_id()?;
    let record = plan::batch_record(&plan, batch.clone(), session.clone(), at);
    let cases = plan::store_cases(store, plan.cases)?;
    let cells = Cells {
        batch: &batch,
        workflow: &plan.workflow,
        seed: plan.spec.seed,
        variants: &plan.variants,
        cases: &cases,
        at,
    };
    let shape = (plan.variants.len(), cases.len(), plan.spec.repeats);
    let executions = all_cells(shape)
        .map(|cell| cells.execution(cell))
        .collect::<Result<Vec<_>, _>>()?;
    let body = EventBody::BatchCreated {
        workflow: plan.workflow.clone(),
        variants: plan.variants.len() as u64,
        cases: cases.len() as u64,
        repeats: plan.spec.repeats,
        executions: executions.len() as u64,
    };
    let names = plan
        .variants
        .iter()
        .map(|variant| variant.name.clone())
        .collect();
    let case_ids = cases.iter().map(|case| case.id.clone()).collect();
    let outstanding = in_order(&plan.spec, shape, &executions)?;
    let counts = StatusCounts {
        queued: executions.len() as u64,
        ..StatusCounts::default()
    };
    let event = Event {
        at,
        session: session.clone(),
        batch: Some(batch.clone()),
        execution: None,
        body,
    };
    let change = Change::CreateBatch {
        batch: Box::new(record),
        variants: plan.variants,
        cases,
        executions,
    };
    store.commit(UnitOfWork::new(change, event))?;
    let setup = Setup {
        cells: outstanding,
        variants: names,
        cases: case_ids,
        counts,
        unscored: Vec::new(),
        status: Some(BatchStatus::Pending),
    };
    Ok(Taken {
        batch,
        spec: plan.spec,
        setup,
        first_token: 1,
        resumed: false,
    })
}

type Shape = (usize, usize, u32);

fn all_cells((variants, cases, repeats): Shape) -> impl Iterator<Item = Cell> {
    let (variants, cases) = (index(variants), index(cases));
    (0..variants).flat_map(move |variant| {
        (0..cases).flat_map(move |case| {
            (0..repeats).map(move |repeat| Cell {
                variant,
                case,
                repeat,
            })
        })
    })
}

/// Sizes are checked to fit when a plan is made.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The outstanding executions in the comparable order.
fn in_order(
    spec: &BatchSpec,
    (variants, cases, repeats): Shape,
    executions: &[ExecutionRecord],
) -> Result<Vec<CellInfo>, EngineError> {
    let outstanding = executions
        .iter()
        .filter(|execution| !execution.status.is_final());
    let mut by_cell: HashMap<_, _> = outstanding
        .map(|execution| {
            let cell = Coordinates {
                case: execution.case_index,
                variant: execution.variant_index,
                repeat: execution.repeat,
            };
            (cell, execution)
        })
        .collect();
    let order = comparable_order(spec.seed, index(cases), index(variants), repeats)?;
    Ok(order
        .iter()
        .filter_map(|cell| by_cell.remove(&cell))
        .map(cell_info)
        .collect())
}

fn cell_info(execution: &ExecutionRecord) -> CellInfo {
    let lost = u32::from(execution.status == ExecutionStatus::Running);
    CellInfo {
        execution: execution.id.clone(),
        variant: execution.variant_index,
        case: execution.case_index,
        repeat: execution.repeat,
        seed: execution.seed,
        prior: Prior {
            attempts: execution.attempts,
            // A dead letter that is retried begins with a fresh budget.
            failures: if execution.error.is_some() && execution.finished_at.is_some() {
                0
            } else {
                execution.attempts.saturating_sub(lost)
            },
            losses: lost,
            end: None,
        },
    }
}

/// A batch that is to change its owner.
pub(crate) struct Claim<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) session: &'a SessionId,
    pub(crate) batch: &'a BatchId,
}

impl Claim<'_> {
    /// Takes the batch from a session that is dead or done with it.
    pub(crate) fn take(&self, now: Timestamp) -> Result<(), EngineError> {
        let record = self.store.batch(self.batch)?.batch;
        let from = record.session.clone();
        if let Some(owner) = from.as_ref().filter(|owner| *owner != self.session) {
            let owner = self.store.session(owner)?;
            if !record.status.is_final() && session::is_alive(&owner, now) {
                return Err(EngineError::Busy {
                    batch: self.batch.clone(),
                    owner: format!("process {} on {}", owner.process, owner.host),
                });
            }
        }
        let (batch, session) = (self.batch.clone(), self.session.clone());
        let change = Change::ClaimBatch {
            batch,
            session,
            from,
            at: now,
        };
        self.store.commit(UnitOfWork::silent(change))?;
        Ok(())
    }

    /// Loads what is left to do.
    pub(crate) fn load(&self) -> Result<Taken, EngineError> {
        let summary = self.store.batch(self.batch)?;
        let BatchRecord { spec, status, .. } = summary.batch;
        let variants = self.store.variants(self.batch)?;
        let cases = self.store.cases(self.batch)?;
        let of_batch = ExecutionFilter {
            batch: Some(self.batch.clone()),
            ..ExecutionFilter::default()
        };
        let executions = self.store.executions(&of_batch, Page::ALL)?;
        let unscored = if spec.evaluators.is_empty() {
            Vec::new()
        } else {
            let waiting = executions.iter().filter(|execution| {
                execution.status == ExecutionStatus::Succeeded && !execution.settled
            });
            waiting.map(|execution| execution.id.clone()).collect()
        };
        let shape = (variants.len(), cases.len(), spec.repeats);
        let setup = Setup {
            cells: in_order(&spec, shape, &executions)?,
            variants: variants.into_iter().map(|variant| variant.name).collect(),
            cases: cases.into_iter().map(|case| case.id).collect(),
            counts: summary.counts,
            unscored,
            status: Some(status),
        };
        let first_token = executions
            .iter()
            .map(|execution| execution.token)
            .max()
            .unwrap_or_default()
            + 1;
        Ok(Taken {
            batch: self.batch.clone(),
            spec,
            setup,
            first_token,
            resumed: true,
        })
    }
}

/// The unit of work that adds to a batch, names checked against what it has.
pub(crate) fn extend(
    store: &dyn Store,
    batch: &BatchId,
    extension: Extension,
    event: impl FnOnce(EventBody) -> Event,
) -> Result<UnitOfWork, EngineError> {
    let record = store.batch(batch)?.batch;
    let mut variants = store.variants(batch)?;
    let mut cases = store.cases(batch)?;
    let old = (variants.len(), cases.len(), record.spec.repeats);
    let new_cases = plan::store_cases(store, extension.cases)?;
    variants.extend(extension.variants.iter().cloned());
    cases.extend(new_cases.iter().cloned());
    plan::unique(
        "variant",
        variants.iter().map(|variant| variant.name.as_str()),
    )?;
    plan::unique("case", cases.iter().map(|case| case.id.as_str()))?;
    let mut spec = record.spec;
    spec.repeats = spec.repeats.saturating_add(extension.repeats);
    let cells = Cells {
        batch,
        workflow: &record.workflow,
        seed: spec.seed,
        variants: &variants,
        cases: &cases,
        at: Clock::now(),
    };
    let shape = (variants.len(), cases.len(), spec.repeats);
    let is_new = |cell: &Cell| {
        cell.variant as usize >= old.0 || cell.case as usize >= old.1 || cell.repeat >= old.2
    };
    let executions = all_cells(shape)
        .filter(is_new)
        .map(|cell| cells.execution(cell))
        .collect::<Result<Vec<_>, _>>()?;
    if executions.is_empty() {
        let text = "nothing to add: name variants, cases or repeats that the batch lacks";
        return Err(EngineError::Invalid(text.to_owned()));
    }
    let body = EventBody::BatchExtended {
        executions: executions.len() as u64,
    };
    let change = Change::ExtendBatch {
        batch: batch.clone(),
        spec: Box::new(spec),
        variants: extension.variants,
        cases: new_cases,
        executions,
    };
    Ok(UnitOfWork::new(change, event(body)))
}

/// Writes a new single execution.
pub(crate) fn create_single(
    store: &dyn Store,
    plan: SinglePlan,
) -> Result<ExecutionRecord, EngineError> {
    let mut record = plan::queued_execution(&plan.workflow, &plan.variant, Clock::now())?;
    record.seed = plan.seed;
    record.input = Some(store.put_value(plan.input)?);
    store.commit(UnitOfWork::silent(Change::CreateExecution(Box::new(
        record.clone(),
    ))))?;
    Ok(record)
}

/// What the scheduler of a single execution starts from.
pub(crate) fn single_setup(record: ExecutionRecord, timeout_ms: Option<u64>) -> (Config, Setup) {
    let config = Config {
        max_in_flight: 1,
        window: 1,
        attempt_timeout: timeout_ms.map(Millis),
        max_losses: LOSSES_MAX,
        first_token: record.token + 1,
        ..Config::default()
    };
    let setup = Setup {
        cells: vec![cell_info(&record)],
        variants: vec![record.variant],
        cases: vec![record.case_id],
        counts: StatusCounts {
            queued: 1,
            ..StatusCounts::default()
        },
        unscored: Vec::new(),
        status: None,
    };
    (config, setup)
}

/// The scheduler's settings for a batch.
pub(crate) fn scheduler_config(spec: &BatchSpec, first_token: u64) -> Config {
    Config {
        max_in_flight: spec.max_workers,
        window: spec.window,
        attempt_timeout: spec.timeout_ms.map(Millis),
        retries: spec.retries,
        backoff: Backoff {
            initial: Millis(spec.backoff.initial_ms),
            factor: spec.backoff.factor,
            max: Millis(spec.backoff.max_ms),
            jitter: spec.backoff.jitter,
        },
        seed: spec.seed,
        fail_fast: spec.fail_fast.map(|fail_fast| match fail_fast {
            FailFast::Count(count) => wtb_scheduler::FailFast::Count(count),
            FailFast::Fraction(fraction) => wtb_scheduler::FailFast::Fraction {
                fraction,
                min_sample: FAIL_FAST_SAMPLE_MIN,
            },
        }),
        lease_ttl: None,
        max_losses: LOSSES_MAX,
        first_token,
        settle: !spec.evaluators.is_empty(),
    }
}

/// What to compare batches by; see [`CompareOptions`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompareRequest {
    /// The primary metric.
    pub metric: Option<String>,
    /// The baseline's name.
    pub baseline: Option<String>,
}

/// Compares the variants of one batch, or of several: variants of one name in different batches
/// are told apart by their batch's id.
pub fn compare_batches(
    store: &dyn Store,
    batches: &[BatchId],
    request: &CompareRequest,
) -> Result<Comparison, EngineError> {
    let (mut names, mut executions, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let mut options = CompareOptions {
        metric: request.metric.clone(),
        baseline: request.baseline.clone(),
        ..CompareOptions::default()
    };
    for batch in batches {
        let record = store.batch(batch)?.batch;
        let of_batch = ExecutionFilter {
            batch: Some(batch.clone()),
            ..ExecutionFilter::default()
        };
        let mut own = store.executions(&of_batch, Page::ALL)?;
        let mut own_names: Vec<_> = store
            .variants(batch)?
            .into_iter()
            .map(|variant| variant.name)
            .collect();
        if batches.len() > 1 {
            own_names
                .iter_mut()
                .for_each(|name| *name = qualified(name, batch));
            own.iter_mut().for_each(|execution| {
                execution.variant = qualified(&execution.variant, batch);
            });
        }
        names.extend(own_names);
        executions.extend(own);
        scores.extend(store.scores(batch)?);
        options.error = record.spec.error;
        options.metric = options.metric.or(record.spec.metric);
        options
            .sources
            .extend(record.spec.evaluators.iter().filter_map(evaluator_name));
    }
    Ok(compare(&names, &executions, &scores, &options))
}

fn qualified(variant: &str, batch: &BatchId) -> String {
    format!("{variant}@{}", &batch.as_str()[..8])
}

/// The name under which an evaluator's scores are stored.
fn evaluator_name(description: &serde_json::Value) -> Option<String> {
    description
        .get("name")
        .and_then(|name| name.as_str())
        .map(str::to_owned)
}
