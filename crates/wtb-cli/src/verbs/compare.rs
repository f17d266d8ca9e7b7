//! `wtb compare`: the variants of one batch or of several.

use wtb_engine::comparison::Comparison;
use wtb_engine::{CompareRequest, compare_batches};
use wtb_store::Store;

use super::{check_metric, find_batch};
use crate::arguments::{CompareArgs, CorrectionChoice};
use crate::error::CliError;
use crate::near::suggestion;
use crate::terminal::Terminal;
use crate::view::comparison;

/// Prints the comparison. `metric` is the settled one.
pub(crate) fn compare(
    args: &CompareArgs,
    metric: Option<String>,
    json: bool,
    store: &dyn Store,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let mut batches = Vec::new();
    for text in &args.ids {
        let id = find_batch(store, text)?;
        if batches.contains(&id) {
            return Err(CliError::usage(format!("batch {id} is named twice")));
        }
        batches.push(id);
    }
    let baseline = args.baseline.clone();
    let correction = args.correction.map(CorrectionChoice::correction).unwrap_or_default();
    let request = CompareRequest { metric, baseline, correction, ..CompareRequest::default() };
    let request = args.how.fill(request);
    let compared = compare_batches(store, &batches, &request)?;
    check_metric(args.metric.as_deref(), &compared)?;
    if let Some(asked) = &args.baseline
        && compared.baseline.is_none()
    {
        let names: Vec<_> = compared.variants.iter().map(|line| line.name.as_str()).collect();
        return Err(CliError::usage(format!("no variant is called `{asked}`"))
            .hint(suggestion(asked, &names)));
    }
    print(&compared, json, terminal)
}

/// Prints a comparison as a table or as JSON.
pub(super) fn print(
    compared: &Comparison,
    json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    if json {
        let document = serde_json::to_value(compared)
            .map_err(|error| CliError::internal(format!("cannot write JSON: {error}")))?;
        return terminal.json(&document);
    }
    let (width, style) = (terminal.width(), terminal.style());
    terminal.data(&comparison::render(compared, width, style))
}
