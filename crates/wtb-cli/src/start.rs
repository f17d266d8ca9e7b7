//! From a command line to what comes of it: an exit code, or a request to Python.

use std::ffi::OsString;

use clap::FromArgMatches;

use crate::arguments::{self, CommandLine, ResumeArgs, ShowArgs, Verb};
use crate::bench_file::bench_schema;
use crate::conclude::conclude;
use crate::error::CliError;
use crate::exit;
use crate::request::{
    DoctorRequest, OutputOptions, Request, ResumeExecutionRequest, ResumeRequest, ShowRequest, Step,
};
use crate::settings;
use crate::store_url;
use crate::surroundings::Surroundings;
use crate::terminal::{ColorChoice, Terminal};
use crate::verbs::{
    compare, doctor, events, gate, gc, history, init, list, migrate, resume, score, share, show,
};
use crate::view::batch::Viewer;

/// Help texts wider than this are hard to read.
const HELP_WIDTH_MAX: usize = 100;

/// Performs a command line as far as it can be without Python.
///
/// `arguments` begins with the program's name. Nothing is printed for a [`Step::Perform`]; its
/// performer ends with [`conclude()`], or with a function of `crate::render`.
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
            return resume_step(args, address(), output, surroundings, terminal);
        }
        Verb::Show(args) => {
            let output = settings::reading(&global, surroundings)?;
            return show_step(&args, address(), output, surroundings, terminal);
        }
        Verb::Checkpoints(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::checkpoints(&args, address(), output).map(Step::Perform);
        }
        Verb::Rollback(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::rollback(args, address(), output, terminal).map(Step::Perform);
        }
        Verb::Fork(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::fork(args, address(), output).map(Step::Perform);
        }
        Verb::Diff(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::diff(&args, address(), output).map(Step::Perform);
        }
        Verb::Files(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::files(args, address(), output).map(Step::Perform);
        }
        Verb::Restore(args) => {
            let output = settings::reading(&global, surroundings)?;
            return history::restore(args, address(), output, surroundings).map(Step::Perform);
        }
        Verb::Doctor => {
            let output = settings::reading(&global, surroundings)?;
            let address = address();
            let store = doctor::store(&address);
            let workspaces = store_url::workspaces(&address, surroundings);
            let request = DoctorRequest { store, workspaces, output };
            return Ok(Step::Perform(Request::Doctor(request)));
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
        Verb::Score(args) => {
            let output = settings::reading(&global, surroundings)?;
            return score::score(args, address(), output, surroundings).map(Step::Perform);
        }
        Verb::Report(args) => {
            let output = settings::reading(&global, surroundings)?;
            return share::report(args, address(), output, surroundings).map(Step::Perform);
        }
        Verb::Export(args) => {
            let output = settings::reading(&global, surroundings)?;
            return share::export(*args, address(), output, surroundings).map(Step::Perform);
        }
        Verb::Gate(args) => {
            let store = store_url::open(&address())?;
            let metric = args.metric.clone().or(settings::reading(&global, surroundings)?.metric);
            let (json, store) = (global.json, store.as_ref());
            return gate::gate(&args, metric, json, store, surroundings, terminal).map(Step::Exit);
        }
        Verb::Plan(args) => {
            let open = || store_url::open(&address());
            gate::plan(&args, global.json, open, surroundings, terminal)?;
        }
        Verb::Events(args) => {
            let store = store_url::open(&address())?;
            events::events(&args, global.json, store.as_ref(), surroundings, terminal)?;
        }
        Verb::Gc(args) => {
            let address = address();
            let store = store_url::open(&address)?;
            let workspaces = store_url::workspaces(&address, surroundings);
            gc::gc(&args, global.json, store.as_ref(), &workspaces, terminal)?;
        }
        Verb::Migrate(args) => migrate::migrate(&args, global.json, &address(), terminal)?,
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
    args: ResumeArgs,
    address: String,
    output: OutputOptions,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<Step, CliError> {
    let store = store_url::open(&address)?;
    let batch = match resume::find(&Viewer::new(store.as_ref(), surroundings.now), &args)? {
        show::Target::Batch(batch) => batch,
        show::Target::Execution(execution) => {
            store.close()?;
            let ResumeArgs { update, answers, .. } = args;
            let store = address;
            let request = ResumeExecutionRequest { store, execution, update, answers, output };
            return Ok(Step::Perform(Request::ResumeExecution(request)));
        }
    };
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
            let execution = execution.known();
            let request = ShowRequest { store: address, execution, output };
            Ok(Step::Perform(Request::Show(request)))
        }
    }
}
