//! Comparisons and gates, by the handle on an open engine.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wtb_engine::{
    Baseline, Bundle, CompareRequest, EngineError, GateRequest, bundle_of, compare_batches,
    gate_batch,
};
use wtb_model::ErrorPolicy;

use super::{EngineRef, batch_id};
use crate::errors::{Failure, Result, invalid};
use crate::statistics::{parse_correction, written};

#[pymethods]
impl EngineRef {
    /// Compares the variants of batches; returns the comparison as JSON and as a table.
    fn compare(
        &self,
        py: Python<'_>,
        batches: Vec<String>,
        baseline: Option<String>,
        request: RequestTuple,
    ) -> Result<(String, String)> {
        let batches = batches.iter().map(|id| batch_id(id)).collect::<Result<Vec<_>>>()?;
        let request = CompareRequest { baseline, ..compare_request(request)? };
        let store = self.store()?;
        written(&py.detach(|| compare_batches(store.as_ref(), &batches, &request))?)
    }

    /// Judges a batch; returns the verdict as JSON, as text and as Markdown. One of the last three
    /// arguments says what the baseline is.
    #[pyo3(signature = (batch, variant, baseline_variant, max_regression, request, *, of_variant=None,
                        of_batch=None, of_bundle=None))]
    #[expect(clippy::too_many_arguments, reason = "one call of one Python function")]
    fn gate(
        &self,
        py: Python<'_>,
        batch: &str,
        variant: Option<String>,
        baseline_variant: Option<String>,
        max_regression: f64,
        request: RequestTuple,
        of_variant: Option<String>,
        of_batch: Option<&str>,
        of_bundle: Option<&[u8]>,
    ) -> Result<(String, String, String)> {
        let baseline = baseline(of_variant, of_batch, of_bundle)?;
        let request = GateRequest {
            batch: batch_id(batch)?,
            variant,
            baseline,
            baseline_variant,
            max_regression,
            compare: compare_request(request)?,
        };
        let store = self.store()?;
        let verdict = py.detach(|| gate_batch(store.as_ref(), &request))?;
        let json = serde_json::to_string(&verdict).map_err(|error| invalid(error.to_string()))?;
        let (text, markdown) = wtb_cli::render_verdict(&verdict);
        Ok((json, text, markdown))
    }

    /// Returns a batch's scores as the bytes of a file.
    fn bundle<'py>(&self, py: Python<'py>, batch: &str) -> Result<Bound<'py, PyBytes>> {
        let batch = batch_id(batch)?;
        let store = self.store()?;
        let bytes = py.detach(|| {
            let bundle = bundle_of(store.as_ref(), &batch)?;
            bundle.to_bytes().map_err(|error| EngineError::Invalid(error.to_string()))
        })?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// `(metric, objective, error, confidence, correction)`.
type RequestTuple = (Option<String>, Vec<(String, f64)>, Option<String>, Option<f64>, String);

fn compare_request(request: RequestTuple) -> Result<CompareRequest> {
    let (metric, objective, error, confidence, correction) = request;
    let error = error
        .map(|text| ErrorPolicy::parse(&text).ok_or_else(|| unknown_policy(&text)))
        .transpose()?;
    let correction = parse_correction(&correction)?;
    Ok(CompareRequest { metric, objective, error, confidence, correction, baseline: None })
}

fn baseline(
    variant: Option<String>,
    batch: Option<&str>,
    bundle: Option<&[u8]>,
) -> Result<Baseline> {
    match (variant, batch, bundle) {
        (Some(name), None, None) => Ok(Baseline::Variant(name)),
        (None, Some(id), None) => Ok(Baseline::Batch(batch_id(id)?)),
        (None, None, Some(bytes)) => {
            let bundle = Bundle::from_bytes(bytes).map_err(|error| invalid(error.to_string()))?;
            Ok(Baseline::Bundle(Box::new(bundle)))
        }
        _ => Err(invalid("a gate has one baseline")),
    }
}

fn unknown_policy(text: &str) -> Failure {
    invalid(format!("error is 'zero', 'exclude' or 'fail', not {text:?}"))
}
