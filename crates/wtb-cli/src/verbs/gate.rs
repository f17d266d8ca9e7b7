//! `wtb gate` and `wtb plan`: what a batch is judged to be, and what could be judged.

use std::sync::Arc;

use wtb_engine::comparison::{Assumed, Outcome, Question, outlook};
use wtb_engine::{Baseline, Bundle, CompareRequest, GateRequest, assumed_from, gate_batch};
use wtb_model::BatchId;
use wtb_store::Store;

use super::find_batch;
use crate::arguments::{GateArgs, Inconclusive, PlanArgs};
use crate::error::CliError;
use crate::exit;
use crate::near::suggestion;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::view::{gate as view, outlook as outlook_view};

/// As often as the margin is the loss that a gate ought to find, unless it is said.
const DROP_MARGINS: f64 = 3.0;

/// Judges a batch, prints the verdict and returns the exit code. `metric` is the settled one.
pub(crate) fn gate(
    args: &GateArgs,
    metric: Option<String>,
    json: bool,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<i32, CliError> {
    let batch = find_batch(store, &args.id)?;
    let baseline = find_baseline(store, &batch, &args.baseline, surroundings)?;
    let request = GateRequest {
        batch,
        variant: args.variant.clone(),
        baseline,
        baseline_variant: args.baseline_variant.clone(),
        max_regression: args.max_regression,
        compare: args.how.fill(CompareRequest { metric, ..CompareRequest::default() }),
    };
    let verdict = gate_batch(store, &request)?;
    let code = exit_code(verdict.outcome, args.inconclusive);
    if json {
        let mut document = serde_json::to_value(&verdict)
            .map_err(|error| CliError::internal(format!("cannot write JSON: {error}")))?;
        document["exit_code"] = code.into();
        terminal.json(&document)?;
    } else if args.markdown {
        terminal.data(&view::markdown(&verdict))?;
    } else {
        let (width, style) = (terminal.width(), terminal.style());
        terminal.data(&view::render(&verdict, width, style))?;
    }
    Ok(code)
}

const fn exit_code(outcome: Outcome, inconclusive: Inconclusive) -> i32 {
    match (outcome, inconclusive) {
        (Outcome::Pass, _) | (Outcome::Inconclusive, Inconclusive::Pass) => exit::DONE,
        (Outcome::Regression, _) => exit::REGRESSION,
        (Outcome::Inconclusive, Inconclusive::Fail) => exit::INCONCLUSIVE,
    }
}

/// Finds what a batch is measured against: a variant of it, else a file, else another batch.
fn find_baseline(
    store: &dyn Store,
    batch: &BatchId,
    text: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Baseline, CliError> {
    let variants = store.variants(batch)?;
    if variants.iter().any(|variant| variant.name == text) {
        return Ok(Baseline::Variant(text.to_owned()));
    }
    let path = surroundings.directory.join(text);
    if path.is_file() {
        let bytes = std::fs::read(&path)
            .map_err(|error| CliError::usage(format!("cannot read `{text}`: {error}")))?;
        let bundle = Bundle::from_bytes(&bytes).map_err(|error| {
            CliError::usage(format!("`{text}` cannot be the baseline: {error}"))
        })?;
        return Ok(Baseline::Bundle(Box::new(bundle)));
    }
    match store.find_batch(text) {
        Ok(found) if found == *batch => {
            Err(CliError::usage(format!("batch {found} cannot be measured against itself")))
        }
        Ok(found) => Ok(Baseline::Batch(found)),
        Err(_) => {
            let names: Vec<_> = variants.iter().map(|variant| variant.name.as_str()).collect();
            let message = format!("`{text}` is no variant of {batch}, no file and no batch");
            Err(CliError::usage(message).hint(suggestion(text, &names)))
        }
    }
}

/// Prints the chances of a gate.
pub(crate) fn plan(
    args: &PlanArgs,
    json: bool,
    store: impl FnOnce() -> Result<Arc<dyn Store>, CliError>,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let assumed = match (&args.id, args.discordant, args.deviation) {
        (Some(id), ..) => learned(args, id, store()?.as_ref(), surroundings)?,
        (None, Some(share), _) => Assumed::Discordant(share),
        (None, None, Some(deviation)) => stated(deviation, args.noise)?,
        (None, None, None) => {
            return Err(CliError::usage("a plan needs a past batch, or how much results differ")
                .hint("`wtb plan latest --baseline VARIANT`, or `wtb plan --discordant 0.15`"));
        }
    };
    if args.repeats.iter().any(|repeats| *repeats > 1) && !assumed.knows_repeats() {
        return Err(CliError::usage("what repeats would do is not known")
            .hint("plan from a batch with repeats, or give `--deviation` and `--noise`"));
    }
    let question = Question {
        max_regression: args.max_regression,
        drop: drop_of(args, assumed)?,
        confidence: args.confidence,
    };
    let cases: Vec<usize> = args.cases.iter().map(|cases| *cases as usize).collect();
    let found = outlook(assumed, question, &cases, &args.repeats);
    if json {
        let document = serde_json::to_value(&found)
            .map_err(|error| CliError::internal(format!("cannot write JSON: {error}")))?;
        return terminal.json(&document);
    }
    let (width, style) = (terminal.width(), terminal.style());
    terminal.data(&outlook_view::render(&found, width, style))
}

/// The loss that the gate ought to find. Where cases are won and lost as a whole, no more can be lost than differ.
fn drop_of(args: &PlanArgs, assumed: Assumed) -> Result<f64, CliError> {
    let largest = if let Assumed::Discordant(share) = assumed { share } else { f64::INFINITY };
    match args.drop {
        Some(drop) if drop > largest => {
            let text =
                format!("a loss of {drop} cannot be: only a share of {largest} cases differs");
            Err(CliError::usage(text).hint("give a smaller `--drop`, or a larger `--discordant`"))
        }
        Some(drop) => Ok(drop),
        None => Ok(rounded(DROP_MARGINS * args.max_regression).min(largest)),
    }
}

/// Takes away what multiplying leaves behind the decimals that were given.
fn rounded(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

fn learned(
    args: &PlanArgs,
    id: &str,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
) -> Result<Assumed, CliError> {
    let batch = find_batch(store, id)?;
    let text = args.baseline.as_deref().unwrap_or_default();
    let baseline = find_baseline(store, &batch, text, surroundings)?;
    let request = GateRequest {
        batch,
        variant: args.variant.clone(),
        baseline,
        baseline_variant: args.baseline_variant.clone(),
        max_regression: args.max_regression,
        compare: CompareRequest { metric: args.metric.clone(), ..CompareRequest::default() },
    };
    Ok(assumed_from(store, &request)?)
}

/// The deviation between cases is what is left when the noise is taken away.
fn stated(deviation: f64, noise: Option<f64>) -> Result<Assumed, CliError> {
    let between = deviation.powi(2) - noise.unwrap_or(0.0).powi(2);
    if between < 0.0 {
        return Err(CliError::usage("the noise is a part of the deviation and cannot be larger"));
    }
    Ok(Assumed::Deviations { between: between.sqrt(), within: noise })
}
