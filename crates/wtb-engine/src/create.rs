//! Making batches and executions durable, and adding to batches.

use wtb_model::{
    BatchId, BatchStatus, CheckpointMode, Event, EventBody, ExecutionRecord, SessionId,
    StatusCounts,
};
use wtb_scheduler::{Coordinates, Prior, comparable_order};
use wtb_store::{Change, Store, UnitOfWork};

use crate::active::Setup;
use crate::clock::Clock;
use crate::environments::Environments;
use crate::plan::{self, BatchPlan, Cell, Cells, Extension, SinglePlan};
use crate::settings::{scheduler_config, single_config};
use crate::takeover::{Shape, Taken, in_order, index};
use crate::{EngineError, entropy};

/// Writes a new batch with all its executions.
pub(crate) fn create(
    store: &dyn Store,
    session: &SessionId,
    plan: BatchPlan,
) -> Result<Taken, EngineError> {
    plan.check()?;
    scheduler_config(&plan.spec, 1).validate()?;
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
    let executions = cells.executions(all_cells(plan.spec.seed, shape)?)?;
    let body = EventBody::BatchCreated {
        workflow: plan.workflow.clone(),
        variants: plan.variants.len() as u64,
        cases: cases.len() as u64,
        repeats: plan.spec.repeats,
        executions: executions.len() as u64,
    };
    let names = plan.variants.iter().map(|variant| variant.name.clone()).collect();
    let case_ids = cases.iter().map(|case| case.id.clone()).collect();
    let inputs = cases.iter().map(|case| case.workspace.clone()).collect();
    let environments = Environments::of(&plan.variants)?;
    let none = |_: &ExecutionRecord| Ok(Prior::default());
    let outstanding = in_order(&plan.spec, shape, &executions, &environments, none)?;
    let counts = StatusCounts { queued: executions.len() as u64, ..StatusCounts::default() };
    let event =
        Event { at, session: session.clone(), batch: Some(batch.clone()), execution: None, body };
    let change =
        Change::CreateBatch { batch: Box::new(record), variants: plan.variants, cases, executions };
    store.commit(UnitOfWork::new(change, event))?;
    let setup = Setup {
        cells: outstanding,
        environments,
        variants: names,
        cases: case_ids,
        counts,
        unscored: Vec::new(),
        status: Some(BatchStatus::Pending),
        checkpointed: plan.spec.checkpoints != CheckpointMode::Off,
        workspace: plan.spec.workspace.clone(),
        inputs,
    };
    Ok(Taken { batch, spec: plan.spec, setup, first_token: 1, resumed: false })
}

/// The cells of a batch in the order in which they run. They are written in it, so that rows which change at
/// the same time lie beside each other: to write a page once for many of them costs a fraction.
fn all_cells(seed: u64, (variants, cases, repeats): Shape) -> Result<Vec<Cell>, EngineError> {
    let order = comparable_order(seed, index(cases), index(variants), repeats)?;
    let cell = |Coordinates { case, variant, repeat }| Cell { variant, case, repeat };
    Ok(order.iter().map(cell).collect())
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
    plan::unique("variant", variants.iter().map(|variant| variant.name.as_str()))?;
    plan::unique("case", cases.iter().map(|case| case.id.as_str()))?;
    let mut spec = record.spec;
    spec.repeats = spec.repeats.saturating_add(extension.repeats);
    plan::check_size(variants.len(), cases.len(), spec.repeats)?;
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
    let new_cells = all_cells(spec.seed, shape)?.into_iter().filter(is_new);
    let executions = cells.executions(new_cells)?;
    if executions.is_empty() {
        let text = "nothing to add: name variants, cases or repeats that the batch lacks";
        return Err(EngineError::Invalid(text.to_owned()));
    }
    let body = EventBody::BatchExtended { executions: executions.len() as u64 };
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
    single_config(plan.timeout_ms, 1).validate()?;
    let mut record = plan::queued_execution(&plan.workflow, &plan.variant, Clock::now())?;
    record.seed = plan.seed;
    record.input = Some(store.put_value(plan.input)?);
    record.front = Some(plan.front);
    store.commit(UnitOfWork::silent(Change::CreateExecution(Box::new(record.clone()))))?;
    Ok(record)
}
