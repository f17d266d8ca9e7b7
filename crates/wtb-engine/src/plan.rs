//! What is to be executed, before it is: plans, and the records made from them.

use std::collections::HashSet;

use wtb_model::{
    BatchId, BatchRecord, BatchSpec, BatchStatus, CaseRecord, ExecutionId, ExecutionRecord,
    ExecutionStatus, SessionId, Timestamp, Value, VariantRecord, WorkspaceSpec,
};
use wtb_store::Store;

use crate::{EngineError, entropy};

/// A case to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct CasePlan {
    /// Its id, unique within the batch.
    pub id: String,
    /// The group it belongs to, for statistics that respect clusters.
    pub group: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The initial state, serialised.
    pub input: Value,
    /// What is expected of the output, serialised.
    pub expected: Option<Value>,
    /// How its questions are answered without a person, serialised.
    pub answers: Option<Value>,
    /// The directory that its executions begin with, in the place of the batch's.
    pub workspace: Option<String>,
}

/// A batch to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchPlan {
    /// The name its author gives it.
    pub name: Option<String>,
    /// The workflow's name.
    pub workflow: String,
    /// `module:attribute` of the workflow, when it has one.
    pub reference: Option<String>,
    /// What is asked of it.
    pub spec: BatchSpec,
    /// The variants, in order.
    pub variants: Vec<VariantRecord>,
    /// The cases, in order.
    pub cases: Vec<CasePlan>,
}

/// What is added to a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extension {
    /// Variants to append.
    pub variants: Vec<VariantRecord>,
    /// Cases to append.
    pub cases: Vec<CasePlan>,
    /// Repeats to add to every variant and case.
    pub repeats: u32,
}

/// A single execution to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct SinglePlan {
    /// The workflow's name.
    pub workflow: String,
    /// The variant's name.
    pub variant: String,
    /// The initial state, serialised.
    pub input: Value,
    /// What its attempt seeds its random number generators with.
    pub seed: u64,
    /// How long the attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether its attempts write checkpoints.
    pub checkpointed: bool,
    /// The files that it works on.
    pub workspace: WorkspaceSpec,
    /// What the front end needs to run it again in a later session. Opaque here.
    pub front: serde_json::Value,
}

/// Where a further attempt of an execution begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At its input.
    Input,
    /// At the head of its last lineage.
    Head,
}

/// A single execution to be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPlan {
    /// The execution.
    pub execution: ExecutionId,
    /// How long the attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether its attempts write checkpoints.
    pub checkpointed: bool,
    /// Where the attempt begins.
    pub beginning: Beginning,
    /// The files that it works on.
    pub workspace: WorkspaceSpec,
}

/// Derives the seed of an execution from its batch's seed, its case and its repeat.
///
/// The variant is left out on purpose: all variants of a case meet the same random numbers
/// ("common random numbers"), which makes their paired differences less noisy. The first 32 bits
/// of BLAKE3 over the three, so that every generator (numpy's wants less than 2^32) takes it.
pub fn execution_seed(batch_seed: u64, case_id: &str, repeat: u32) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&batch_seed.to_le_bytes());
    hasher.update(&repeat.to_le_bytes());
    hasher.update(case_id.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..4]);
    u64::from(u32::from_le_bytes(first))
}

impl BatchPlan {
    /// Refuses what could never run: nothing selected, names that are not unique, zero repeats.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.variants.is_empty() {
            return Err(EngineError::Invalid("a batch needs at least one variant".to_owned()));
        }
        if self.cases.is_empty() {
            return Err(EngineError::Invalid("a batch needs at least one case".to_owned()));
        }
        if self.spec.repeats == 0 || self.spec.max_workers == 0 || self.spec.window == 0 {
            let text = "repeats, max_workers and window must be at least 1";
            return Err(EngineError::Invalid(text.to_owned()));
        }
        unique("variant", self.variants.iter().map(|variant| variant.name.as_str()))?;
        unique("case", self.cases.iter().map(|case| case.id.as_str()))?;
        check_size(self.variants.len(), self.cases.len(), self.spec.repeats)
    }
}

/// Refuses a batch of more executions than can be numbered.
pub(crate) fn check_size(variants: usize, cases: usize, repeats: u32) -> Result<(), EngineError> {
    let size = variants as u128 * cases as u128 * u128::from(repeats);
    if u32::try_from(size).is_err() {
        let text = format!("{size} executions are more than a batch can hold; split it");
        return Err(EngineError::Invalid(text));
    }
    Ok(())
}

pub(crate) fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), EngineError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            let text = format!("two {what}s are called `{name}`: every {what} needs its own name");
            return Err(EngineError::Invalid(text));
        }
    }
    Ok(())
}

pub(crate) fn store_cases(
    store: &dyn Store,
    cases: Vec<CasePlan>,
) -> Result<Vec<CaseRecord>, EngineError> {
    let stored = cases.into_iter().map(|case| {
        Ok(CaseRecord {
            id: case.id,
            group: case.group,
            tags: case.tags,
            input: store.put_value(case.input)?,
            expected: case.expected.map(|value| store.put_value(value)).transpose()?,
            answers: case.answers.map(|value| store.put_value(value)).transpose()?,
            workspace: case.workspace,
        })
    });
    stored.collect()
}

/// The record of a batch that is about to be created.
pub(crate) fn batch_record(
    plan: &BatchPlan,
    id: BatchId,
    session: SessionId,
    at: Timestamp,
) -> BatchRecord {
    BatchRecord {
        id,
        name: plan.name.clone(),
        workflow: plan.workflow.clone(),
        reference: plan.reference.clone(),
        status: BatchStatus::Pending,
        spec: plan.spec.clone(),
        session: Some(session),
        created_at: at,
        started_at: None,
        finished_at: None,
    }
}

/// A cell of a batch by its coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cell {
    pub(crate) variant: u32,
    pub(crate) case: u32,
    pub(crate) repeat: u32,
}

/// The records of executions that are about to be created.
pub(crate) struct Cells<'a> {
    pub(crate) batch: &'a BatchId,
    pub(crate) workflow: &'a str,
    pub(crate) seed: u64,
    pub(crate) variants: &'a [VariantRecord],
    pub(crate) cases: &'a [CaseRecord],
    pub(crate) at: Timestamp,
}

impl Cells<'_> {
    /// The records of cells, in their order.
    ///
    /// The later one runs, the greater its id, so that the ids' indexes are worked through from page to page.
    /// The ids of a batch are random nevertheless: no two need to have more than a few characters in common.
    pub(crate) fn executions(
        &self,
        cells: impl IntoIterator<Item = Cell>,
    ) -> Result<Vec<ExecutionRecord>, EngineError> {
        let records = cells.into_iter().map(|cell| self.execution(cell));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        let mut ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
        ids.sort_unstable();
        for (record, id) in records.iter_mut().zip(ids) {
            record.id = id;
        }
        Ok(records)
    }

    fn execution(&self, cell: Cell) -> Result<ExecutionRecord, EngineError> {
        let variant = &self.variants[cell.variant as usize];
        let case = &self.cases[cell.case as usize];
        Ok(ExecutionRecord {
            batch: Some(self.batch.clone()),
            case_id: case.id.clone(),
            repeat: cell.repeat,
            variant_index: cell.variant,
            case_index: cell.case,
            seed: execution_seed(self.seed, &case.id, cell.repeat),
            ..queued_execution(self.workflow, &variant.name, self.at)?
        })
    }
}

/// A queued execution that belongs to nothing yet.
pub(crate) fn queued_execution(
    workflow: &str,
    variant: &str,
    at: Timestamp,
) -> Result<ExecutionRecord, EngineError> {
    Ok(ExecutionRecord {
        id: entropy::execution_id()?,
        batch: None,
        workflow: workflow.to_owned(),
        variant: variant.to_owned(),
        case_id: "input".to_owned(),
        repeat: 0,
        variant_index: 0,
        case_index: 0,
        seed: 0,
        status: ExecutionStatus::Queued,
        attempts: 0,
        token: 0,
        dead_letter: false,
        created_at: at,
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
    })
}

#[cfg(test)]
mod tests {
    use super::execution_seed;

    #[test]
    fn seeds_are_stable_and_differ_by_case_and_repeat_only() {
        let seed = execution_seed(0, "case", 0);
        assert_eq!(seed, execution_seed(0, "case", 0));
        assert!(seed < 1 << 32);
        assert_ne!(seed, execution_seed(0, "case", 1));
        assert_ne!(seed, execution_seed(0, "other", 0));
        assert_ne!(seed, execution_seed(1, "case", 0));
    }
}
