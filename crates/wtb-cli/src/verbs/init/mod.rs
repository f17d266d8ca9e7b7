//! `wtb init`: a small project that works as it is.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::arguments::{GlobalArgs, InitArgs};
use crate::error::CliError;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

const FILES: [(&str, &str); 3] = [
    ("bench.toml", include_str!("bench.toml")),
    ("greeter.py", include_str!("greeter.py")),
    ("cases.jsonl", include_str!("cases.jsonl")),
];

/// Writes the project. Nothing that is there is touched.
pub(crate) fn init(
    args: &InitArgs,
    global: &GlobalArgs,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    if global.store.is_some() {
        return Err(CliError::usage("`wtb init` opens no store: leave `--store` out"));
    }
    let directory = surroundings.directory.join(&args.directory);
    let shown = args.directory.display();
    if let Some((name, _)) = FILES.iter().find(|(name, _)| directory.join(name).exists()) {
        let message = format!("`{}` is there already", args.directory.join(name).display());
        return Err(CliError::usage(message).hint("name another directory: `wtb init DIR`"));
    }
    std::fs::create_dir_all(&directory).map_err(|error| {
        CliError::usage(format!("cannot create `{shown}`")).caused_by(error.to_string())
    })?;
    for (name, text) in FILES {
        write_new(&directory.join(name), text)?;
    }
    if global.json {
        let names = FILES.map(|(name, _)| name);
        return terminal.json(&json!({ "directory": directory, "files": names }));
    }
    for (name, _) in FILES {
        terminal.talk(&format!("wrote {}\n", args.directory.join(name).display()));
    }
    let enter =
        if args.directory == Path::new(".") { String::new() } else { format!("cd {shown}; ") };
    terminal.talk(&format!("\nhint: `{enter}wtb run` compares its variants\n"));
    Ok(())
}

/// Refuses to overwrite even what appeared a moment ago.
fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            CliError::usage(format!("cannot write `{}`", path.display()))
                .caused_by(error.to_string())
        })
}
