//! The gate over stored batches, and what it could say before anything runs.

use wtb_evaluation::comparison::{
    Assumed, GateSettings, Settings, Table, VariantInfo, Verdict, add_objective, assumed, gate,
};
use wtb_model::BatchId;
use wtb_store::Store;

use crate::EngineError;
use crate::bundle::Bundle;
use crate::compare::{CompareRequest, load};

/// What a batch is measured against.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    /// A variant of the same batch.
    Variant(String),
    /// Another batch.
    Batch(BatchId),
    /// A batch that was written to a file.
    Bundle(Box<Bundle>),
}

/// What a gate is asked of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRequest {
    /// The batch.
    pub batch: BatchId,
    /// The variant that is to pass; by default the only one that is not the baseline.
    pub variant: Option<String>,
    /// What it is measured against.
    pub baseline: Baseline,
    /// Which variant of another batch; by default the one of the same name, else its only one, else
    /// `baseline`.
    pub baseline_variant: Option<String>,
    /// By how much the metric may become worse.
    pub max_regression: f64,
    /// The metric, and how it is compared. Its baseline is not read.
    pub compare: CompareRequest,
}

/// Judges a batch.
pub fn gate_batch(store: &dyn Store, request: &GateRequest) -> Result<Verdict, EngineError> {
    let Pair { table, candidate, baseline, statistics } = pair(store, request)?;
    let max_regression = request.max_regression;
    if !(max_regression >= 0.0 && max_regression.is_finite()) {
        let text = format!("the largest regression is a number from 0 on, not {max_regression}");
        return Err(EngineError::Invalid(text));
    }
    Ok(gate(&table, &GateSettings { candidate, baseline, max_regression, statistics }))
}

/// Reads what a plan may assume from a batch: how its variant differs from the baseline.
pub fn assumed_from(store: &dyn Store, request: &GateRequest) -> Result<Assumed, EngineError> {
    let Pair { table, candidate, baseline, statistics } = pair(store, request)?;
    assumed(&table, candidate, baseline, statistics.error).ok_or_else(|| {
        let names = (&table.variants[candidate].name, &table.variants[baseline].name);
        let text = format!("{} and {} have no two cases in common with a score", names.0, names.1);
        EngineError::Invalid(text)
    })
}

/// Makes a bundle of a batch.
pub fn bundle_of(store: &dyn Store, batch: &BatchId) -> Result<Bundle, EngineError> {
    let record = store.batch(batch)?.batch;
    let (table, settings) = load(store, std::slice::from_ref(batch), &CompareRequest::default())?;
    Ok(Bundle {
        batch: batch.to_string(),
        name: record.name,
        workflow: record.workflow,
        error: settings.error,
        looks: settings.looks,
        table,
    })
}

/// Candidate and baseline in one table.
struct Pair {
    table: Table,
    candidate: usize,
    baseline: usize,
    statistics: Settings,
}

fn pair(store: &dyn Store, request: &GateRequest) -> Result<Pair, EngineError> {
    let own = CompareRequest { objective: Vec::new(), ..request.compare.clone() };
    let (mut table, mut statistics) = load(store, std::slice::from_ref(&request.batch), &own)?;
    let (candidate, baseline) = match &request.baseline {
        Baseline::Variant(name) => {
            let baseline = place(&table.variants, name)?;
            (pick_candidate(&table.variants, request.variant.as_deref(), Some(baseline))?, baseline)
        }
        Baseline::Batch(batch) => {
            let candidate = pick_candidate(&table.variants, request.variant.as_deref(), None)?;
            let bundle = bundle_of(store, batch)?;
            statistics.looks = statistics.looks.max(bundle.looks);
            (candidate, join(&mut table, candidate, bundle, &batch.as_str()[..8], request)?)
        }
        Baseline::Bundle(bundle) => {
            let candidate = pick_candidate(&table.variants, request.variant.as_deref(), None)?;
            let bundle = bundle.as_ref().clone();
            statistics.looks = statistics.looks.max(bundle.looks);
            (candidate, join(&mut table, candidate, bundle, "file", request)?)
        }
    };
    if !request.compare.objective.is_empty() {
        add_objective(&mut table, &request.compare.objective)?;
    }
    Ok(Pair { table, candidate, baseline, statistics })
}

/// Adds another batch to the table; returns the place of the baseline's variant.
fn join(
    table: &mut Table,
    candidate: usize,
    mut other: Bundle,
    suffix: &str,
    request: &GateRequest,
) -> Result<usize, EngineError> {
    let wanted = request.baseline_variant.as_deref();
    let found = pick_baseline(&other.table.variants, wanted, &table.variants[candidate].name)?;
    for variant in &mut other.table.variants {
        variant.name = format!("{}@{suffix}", variant.name);
    }
    let first = table.variants.len();
    table.join(other.table);
    Ok(first + found)
}

fn place(variants: &[VariantInfo], name: &str) -> Result<usize, EngineError> {
    variants.iter().position(|variant| variant.name == name).ok_or_else(|| {
        EngineError::Invalid(format!(
            "no variant is called `{name}`; there are {}",
            names(variants)
        ))
    })
}

fn names<'a>(variants: impl IntoIterator<Item = &'a VariantInfo>) -> String {
    variants.into_iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn pick_candidate(
    variants: &[VariantInfo],
    asked: Option<&str>,
    baseline: Option<usize>,
) -> Result<usize, EngineError> {
    if let Some(name) = asked {
        let found = place(variants, name)?;
        if Some(found) == baseline {
            let text = format!("`{name}` cannot be measured against itself");
            return Err(EngineError::Invalid(text));
        }
        return Ok(found);
    }
    let others: Vec<_> = (0..variants.len()).filter(|one| Some(*one) != baseline).collect();
    let [only] = others[..] else {
        let text = format!(
            "say which variant is to pass, for the batch has {} that could: {}",
            others.len(),
            names(others.iter().map(|place| &variants[*place]))
        );
        return Err(EngineError::Invalid(text));
    };
    Ok(only)
}

fn pick_baseline(
    variants: &[VariantInfo],
    asked: Option<&str>,
    candidate: &str,
) -> Result<usize, EngineError> {
    if let Some(name) = asked {
        return place(variants, name);
    }
    let called = |name: &str| variants.iter().position(|variant| variant.name == name);
    let only = (variants.len() == 1).then_some(0);
    called(candidate).or(only).or_else(|| called("baseline")).ok_or_else(|| {
        let text = format!(
            "say which variant of the baseline's batch is meant; there are {}",
            names(variants)
        );
        EngineError::Invalid(text)
    })
}
