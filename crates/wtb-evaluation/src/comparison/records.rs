//! From what a store holds to a [`Table`].

use std::collections::HashMap;

use serde_json::Value;
use wtb_model::{
    CaseRecord, ExecutionId, ExecutionRecord, ExecutionStatus, ScoreRecord, VariantRecord,
};

use super::metrics::order_metrics;
use super::table::{CaseInfo, Ended, Measured, MetricInfo, Table, VariantInfo};
use super::warnings;

/// One batch as a store holds it.
#[derive(Debug, Clone, Default)]
pub struct BatchRecords {
    /// What is put behind the names of its variants, to tell them from another batch's.
    pub suffix: String,
    /// Its variants, in order.
    pub variants: Vec<VariantRecord>,
    /// Its cases. Those of one id in several batches are one case.
    pub cases: Vec<CaseRecord>,
    /// Its executions.
    pub executions: Vec<ExecutionRecord>,
    /// Their scores.
    pub scores: Vec<(ExecutionId, ScoreRecord)>,
}

/// What is to be compared by.
#[derive(Debug, Clone, Default)]
pub struct MetricOptions {
    /// The primary metric; by default the first evaluator's, else the first that was logged.
    pub metric: Option<String>,
    /// Sources of scores in the order of their precedence for the primary metric.
    pub sources: Vec<String>,
}

/// The metric that is taken for what an execution cost, in whatever currency nodes log it.
pub const COST: &str = "cost";

/// Makes a table of one batch or of several.
pub fn table(batches: &[BatchRecords], options: &MetricOptions) -> Table {
    let scores = || batches.iter().flat_map(|batch| &batch.scores);
    let metrics = order_metrics(scores, options);
    let mut table =
        Table { notes: warnings::of_scores(scores, &metrics), metrics, ..Table::default() };
    let mut case_places = HashMap::new();
    for batch in batches {
        add_batch(&mut table, batch, &mut case_places);
    }
    table
}

fn add_batch<'a>(
    table: &mut Table,
    batch: &'a BatchRecords,
    case_places: &mut HashMap<&'a str, usize>,
) {
    let first_variant = table.variants.len();
    let mut variant_places = HashMap::new();
    for (place, variant) in batch.variants.iter().enumerate() {
        variant_places.insert(variant.name.as_str(), first_variant + place);
        table.variants.push(VariantInfo {
            name: format!("{}{}", variant.name, batch.suffix),
            factors: factors(variant),
        });
    }
    for case in &batch.cases {
        case_places.entry(&case.id).or_insert_with(|| {
            table.cases.push(CaseInfo { id: case.id.clone(), group: case.group.clone() });
            table.cases.len() - 1
        });
    }
    let mut scores = group_scores(&batch.scores, &table.metrics);
    for record in &batch.executions {
        let places =
            (variant_places.get(record.variant.as_str()), case_places.get(record.case_id.as_str()));
        let (Some(variant), Some(case)) = places else { continue };
        let scores = scores.remove(&record.id).unwrap_or_default();
        let cost = table.metrics.iter().position(|metric| metric.name == COST);
        let cost = cost.and_then(|cost| scores.iter().find(|(place, _)| *place == cost));
        table.executions.push(Measured {
            variant: *variant,
            case: *case,
            repeat: record.repeat,
            ended: ended(record.status),
            #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 us")]
            duration_s: record.duration_us.map(|micros| micros as f64 / 1e6),
            tokens: record.usage.as_ref().and_then(tokens),
            cost: cost.map(|(_, value)| *value),
            scores,
        });
    }
}

fn factors(variant: &VariantRecord) -> Vec<(String, String)> {
    let factors = variant.description.get("factors").and_then(Value::as_object);
    let pair =
        |(axis, choice): (&String, &Value)| Some((axis.clone(), choice.as_str()?.to_owned()));
    factors.map(|factors| factors.iter().filter_map(pair).collect()).unwrap_or_default()
}

fn ended(status: ExecutionStatus) -> Ended {
    match status {
        ExecutionStatus::Succeeded => Ended::Succeeded,
        status if status.is_error() => Ended::WithError,
        _ => Ended::Open,
    }
}

/// All tokens of all models.
fn tokens(usage: &Value) -> Option<f64> {
    let totals =
        usage.as_object()?.values().filter_map(|model| model.get("total_tokens")?.as_f64());
    totals.fold(None, |sum, total| Some(sum.unwrap_or(0.0) + total))
}

/// The values that count: of each metric only those of the source that it is taken from.
fn group_scores<'a>(
    scores: &'a [(ExecutionId, ScoreRecord)],
    metrics: &[MetricInfo],
) -> HashMap<&'a ExecutionId, Vec<(usize, f64)>> {
    let mut grouped: HashMap<_, Vec<(usize, f64)>> = HashMap::new();
    for (execution, score) in scores {
        let is_meant =
            |metric: &MetricInfo| metric.name == score.name && metric.source == score.source;
        let place = metrics.iter().position(is_meant);
        if let (Some(place), Some(value)) = (place, score.value.filter(|value| value.is_finite())) {
            grouped.entry(execution).or_default().push((place, value));
        }
    }
    grouped
}
