//! Batches to write.

use wtb_model::{
    BatchRecord, BatchSpec, BatchStatus, CaseRecord, ExecutionId, ExecutionRecord, SessionId,
    VariantRecord,
};

use super::{batch_id, execution, moment, spec, value};
use crate::Change;

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
        let mut batch = Self { record, variants, cases, executions: Vec::new() };
        batch.add_cells(number * 1_000_000, repeats);
        batch
    }

    fn add_cells(&mut self, first: u64, repeats: u32) {
        let id = Some(self.record.id.clone());
        let mut numbers = first..;
        for (variant_index, variant) in (0..).zip(&self.variants) {
            for (case_index, case) in (0..).zip(&self.cases) {
                let cells =
                    (0..repeats).zip(&mut numbers).map(|(repeat, number)| ExecutionRecord {
                        batch: id.clone(),
                        variant: variant.name.clone(),
                        case_id: case.id.clone(),
                        repeat,
                        variant_index,
                        case_index,
                        input: None,
                        front: None,
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
        expected: index.is_multiple_of(2).then(|| value("42")),
        answers: index.is_multiple_of(3).then(|| value("{\"which one?\": \"the first\"}")),
        workspace: index.is_multiple_of(2).then(|| format!("/data/{index}")),
    }
}
