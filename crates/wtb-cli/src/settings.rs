//! Settling: flag over environment variable over bench file over default, once and in one place.

use std::path::{Path, PathBuf};

use serde_json::{Number, Value, json};

use crate::arguments::{GlobalArgs, OutcomeArgs, RunArgs};
use crate::bench_file::{self, BenchFile, CHECKPOINTS, Location, RUNNERS, VariantEntry};
use crate::display::ProgressMode;
use crate::error::{CliError, ErrorKind};
use crate::near::suggestion;
use crate::request::{Cases, OutputOptions, RunRequest, Selection};
use crate::store_url;
use crate::surroundings::Surroundings;
use crate::text::parse_duration;

/// When to give up: a count or a share of errors, as a number of the fitting kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FailFastArg(Value);

/// Reads `3` as a count and `0.2` as a share.
pub(crate) fn parse_fail_fast(text: &str) -> Result<FailFastArg, String> {
    if let Ok(count) = text.parse::<u32>()
        && count > 0
    {
        return Ok(FailFastArg(json!(count)));
    }
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share
        .and_then(Number::from_f64)
        .map(|share| FailFastArg(Value::Number(share)))
        .ok_or_else(|| format!("`{text}` is neither a count of errors nor a share below 1.0"))
}

/// Reads environment variables as settings.
struct Variables<'a>(&'a Surroundings<'a>);

impl Variables<'_> {
    /// The flag's value, else the variable's.
    fn or<T>(
        &self,
        flag: Option<T>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, CliError> {
        if flag.is_some() {
            return Ok(flag);
        }
        let Some(text) = self.0.variable(name) else {
            return Ok(None);
        };
        parse(&text).map(Some).map_err(|reason| {
            CliError::usage(format!("the variable `{name}` cannot be used: {reason}"))
        })
    }
}

fn whole<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number that fits"))
}

fn at_least_one(text: &str) -> Result<u32, String> {
    match whole(text)? {
        0 => Err("it must be at least 1".to_owned()),
        number => Ok(number),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    whole::<u32>(text).map(u64::from)
}

fn one_of<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true).map_err(|_| {
        let values: Vec<_> = T::value_variants().iter().filter_map(T::to_possible_value).collect();
        let names: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        format!("`{text}` is unknown; {}", suggestion(text, &names))
    })
}

/// Returns a reader of one of a few words.
fn among(words: &'static [&'static str]) -> impl FnOnce(&str) -> Result<String, String> {
    move |text| {
        if words.contains(&text) {
            return Ok(text.to_owned());
        }
        Err(format!("`{text}` is unknown; {}", suggestion(text, words)))
    }
}

/// Settles when to use colour.
pub(crate) fn color(
    global: &GlobalArgs,
    surroundings: &Surroundings<'_>,
) -> Result<crate::ColorChoice, CliError> {
    let color = Variables(surroundings).or(global.color, "WTB_COLOR", one_of)?;
    Ok(color.unwrap_or_default())
}

/// Settles how a verb that reads the store prints.
pub(crate) fn reading(
    global: &GlobalArgs,
    surroundings: &Surroundings<'_>,
) -> Result<OutputOptions, CliError> {
    Ok(OutputOptions {
        store_flag: global.store.clone(),
        json: global.json,
        progress: ProgressMode::None,
        color: color(global, surroundings)?,
        no_color: surroundings.variable("NO_COLOR").is_some(),
        quiet: global.quiet,
        verbose: global.verbose,
        max_failures: 0,
        metric: surroundings.variable("WTB_METRIC"),
    })
}

/// Settles how a verb that runs executions prints and concludes.
pub(crate) fn output(
    global: &GlobalArgs,
    outcome: &OutcomeArgs,
    surroundings: &Surroundings<'_>,
) -> Result<OutputOptions, CliError> {
    let variables = Variables(surroundings);
    let base = reading(global, surroundings)?;
    let max_failures = variables.or(outcome.max_failures, "WTB_MAX_FAILURES", whole)?;
    Ok(OutputOptions {
        progress: variables.or(outcome.progress, "WTB_PROGRESS", one_of)?.unwrap_or_default(),
        max_failures: max_failures.unwrap_or(0),
        metric: outcome.metric.clone().or(base.metric.clone()),
        ..base
    })
}

/// Settles everything that `wtb run` needs.
pub(crate) fn run_request(
    args: RunArgs,
    global: &GlobalArgs,
    surroundings: &Surroundings<'_>,
) -> Result<RunRequest, CliError> {
    let location = Location {
        shown: args.bench.display().to_string(),
        path: surroundings.directory.join(&args.bench),
    };
    let file = bench_file::load(&location)?;
    let variables = Variables(surroundings);
    let output = output(global, &args.outcome, surroundings)?;
    let directory = location.directory().to_path_buf();
    let from_file = file.store.as_deref().map(|store| (store, directory.as_path()));
    let repeats = variables.or(args.repeats, "WTB_REPEATS", at_least_one)?;
    let max_workers = variables.or(args.max_workers, "WTB_MAX_WORKERS", at_least_one)?;
    let fail_fast = variables.or(args.fail_fast, "WTB_FAIL_FAST", parse_fail_fast)?;
    let limit = variables.or(args.limit, "WTB_LIMIT", whole)?.or(file.limit);
    if limit == Some(0) {
        let text = "nothing is selected: the limit of cases is 0";
        return Err(CliError::new(ErrorKind::NothingSelected, text));
    }
    let object_store =
        variables.or(args.object_store, "WTB_OBJECT_STORE", |text| Ok(text.into()))?;
    // Addresses are refused by Python, as they were written.
    let place = |base: &Path, path: PathBuf| {
        if path.to_string_lossy().contains("://") { path } else { base.join(path) }
    };
    let object_store = object_store.map(|path| place(&surroundings.directory, path));
    Ok(RunRequest {
        object_store: object_store
            .or_else(|| file.object_store.clone().map(|path| place(&directory, path))),
        store: store_url::locate(global.store.as_deref(), from_file, surroundings),
        name: args.name.or_else(|| file.name.clone()).unwrap_or_else(|| called_after(&directory)),
        cases: cases(&file)?,
        variants: variants(&file),
        metric: output.metric.clone().or(file.metric),
        repeats: repeats.or(file.repeats).unwrap_or(1),
        until_settled: args.until_settled,
        runner: variables
            .or(args.runner, "WTB_RUNNER", among(RUNNERS))?
            .or(file.runner)
            .unwrap_or_else(|| "thread".to_owned()),
        process: file.process,
        ray: file.ray,
        max_workers: max_workers.or(file.max_workers),
        timeout: variables.or(args.timeout, "WTB_TIMEOUT", parse_duration)?.or(file.timeout),
        retries: variables.or(args.retries, "WTB_RETRIES", whole)?.or(file.retries).unwrap_or(0),
        seed: variables.or(args.seed, "WTB_SEED", seed)?.or(file.seed).unwrap_or(0),
        fail_fast: fail_fast.map(|given| given.0).or(file.fail_fast),
        error: file.error.unwrap_or_else(|| "zero".to_owned()),
        window: file.window,
        checkpoints: variables
            .or(args.checkpoints, "WTB_CHECKPOINTS", among(CHECKPOINTS))?
            .or(file.checkpoints)
            .unwrap_or_else(|| "step".to_owned()),
        breakpoints: file.breakpoints,
        on_interrupt: file.on_interrupt,
        workspace: file.workspace.map(|workspace| workspace.at(&directory)).unwrap_or_default(),
        select: Selection { variants: args.variants, cases: args.cases, limit },
        file: location.path,
        directory,
        workflow: file.workflow,
        grid: file.grid,
        evaluators: file.evaluators,
        output,
    })
}

fn called_after(directory: &Path) -> String {
    directory.file_name().map_or_else(|| "bench".to_owned(), |name| name.display().to_string())
}

/// What is written out; the baseline alone where the file names no variants in any way.
fn variants(file: &BenchFile) -> Vec<VariantEntry> {
    if file.variants.is_empty() && file.grid.is_none() {
        let name = Some("baseline".to_owned());
        return vec![VariantEntry { name, ..VariantEntry::default() }];
    }
    file.variants.clone()
}

/// The reader gives a table with `file` or `reference`, or a list.
fn cases(file: &BenchFile) -> Result<Cases, CliError> {
    match &file.cases {
        Value::Array(cases) => Ok(Cases::Inline(cases.clone())),
        source => match (source["file"].as_str(), source["reference"].as_str()) {
            (Some(path), _) => Ok(Cases::File(path.into())),
            (None, Some(reference)) => Ok(Cases::Reference(reference.to_owned())),
            (None, None) => Err(CliError::internal(format!("`cases` was read as {source}"))),
        },
    }
}
