//! The command without Python: performs the verbs that only read, and prints the requests of the
//! others as JSON.
//!
//! `cargo run -p wtb-cli --example wtb -- schema > docs/bench.schema.json`

use std::process::ExitCode;

use wtb_cli::{CliError, Step, Surroundings, Terminal, exit, start};

fn main() -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    let surroundings = Surroundings::system(&environment);
    let mut terminal = Terminal::system(&environment);
    let arguments: Vec<_> = std::env::args_os().collect();
    let code = match start(&arguments, &surroundings, &mut terminal) {
        Step::Exit(code) => code,
        Step::Perform(request) => serde_json::to_value(&request)
            .map_err(|error| CliError::internal(error.to_string()))
            .and_then(|document| terminal.json(&document))
            .map_or_else(|error| terminal.fail(&error), |()| exit::DONE),
    };
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
