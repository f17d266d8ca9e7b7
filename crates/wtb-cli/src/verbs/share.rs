//! `wtb report` and `wtb export`: what is asked of Python.

use std::path::{Path, PathBuf};

use super::find_batch;
use crate::arguments::{ExportArgs, ReportArgs};
use crate::error::CliError;
use crate::request::{Destination, ExportRequest, OutputOptions, ReportRequest, Request};
use crate::store_url;
use crate::surroundings::Surroundings;

/// The format of a bundle, as Python knows it.
const BUNDLE: &str = "bundle";

/// Asks for a report.
pub(crate) fn report(
    args: ReportArgs,
    store: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Request, CliError> {
    let batch = find_batch(store_url::open(&store)?.as_ref(), &args.id)?;
    let ReportArgs { output: path, baseline, metric, title, .. } = args;
    let path = absolute(&path, surroundings);
    let metric = metric.or_else(|| output.metric.clone());
    let request = ReportRequest { store, batch, path, baseline, metric, title, output };
    Ok(Request::Report(Box::new(request)))
}

/// Asks for an export.
pub(crate) fn export(
    args: ExportArgs,
    store: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Request, CliError> {
    let batch = find_batch(store_url::open(&store)?.as_ref(), &args.id)?;
    let format = args.format.map(|format| format.as_str().to_owned());
    let outputs = args.output.iter().map(|path| (path, format.clone()));
    let bundles = args.bundle.iter().map(|path| (path, Some(BUNDLE.to_owned())));
    let destinations = outputs
        .chain(bundles)
        .map(|(path, format)| Destination { path: absolute(path, surroundings), format })
        .collect();
    let ExportArgs { what, baseline, metric, .. } = args;
    let metric = metric.or_else(|| output.metric.clone());
    let request = ExportRequest { store, batch, destinations, what, baseline, metric, output };
    Ok(Request::Export(Box::new(request)))
}

fn absolute(path: &Path, surroundings: &Surroundings<'_>) -> PathBuf {
    surroundings.directory.join(path)
}
