//! From a command line to what comes of it: an exit code, or a request to Python.

use std::ffi::OsString;

use clap::FromArgMatches;
use serde_json::Value;
use wtb_model::ExecutionId;
use wtb_store::Store;

use crate::arguments::{self, CommandLine, ShowArgs, Verb};
use crate::bench_file::bench_schema;
use crate::conclude::conclude;
use crate::error::CliError;
use crate::exit;
use crate::request::{OutputOptions, Request, ResumeRequest, ShowRequest, Step};
use crate::settings;
use crate::store_url;
use crate::surroundings::Surroundings;
use crate::terminal::{ColorChoice, DEFAULT_WIDTH, Terminal};
use crate::text::Style;
use crate::verbs::{compare, events, gc, init, list, resume, show};
use crate::view::batch::Viewer;

/// Help texts wider than this are hard to read.
const HELP_WIDTH_MAX: usize = 100;

/// Performs a command line as far as it can be without Python.
///
/// `arguments` begins with the program's name. Nothing is printed for a [`Step::Perform`]; its
/// performer reports errors with [`report`] and otherwise ends with [`conclude()`] or
/// [`render_execution`].
pub fn start(
    arguments: &[OsString],
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Step {
    let no_color = surroundings.variable("NO_COLOR").is_some();
    terminal.configure(ColorChoice::Auto, no_color, false);
    let command = arguments::command(terminal.width().min(HELP_WIDTH_MAX));
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| CommandLine::from_arg_matches(&matches));
    let line = match parsed {
        Ok(line) => line,
        Err(error) => return Step::Exit(print_clap(&error, terminal)),
    };
    match perform(line, surroundings, terminal, no_color) {
        Ok(step) => step,
        Err(error) => Step::Exit(terminal.fail(&error)),
    }
}

/// Prints help and version as data, mistakes as errors.
fn print_clap(error: &clap::Error, terminal: &mut Terminal<'_>) -> i32 {
    let rendered = error.render();
    let style = if error.use_stderr() { terminal.talk_style() } else { terminal.style() };
    let text = if style.is_colored() { rendered.ansi().to_string() } else { rendered.to_string() };
    if error.use_stderr() {
        terminal.talk(&text);
        return exit::USAGE;
    }
    terminal.data(&text).map_or_else(|error| terminal.fail(&error), |()| exit::DONE)
}

fn perform(
    line: CommandLine,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
    no_color: bool,
) -> Result<Step, CliError> {
    let CommandLine { verb, global } = line;
    terminal.configure(settings::color(&global, surroundings)?, no_color, global.quiet);
    terminal.remember_store(global.store.as_deref());
    let address = || store_url::locate(global.store.as_deref(), None, surroundings);
    match verb {
        Verb::Run(args) => {
            let request = settings::run_request(args, &global, surroundings)?;
            return Ok(Step::Perform(Request::Run(Box::new(request))));
        }
        Verb::Resume(args) => {
            let output = settings::output(&global, &args.outcome, surroundings)?;
            return resume_step(&args.id, address(), output, surroundings, terminal);
        }
        Verb::Show(args) => {
            let output = settings::reading(&global, surroundings)?;
            return show_step(&args, address(), output, surroundings, terminal);
        }
        Verb::List(args) => {
            let store = store_url::open(&address())?;
            list::list(&args, global.json, store.as_ref(), surroundings, terminal)?;
        }
        Verb::Compare(args) => {
            let store = store_url::open(&address())?;
            let metric = args.metric.clone().or(settings::reading(&global, surroundings)?.metric);
            compare::compare(&args, metric, global.json, store.as_ref(), terminal)?;
        }
        Verb::Events(args) => {
            let store = store_url::open(&address())?;
            events::events(&args, global.json, store.as_ref(), surroundings, terminal)?;
        }
        Verb::Gc => {
            let store = store_url::open(&address())?;
            gc::gc(global.json, store.as_ref(), terminal)?;
        }
        Verb::Init(args) => init::init(&args, &global, surroundings, terminal)?,
        Verb::Schema => terminal.json(&bench_schema())?,
        Verb::Reference => {
            let command = arguments::command(HELP_WIDTH_MAX);
            terminal.data(&arguments::reference(&command))?;
        }
    }
    Ok(Step::Exit(exit::DONE))
}

fn resume_step(
    id: &str,
    address: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<Step, CliError> {
    let store = store_url::open(&address)?;
    let batch = resume::find(&Viewer::new(store.as_ref(), surroundings.now), id)?;
    if !resume::is_unfinished(store.as_ref(), &batch)? {
        terminal.talk("Nothing is left to run: the batch has ended.\n");
        let code = conclude(terminal, surroundings, store.as_ref(), &batch, &output);
        return Ok(Step::Exit(code));
    }
    store.close()?;
    Ok(Step::Perform(Request::Resume(ResumeRequest { store: address, batch, output })))
}

fn show_step(
    args: &ShowArgs,
    address: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<Step, CliError> {
    let store = store_url::open(&address)?;
    match show::find(store.as_ref(), &args.id)? {
        show::Target::Batch(batch) => {
            let asked = args.metric.as_deref();
            show::batch(store.as_ref(), &batch, asked, &output, surroundings, terminal)?;
            Ok(Step::Exit(exit::DONE))
        }
        show::Target::Execution(execution) => {
            store.close()?;
            let request = ShowRequest { store: address, execution, output };
            Ok(Step::Perform(Request::Show(request)))
        }
    }
}

/// Prints an execution and returns the exit code.
///
/// `decoded` is a JSON object with any of `input`, `expected`, `output`, `state`, `interrupts`, and
/// `nodes`: a list of objects with `attempt`, `order` and any of `input`, `output`. Values that it
/// lacks are shown by kind and size.
pub fn render_execution(
    terminal: &mut Terminal<'_>,
    surroundings: &Surroundings<'_>,
    store: &dyn Store,
    execution: &ExecutionId,
    decoded: &Value,
    output: &OutputOptions,
) -> i32 {
    terminal.configure(output.color, output.no_color, output.quiet);
    terminal.remember_store(output.store_flag.as_deref());
    match show::execution(store, execution, decoded, output, surroundings, terminal) {
        Ok(()) => exit::DONE,
        Err(error) => terminal.fail(&error),
    }
}

/// Returns a comparison as a plain table of 80 columns, for whoever prints it elsewhere.
pub fn render_comparison(comparison: &wtb_engine::comparison::Comparison) -> String {
    crate::view::comparison::render(comparison, DEFAULT_WIDTH, Style::plain())
}

/// Prints an error of the console script as the command prints its own, and returns the exit code.
pub fn report(terminal: &mut Terminal<'_>, error: &CliError, output: &OutputOptions) -> i32 {
    terminal.configure(output.color, output.no_color, output.quiet);
    terminal.fail(error)
}
