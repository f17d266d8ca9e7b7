//! `wtb checkpoints`, `rollback`, `fork`, `diff`, `files` and `restore`: what is asked of Python.

use serde_json::{Map, Value};
use wtb_model::ExecutionId;

use super::find_execution;
use crate::arguments::{
    CheckpointsArgs, DiffArgs, FilesArgs, ForkArgs, OccurrenceArgs, PlaceArgs, RestoreArgs,
    RollbackArgs,
};
use crate::error::CliError;
use crate::request::{
    CheckpointsRequest, DiffRequest, FilesRequest, ForkRequest, OutputOptions, Place, Request,
    RestoreRequest, RollbackRequest,
};
use crate::store_url;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// Names what an execution found at first.
const START: &str = "start";

/// Which of several places is meant where nobody says: the latest.
const LATEST_OCCURRENCE: i32 = -1;

/// Asks for the checkpoints of an execution.
pub(crate) fn checkpoints(
    args: &CheckpointsArgs,
    store: String,
    output: OutputOptions,
) -> Result<Request, CliError> {
    let [execution] = find(&store, [args.id.as_str()])?;
    let (all, values) = (args.all, args.values);
    Ok(Request::Checkpoints(CheckpointsRequest { store, execution, all, values, output }))
}

/// Asks to put an execution back.
pub(crate) fn rollback(
    args: RollbackArgs,
    store: String,
    output: OutputOptions,
    terminal: &Terminal<'_>,
) -> Result<Request, CliError> {
    let place = place(args.place, &args.occurrence);
    if place.at.is_none() && place.before.is_none() && place.after.is_none() {
        let history = terminal.advise(&format!("checkpoints {}", args.id));
        let text = "name a place: `--at CHECKPOINT`, `--before NODE` or `--after NODE`";
        return Err(CliError::usage(text).hint(format!("{history} shows what there is")));
    }
    let [execution] = find(&store, [args.id.as_str()])?;
    Ok(Request::Rollback(RollbackRequest { store, execution, place, output }))
}

/// Asks for a fork.
pub(crate) fn fork(
    args: ForkArgs,
    store: String,
    output: OutputOptions,
) -> Result<Request, CliError> {
    let nodes = distinct("--variant", args.nodes, Value::from)?;
    let config = distinct("--config", args.config, |value| value)?;
    let [execution] = find(&store, [args.id.as_str()])?;
    Ok(Request::Fork(Box::new(ForkRequest {
        store,
        execution,
        place: place(args.place, &args.occurrence),
        update: args.update,
        as_node: args.as_node,
        nodes,
        config,
        resume: args.resume,
        output,
    })))
}

/// Asks for the difference of two executions.
pub(crate) fn diff(
    args: &DiffArgs,
    store: String,
    output: OutputOptions,
) -> Result<Request, CliError> {
    let [a, b] = find(&store, [args.a.as_str(), args.b.as_str()])?;
    if a == b {
        return Err(CliError::usage(format!("`{}` and `{}` are both {a}", args.a, args.b)));
    }
    Ok(Request::Diff(DiffRequest { store, a, b, output }))
}

/// Asks for the files of an execution.
pub(crate) fn files(
    args: FilesArgs,
    store: String,
    output: OutputOptions,
) -> Result<Request, CliError> {
    let [execution] = find(&store, [args.id.as_str()])?;
    let since = args.since.or_else(|| args.changes.then(|| START.to_owned()));
    Ok(Request::Files(FilesRequest { store, execution, at: args.at, since, output }))
}

/// Asks to write the files of an execution into a directory.
pub(crate) fn restore(
    args: RestoreArgs,
    store: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
) -> Result<Request, CliError> {
    let [execution] = find(&store, [args.id.as_str()])?;
    let RestoreArgs { directory, at, force, .. } = args;
    let directory = surroundings.directory.join(directory);
    Ok(Request::Restore(RestoreRequest { store, execution, directory, at, force, output }))
}

/// Finds executions, by the ids that people know.
fn find<const N: usize>(store: &str, texts: [&str; N]) -> Result<[ExecutionId; N], CliError> {
    let store = store_url::open(store)?;
    let found = texts.map(|text| find_execution(store.as_ref(), text));
    store.close()?;
    let mut ids = Vec::with_capacity(N);
    for id in found {
        ids.push(id?.known());
    }
    ids.try_into().map_err(|_| CliError::internal("as many executions are found as are looked for"))
}

fn place(place: PlaceArgs, occurrence: &OccurrenceArgs) -> Place {
    Place {
        at: place.at,
        before: place.before,
        after: place.after,
        occurrence: occurrence.occurrence.unwrap_or(LATEST_OCCURRENCE),
    }
}

/// Returns what a flag was given as a mapping; the same key twice is a mistake.
fn distinct<T>(
    flag: &str,
    entries: Vec<(String, T)>,
    value: impl Fn(T) -> Value,
) -> Result<Map<String, Value>, CliError> {
    let mut found = Map::new();
    for (key, given) in entries {
        if found.contains_key(&key) {
            return Err(CliError::usage(format!("`{flag}` is given twice for `{key}`")));
        }
        found.insert(key, value(given));
    }
    Ok(found)
}
