//! The statistics as functions of plain numbers. `wtb.statistics` documents and checks them.

use pyo3::prelude::*;
use wtb_engine::comparison::{
    CaseInfo, Comparison, Ended, Measured, MetricInfo, Settings, Table, VariantInfo, compare,
};
use wtb_engine::evaluation::{self, Correction, paired, power};
use wtb_model::Direction;

use crate::errors::{Result, invalid};

/// Returns a comparison as JSON and as a table.
pub(crate) fn written(comparison: &Comparison) -> Result<(String, String)> {
    let text = wtb_cli::render_comparison(comparison);
    let json = serde_json::to_string(comparison).map_err(|error| invalid(error.to_string()))?;
    Ok((json, text))
}

pub(crate) fn parse_correction(text: &str) -> Result<Correction> {
    Correction::parse(text).ok_or_else(|| {
        invalid(format!("correction is 'holm' or 'benjamini_hochberg', not {text:?}"))
    })
}

/// Compares values of variants x cases x repeats, in that order, as doubles in the machine's byte
/// order; NaN where there is none.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one call, by keyword, of one Python function")]
pub(crate) fn compare_scores(
    py: Python<'_>,
    variants: Vec<String>,
    cases: Vec<String>,
    groups: Vec<Option<String>>,
    values: &[u8],
    metric: String,
    direction: &str,
    baseline: Option<String>,
    confidence: f64,
    correction: &str,
    draws: usize,
    seed: u64,
) -> Result<(String, String)> {
    let direction = Direction::parse(direction)
        .ok_or_else(|| invalid(format!("direction is 'max' or 'min', not {direction:?}")))?;
    let correction = parse_correction(correction)?;
    let settings =
        Settings { baseline, confidence, correction, draws, seed, ..Settings::default() };
    let cells = variants.len() * cases.len();
    let repeats = (values.len() / size_of::<f64>()).checked_div(cells).unwrap_or(0);
    let (chunks, _) = values.as_chunks::<{ size_of::<f64>() }>();
    let numbers: Vec<f64> = chunks.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect();
    py.detach(|| {
        let measured = |(place, value): (usize, &f64)| {
            let cell = place / repeats;
            value.is_finite().then(|| Measured {
                variant: cell / cases.len(),
                case: cell % cases.len(),
                repeat: u32::try_from(place % repeats).unwrap_or(u32::MAX),
                ended: Ended::Succeeded,
                duration_s: None,
                tokens: None,
                cost: None,
                scores: vec![(0, *value)],
            })
        };
        let executions = numbers.iter().enumerate().filter_map(measured).collect();
        let source = metric.clone();
        let table = Table {
            variants: variants
                .into_iter()
                .map(|name| VariantInfo { name, factors: Vec::new() })
                .collect(),
            cases: cases
                .iter()
                .cloned()
                .zip(groups)
                .map(|(id, group)| CaseInfo { id, group })
                .collect(),
            metrics: vec![MetricInfo { name: metric, direction, source, origins: Vec::new() }],
            executions,
            notes: Vec::new(),
        };
        written(&compare(&table, &settings))
    })
}

#[pyfunction]
pub(crate) fn wilson(successes: f64, n: f64, confidence: f64) -> (f64, f64) {
    evaluation::wilson(successes, n, confidence)
}

#[pyfunction]
pub(crate) fn tango(gained: f64, lost: f64, n: f64, confidence: f64) -> (f64, f64) {
    evaluation::tango(gained, lost, n, confidence)
}

#[pyfunction]
pub(crate) fn mcnemar(gained: u64, lost: u64) -> f64 {
    paired::mcnemar(gained, lost)
}

#[pyfunction]
pub(crate) fn sign_flip(py: Python<'_>, differences: Vec<f64>, seed: u64) -> (f64, &'static str) {
    let (p, how) = py.detach(|| paired::sign_flip(&differences, seed));
    (p, how.as_str())
}

#[pyfunction]
pub(crate) fn wilcoxon(py: Python<'_>, differences: Vec<f64>) -> f64 {
    py.detach(|| paired::wilcoxon(&differences))
}

#[pyfunction]
pub(crate) fn adjust(p_values: Vec<f64>, correction: &str) -> Result<Vec<f64>> {
    Ok(parse_correction(correction)?.adjust(&p_values))
}

#[pyfunction]
pub(crate) fn pass_at(n: u32, passed: u32, k: u32) -> f64 {
    evaluation::pass_at(n, passed, k)
}

#[pyfunction]
pub(crate) fn pass_all(n: u32, passed: u32, k: u32) -> f64 {
    evaluation::pass_all(n, passed, k)
}

#[pyfunction]
pub(crate) fn paired_power(effect: f64, deviation: f64, cases: usize, confidence: f64) -> f64 {
    power::power(effect, deviation, cases, confidence)
}

#[pyfunction]
pub(crate) fn detectable_effect(
    deviation: f64,
    cases: usize,
    confidence: f64,
    wanted: f64,
) -> Option<f64> {
    power::detectable_effect(deviation, cases, confidence, wanted)
}

#[pyfunction]
pub(crate) fn cases_needed(
    effect: f64,
    deviation: f64,
    confidence: f64,
    wanted: f64,
) -> Option<usize> {
    power::units_needed(effect, deviation, confidence, wanted)
}

/// Adds the functions to the extension module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(compare_scores, module)?)?;
    module.add_function(wrap_pyfunction!(wilson, module)?)?;
    module.add_function(wrap_pyfunction!(tango, module)?)?;
    module.add_function(wrap_pyfunction!(mcnemar, module)?)?;
    module.add_function(wrap_pyfunction!(sign_flip, module)?)?;
    module.add_function(wrap_pyfunction!(wilcoxon, module)?)?;
    module.add_function(wrap_pyfunction!(adjust, module)?)?;
    module.add_function(wrap_pyfunction!(pass_at, module)?)?;
    module.add_function(wrap_pyfunction!(pass_all, module)?)?;
    module.add_function(wrap_pyfunction!(paired_power, module)?)?;
    module.add_function(wrap_pyfunction!(detectable_effect, module)?)?;
    module.add_function(wrap_pyfunction!(cases_needed, module)?)?;
    module.add_function(wrap_pyfunction!(edit_distance, module)?)
}

/// The Levenshtein distance over characters.
#[pyfunction]
pub(crate) fn edit_distance(py: Python<'_>, a: &str, b: &str) -> usize {
    py.detach(|| strsim::levenshtein(a, b))
}
