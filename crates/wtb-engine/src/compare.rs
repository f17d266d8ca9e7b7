//! Comparing stored batches: loads what [`crate::comparison`] computes with.

use wtb_evaluation::Correction;
use wtb_evaluation::comparison::records::{BatchRecords, MetricOptions, table};
use wtb_evaluation::comparison::{Comparison, Settings, Table, add_objective, compare};
use wtb_model::{BatchId, BatchSpec, ErrorPolicy};
use wtb_store::{ExecutionFilter, Page, Store};

use crate::EngineError;

/// What to compare batches by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompareRequest {
    /// The primary metric; by default that of the last batch, else the first evaluator's.
    pub metric: Option<String>,
    /// Weights of metrics whose sum is to be the primary metric, in its place.
    pub objective: Vec<(String, f64)>,
    /// The baseline's name; by default the variant named `baseline`, else the first.
    pub baseline: Option<String>,
    /// How executions that ended with an error count; by default as the last batch says.
    pub error: Option<ErrorPolicy>,
    /// The confidence of intervals and findings, above 0.5 and below 1; by default 0.95.
    pub confidence: Option<f64>,
    /// How p-values are corrected for the number of variants.
    pub correction: Correction,
}

/// Compares the variants of one batch, or of several: variants of one name in different batches
/// are told apart by their batch's id.
pub fn compare_batches(
    store: &dyn Store,
    batches: &[BatchId],
    request: &CompareRequest,
) -> Result<Comparison, EngineError> {
    let (table, settings) = load(store, batches, request)?;
    Ok(compare(&table, &settings))
}

/// Loads what a comparison is made of, and how it is to be made.
pub(crate) fn load(
    store: &dyn Store,
    batches: &[BatchId],
    request: &CompareRequest,
) -> Result<(Table, Settings), EngineError> {
    let confidence = request.confidence.unwrap_or(0.95);
    if !(confidence > 0.5 && confidence < 1.0) {
        let text = format!("confidence is between 0.5 and 1, as 0.95, not {confidence}");
        return Err(EngineError::Invalid(text));
    }
    let mut options = MetricOptions { metric: request.metric.clone(), sources: Vec::new() };
    let mut settings = Settings {
        baseline: request.baseline.clone(),
        confidence,
        correction: request.correction,
        ..Settings::default()
    };
    let mut records = Vec::new();
    for batch in batches {
        let spec = store.batch(batch)?.batch.spec;
        let of_batch = ExecutionFilter { batch: Some(batch.clone()), ..ExecutionFilter::default() };
        let suffix = if batches.len() > 1 { suffix(batch) } else { String::new() };
        records.push(BatchRecords {
            suffix,
            variants: store.variants(batch)?,
            cases: store.cases(batch)?,
            executions: store.executions(&of_batch, Page::ALL)?,
            scores: store.scores(batch)?,
        });
        settings.error = request.error.unwrap_or(spec.error);
        settings.looks = settings.looks.max(spec.looks);
        options.sources.extend(evaluators(&spec));
        options.metric = options.metric.or(spec.metric);
    }
    let mut table = table(&records, &options);
    if !request.objective.is_empty() {
        add_objective(&mut table, &request.objective)?;
    }
    Ok((table, settings))
}

fn suffix(batch: &BatchId) -> String {
    format!("@{}", &batch.as_str()[..8])
}

/// The names under which evaluators' scores are stored.
fn evaluators(spec: &BatchSpec) -> impl Iterator<Item = String> {
    spec.evaluators.iter().filter_map(|one| one.get("name")?.as_str().map(str::to_owned))
}
