//! Comparing stored batches: loads what [`crate::comparison`] computes with.

use wtb_model::BatchId;
use wtb_store::{ExecutionFilter, Page, Store};

use crate::EngineError;
use crate::comparison::{CompareOptions, Comparison, compare};

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
        let of_batch = ExecutionFilter { batch: Some(batch.clone()), ..ExecutionFilter::default() };
        let mut own = store.executions(&of_batch, Page::ALL)?;
        let mut own_names: Vec<_> =
            store.variants(batch)?.into_iter().map(|variant| variant.name).collect();
        if batches.len() > 1 {
            for name in &mut own_names {
                *name = qualified(name, batch);
            }
            for execution in &mut own {
                execution.variant = qualified(&execution.variant, batch);
            }
        }
        names.extend(own_names);
        executions.extend(own);
        scores.extend(store.scores(batch)?);
        options.error = record.spec.error;
        options.metric = options.metric.or(record.spec.metric);
        options.sources.extend(record.spec.evaluators.iter().filter_map(evaluator_name));
    }
    Ok(compare(&names, &executions, &scores, &options))
}

fn qualified(variant: &str, batch: &BatchId) -> String {
    format!("{variant}@{}", &batch.as_str()[..8])
}

/// The name under which an evaluator's scores are stored.
fn evaluator_name(description: &serde_json::Value) -> Option<String> {
    description.get("name").and_then(|name| name.as_str()).map(str::to_owned)
}
