//! `wtb score`: what is asked of Python, and what is printed when it is done.

use wtb_engine::{CompareRequest, compare_batches};
use wtb_model::BatchId;
use wtb_store::Store;

use super::{check_metric, compare, find_batch};
use crate::arguments::ScoreArgs;
use crate::bench_file::{self, Location};
use crate::error::CliError;
use crate::request::{OutputOptions, Request, ScoreRequest};
use crate::store_url;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// Asks for scores.
pub(crate) fn score(
    args: ScoreArgs,
    store: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Request, CliError> {
    let batch = find_batch(store_url::open(&store)?.as_ref(), &args.id)?;
    let (mut directory, mut evaluators) = (surroundings.directory.clone(), None);
    if let Some(bench) = args.bench {
        let (shown, path) = (bench.display().to_string(), surroundings.directory.join(&bench));
        let location = Location { shown, path };
        evaluators = Some(bench_file::load(&location)?.evaluators);
        location.directory().clone_into(&mut directory);
    }
    if evaluators.as_ref().is_some_and(Vec::is_empty) {
        return Err(CliError::usage("the bench file names no evaluators"));
    }
    let output = OutputOptions { metric: args.metric.or(output.metric), ..output };
    Ok(Request::Score(Box::new(ScoreRequest { store, batch, directory, evaluators, output })))
}

/// Prints the comparison by the new scores.
pub(crate) fn show(
    store: &dyn Store,
    batch: &BatchId,
    output: &OutputOptions,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let request = CompareRequest { metric: output.metric.clone(), ..CompareRequest::default() };
    let compared = compare_batches(store, std::slice::from_ref(batch), &request)?;
    check_metric(output.metric.as_deref(), &compared)?;
    compare::print(&compared, output.json, terminal)
}
