//! `wtb show`: a batch from the store alone, an execution with the help of Python.

use serde_json::{Value, json};
use wtb_engine::comparison::Comparison;
use wtb_engine::{CompareRequest, compare_batches};
use wtb_model::{BatchId, ExecutionId, ExecutionRecord, ExecutionStatus};
use wtb_store::Store;

use super::{LATEST, check_metric, find_batch, find_execution};
use crate::error::CliError;
use crate::request::OutputOptions;
use crate::standing::Standing;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::view::attempt::Printed;
use crate::view::batch::Viewer;
use crate::view::failure::{self, FailureText};
use crate::view::page::{Page, PageText};
use crate::view::value::{Decoded, Question, short_question};
use crate::view::{comparison, short_batch, short_execution};

/// What an id names.
pub(crate) enum Target {
    Batch(BatchId),
    Execution(ExecutionId),
}

/// Finds what an id or prefix names, by its first letters where it has them.
pub(crate) fn find(store: &dyn Store, text: &str) -> Result<Target, CliError> {
    if text.starts_with(ExecutionId::PREFIX) {
        return find_execution(store, text).map(Target::Execution);
    }
    if text.starts_with(BatchId::PREFIX) || text == LATEST {
        return find_batch(store, text).map(Target::Batch);
    }
    match (store.find_batch(text), store.find_execution(text)) {
        (Ok(batch), Ok(execution)) => {
            Err(CliError::usage(format!("`{text}` fits {batch} and {execution}"))
                .hint("begin the id with `b_` or `e_`"))
        }
        (Ok(batch), _) => Ok(Target::Batch(batch)),
        (_, Ok(execution)) => Ok(Target::Execution(execution)),
        (Err(error), _) => Err(CliError::from(error)
            .hint("ids of batches begin with `b_`, those of executions with `e_`")),
    }
}

/// Everything that `show` and `run --json` say about a batch.
pub(crate) fn batch_json(
    store: &dyn Store,
    id: &BatchId,
    compared: &Comparison,
    surroundings: &Surroundings<'_>,
) -> Result<Value, CliError> {
    let summary = store.batch(id)?;
    let failures: Value = failure::of_batch(store, id)?.iter().map(failure::json).collect();
    Ok(json!({
        "batch": Viewer::new(store, surroundings.now).json(&summary),
        "comparison": compared,
        "failures": failures,
    }))
}

/// Prints a batch: head, comparison, failures, and what can be done next. `asked` is the metric that
/// the command line itself names.
pub(crate) fn batch(
    store: &dyn Store,
    id: &BatchId,
    asked: Option<&str>,
    output: &OutputOptions,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let metric = asked.map(str::to_owned).or_else(|| output.metric.clone());
    let request = CompareRequest { metric, ..CompareRequest::default() };
    let compared = compare_batches(store, std::slice::from_ref(id), &request)?;
    check_metric(asked, &compared)?;
    if output.json {
        return terminal.json(&batch_json(store, id, &compared, surroundings)?);
    }
    let viewer = Viewer::new(store, surroundings.now);
    let summary = store.batch(id)?;
    let (width, style) = (terminal.width(), terminal.style());
    let mut text = viewer.head(&summary, &surroundings.time_zone, style);
    text.push('\n');
    text.push_str(&comparison::render(&compared, width, style));
    let failures = failure::of_batch(store, id)?;
    if !failures.is_empty() {
        let how = FailureText { verbose: output.verbose, width, style };
        text.push('\n');
        text.push_str(&failure::render(store, &failures, how));
    }
    terminal.data(&text)?;
    let short = short_batch(store, id);
    let mut hints = String::from("\n");
    if viewer.is_stopped(&summary.batch) {
        let resume = terminal.advise(&format!("resume {short}"));
        hints.push_str(&format!("hint: {resume} takes the batch up again\n"));
    }
    if let Some(first) = failures.first() {
        let first = short_execution(store, &first.id);
        let show = terminal.advise(&format!("show {first}"));
        hints.push_str(&format!("hint: {show} shows a failure in full\n"));
    } else {
        let list = terminal.advise(&format!("list executions --filter batch={short}"));
        hints.push_str(&format!("hint: {list} lists its executions\n"));
    }
    terminal.talk(&hints);
    Ok(())
}

/// Prints an execution with the values that Python decoded; how it stands is said, too, where it was
/// gone on with.
pub(crate) fn execution(
    store: &dyn Store,
    id: &ExecutionId,
    decoded: &Value,
    output: &OutputOptions,
    judged: Option<Standing>,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let decoded: Decoded = serde_json::from_value(decoded.clone()).map_err(|error| {
        CliError::internal("the decoded values are not as expected").caused_by(error.to_string())
    })?;
    let record = store.execution(id)?;
    let detail = store.detail(id)?;
    let case = match record.batch.as_ref().or(record.origin.as_ref()) {
        Some(batch) => store.cases(batch)?.into_iter().find(|case| case.id == record.case_id),
        None => None,
    };
    let printed = Printed::load(store, &detail, output.json || output.verbose)?;
    let page = Page {
        execution: &record,
        detail: &detail,
        case_input: case.as_ref().map(|case| &case.input),
        expected: case.as_ref().and_then(|case| case.expected.as_ref()),
        decoded: &decoded,
        printed: &printed,
    };
    if output.json {
        let mut document = page.json();
        if let Some(standing) = judged {
            document["verdict"] = standing.word().into();
            document["message"] = standing.sentence().into();
            document["exit_code"] = standing.exit_code().into();
        }
        return terminal.json(&document);
    }
    let how = PageText {
        now: surroundings.now,
        zone: &surroundings.time_zone,
        width: terminal.width(),
        style: terminal.style(),
        verbose: output.verbose,
    };
    terminal.data(&page.render(store, &how))?;
    if let Some(standing) = judged {
        terminal.talk(&format!("\n{}\n", standing.sentence()));
    }
    advise(store, &record, &decoded.interrupts.unwrap_or_default(), terminal);
    Ok(())
}

/// Says what can be done next with an execution that has checkpoints.
fn advise(
    store: &dyn Store,
    record: &ExecutionRecord,
    questions: &[Question],
    terminal: &mut Terminal<'_>,
) {
    if record.lineages == 0 {
        return;
    }
    let id = short_execution(store, &record.id);
    terminal.talk("\n");
    let mut hint = |words: &str, what: &str| {
        let command = terminal.advise(words);
        terminal.talk(&format!("hint: {command} {what}\n"));
    };
    match (record.status, questions) {
        (ExecutionStatus::Interrupted, [_, _, ..]) => {
            let each = questions.iter().map(|one| short_question(&one.id));
            let answers: String = each.map(|id| format!(" --answer {id}=ANSWER")).collect();
            hint(&format!("resume {id}{answers}"), "answers its questions");
        }
        (ExecutionStatus::Interrupted, _) => {
            hint(&format!("resume {id} --answer ANSWER"), "answers its question");
        }
        (ExecutionStatus::Succeeded | ExecutionStatus::Queued | ExecutionStatus::Running, _) => {}
        _ => hint(&format!("resume {id}"), "goes on from where it stands"),
    }
    hint(&format!("checkpoints {id}"), "shows its history");
}
