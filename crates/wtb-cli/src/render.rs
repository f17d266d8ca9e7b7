//! What Python performed, printed: executions, histories, differences, errors. Each function returns
//! the exit code.

use serde::de::DeserializeOwned;
use serde_json::Value;
use wtb_model::ExecutionId;
use wtb_store::Store;

use crate::error::CliError;
use crate::exit;
use crate::request::{OutputOptions, Request};
use crate::standing::Standing;
use crate::surroundings::Surroundings;
use crate::terminal::{DEFAULT_WIDTH, Terminal};
use crate::text::Style;
use crate::verbs::{doctor, score, show};
use crate::view::{self, short_execution};

/// Prints an execution.
///
/// `decoded` is a JSON object with any of `input`, `expected`, `output`, `state`, `interrupts` (a list
/// of objects with `id` and `value`), `next` (the nodes that run next), and `nodes`: a list of objects
/// with `attempt`, `order` and any of `input`, `output`. Values that it lacks are shown by kind and
/// size.
pub fn render_execution(
    terminal: &mut Terminal<'_>,
    surroundings: &Surroundings<'_>,
    store: &dyn Store,
    execution: &ExecutionId,
    decoded: &Value,
    output: &OutputOptions,
) -> i32 {
    configure(terminal, output);
    match show::execution(store, execution, decoded, output, None, surroundings, terminal) {
        Ok(()) => exit::DONE,
        Err(error) => terminal.fail(&error),
    }
}

/// Prints an execution that was gone on with, as [`render_execution`] does, and how it stands. As
/// JSON, `verdict`, `message` and `exit_code` are added.
pub fn conclude_execution(
    terminal: &mut Terminal<'_>,
    surroundings: &Surroundings<'_>,
    store: &dyn Store,
    execution: &ExecutionId,
    decoded: &Value,
    output: &OutputOptions,
) -> i32 {
    configure(terminal, output);
    let concluded = store.execution(execution).map_err(CliError::from).and_then(|record| {
        let standing = Standing(record.status);
        let judged = Some(standing);
        show::execution(store, execution, decoded, output, judged, surroundings, terminal)?;
        Ok(standing.exit_code())
    });
    concluded.unwrap_or_else(|error| terminal.fail(&error))
}

/// Prints the document that a request for a history or a difference led to.
///
/// Which document that is, `python/wtb/_command_history.py` and `ExecutionDiff.to_dict` say.
pub fn render(
    terminal: &mut Terminal<'_>,
    store: &dyn Store,
    request: &Request,
    document: &Value,
) -> i32 {
    configure(terminal, request.output());
    match try_render(terminal, store, request, document) {
        Ok(()) => exit::DONE,
        Err(error) => terminal.fail(&error),
    }
}

fn try_render(
    terminal: &mut Terminal<'_>,
    store: &dyn Store,
    request: &Request,
    document: &Value,
) -> Result<(), CliError> {
    if let Request::Score(asked) = request {
        return score::show(store, &asked.batch, &asked.output, terminal);
    }
    if request.output().json {
        return terminal.json(document);
    }
    let (width, style) = (terminal.width(), terminal.style());
    match request {
        Request::Diff(_) => {
            terminal.data(&view::difference::render(&read(document)?, width, style))
        }
        Request::Files(_) => terminal.data(&view::files::render(&read(document)?, width, style)),
        Request::Restore(_) => terminal.data(&view::files::render_restored(&read(document)?)),
        Request::Report(_) | Request::Export(_) => {
            terminal.data(&view::files::render_written(&read(document)?))
        }
        Request::Checkpoints(asked) => {
            let history: view::history::History = read(document)?;
            let verbose = asked.output.verbose;
            terminal.data(&view::history::render(&history, verbose, width, style))?;
            advise_history(terminal, store, &history, asked.all);
            Ok(())
        }
        _ => {
            let standing: view::history::Standing = read(document)?;
            terminal.data(&view::history::render_standing(&standing, width, style))?;
            let id = shortened(store, &standing.whose.id);
            let resume = terminal.advise(&format!("resume {id}"));
            terminal.talk(&format!("\nhint: {resume} goes on from there\n"));
            Ok(())
        }
    }
}

fn advise_history(
    terminal: &mut Terminal<'_>,
    store: &dyn Store,
    history: &view::history::History,
    is_all: bool,
) {
    let id = shortened(store, &history.whose.id);
    let mut hints = String::from("\n");
    let mut hint = |words: &str, what: &str| {
        hints.push_str(&format!("hint: {} {what}\n", terminal.advise(words)));
    };
    if history.whose.lineages > 1 && !is_all {
        hint(&format!("checkpoints {id} --all"), "shows what it was rolled back from");
    }
    match history.whose.status.as_str() {
        "succeeded" => {}
        "interrupted" => hint(&format!("resume {id} --answer ANSWER"), "answers its question"),
        _ => hint(&format!("resume {id}"), "goes on from where it stands"),
    }
    hint(&format!("rollback {id} --at STEP"), "puts it back; `wtb fork` leaves it as it is");
    terminal.talk(&hints);
}

/// Returns the shortest text that names an execution.
fn shortened(store: &dyn Store, id: &str) -> String {
    id.parse::<ExecutionId>().map_or_else(|_| id.to_owned(), |id| short_execution(store, &id))
}

fn read<T: DeserializeOwned>(document: &Value) -> Result<T, CliError> {
    serde_json::from_value(document.clone()).map_err(|error| {
        CliError::internal("what Python found is not as expected").caused_by(error.to_string())
    })
}

fn configure(terminal: &mut Terminal<'_>, output: &OutputOptions) {
    terminal.configure(output.color, output.no_color, output.quiet);
    terminal.remember_store(output.store_flag.as_deref());
}

/// Returns a gate's verdict as plain text of 80 columns, and as Markdown.
pub fn render_verdict(verdict: &wtb_engine::comparison::Verdict) -> (String, String) {
    (view::gate::render(verdict, DEFAULT_WIDTH, Style::plain()), view::gate::markdown(verdict))
}

/// Returns a comparison as plain tables of 80 columns, for whoever prints them elsewhere.
pub fn render_comparison(comparison: &wtb_engine::comparison::Comparison) -> String {
    view::comparison::render(comparison, DEFAULT_WIDTH, Style::plain())
}

/// Returns a difference as plain text of 80 columns, for whoever prints it elsewhere.
pub fn render_difference(document: &Value) -> Result<String, CliError> {
    Ok(view::difference::render(&read(document)?, DEFAULT_WIDTH, Style::plain()))
}

/// Prints what `wtb doctor` has found: a list of objects with `name`, `status` (`ok`, `note` or
/// `problem`), `found` and `advice`.
pub fn conclude_doctor(terminal: &mut Terminal<'_>, found: &Value, output: &OutputOptions) -> i32 {
    configure(terminal, output);
    doctor::conclude(output.json, found, terminal).unwrap_or_else(|error| terminal.fail(&error))
}

/// Prints an error of the console script as the command prints its own.
pub fn report(terminal: &mut Terminal<'_>, error: &CliError, output: &OutputOptions) -> i32 {
    configure(terminal, output);
    terminal.fail(error)
}
