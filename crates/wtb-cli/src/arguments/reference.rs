//! The reference of the command line as Markdown, made from the definitions.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::exit;

/// Returns the reference: every visible verb with its arguments and options, and the exit codes.
pub(crate) fn reference(command: &Command) -> String {
    let mut text =
        String::from("# Command line\n\n<!-- Written by `wtb reference > docs/cli.md`. -->\n\n");
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        push(&mut text, format_args!("{}\n", about.to_string().trim_end()));
    }
    let global: Vec<_> = command.get_arguments().filter(|arg| arg.is_global_set()).collect();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    for verb in verbs {
        describe_verb(&mut text, verb);
    }
    text.push_str("## Options of every verb\n\n");
    options(&mut text, &global);
    text.push_str("\n## Exit codes\n\n| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in exit::MEANINGS {
        push(&mut text, format_args!("| {code} | {meaning} |"));
    }
    text
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{line}");
}

fn describe_verb(text: &mut String, verb: &Command) {
    let own: Vec<_> = verb
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && arg.get_id() != "help" && !arg.is_hide_set())
        .collect();
    let (positional, flags): (Vec<&Arg>, Vec<&Arg>) =
        own.into_iter().partition(|arg| arg.is_positional());
    let names: Vec<_> = positional
        .iter()
        .map(|arg| match value_name(arg) {
            name if arg.is_required_set() => format!(" {name}"),
            name => format!(" [{name}]"),
        })
        .collect();
    push(text, format_args!("## `wtb {}{}`\n", verb.get_name(), names.concat()));
    if let Some(about) = verb.get_long_about().or(verb.get_about()) {
        push(text, format_args!("{about}.\n"));
    }
    options(text, &positional);
    options(text, &flags);
    text.push('\n');
    if let Some(after) = verb.get_after_help() {
        push(text, format_args!("{}\n", paragraphs(&after.to_string())));
    }
}

/// Returns a text for terminals as Markdown: what is indented there is code, and lines end where they
/// end there.
fn paragraphs(text: &str) -> String {
    let mut lines = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("  ") != is_code {
            is_code = !is_code;
            let fence = if is_code { "\n```sh" } else { "```" };
            lines.push(fence.to_owned());
        }
        let is_prose = !is_code && !line.is_empty();
        lines.push(if is_prose { format!("{line}  ") } else { line.trim_start().to_owned() });
    }
    lines.join("\n").trim_end().to_owned()
}

fn options(text: &mut String, args: &[&Arg]) {
    for arg in args {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|_| arg.get_action().takes_values())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let values = if values.is_empty() {
            String::new()
        } else {
            format!(" One of {}.", values.join(", "))
        };
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() || !arg.get_action().takes_values() {
            String::new()
        } else {
            format!(" Default: `{}`.", defaults.join(" "))
        };
        push(text, format_args!("- `{}`: {help}.{values}{default}", usage(arg)));
    }
}

fn usage(arg: &Arg) -> String {
    if arg.is_positional() {
        return value_name(arg);
    }
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    if arg.get_action().takes_values() {
        format!("{short}{long} {}", value_name(arg))
    } else {
        format!("{short}{long}")
    }
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let joined: Vec<_> = names.iter().map(ToString::to_string).collect();
    if joined.is_empty() { arg.get_id().to_string().to_uppercase() } else { joined.join(" ") }
}
