//! Help texts, mistakes on the command line, and what is generated from the definitions.

use std::path::Path;

use crate::fixture::{Caller, wtb};

fn here() -> &'static Path {
    Path::new("/nowhere")
}

#[test]
fn the_short_help_lists_the_verbs() {
    let called = wtb(here(), "--help");
    assert_eq!(called.code(), 0);
    insta::assert_snapshot!(called.stdout, @"");
}

#[test]
fn the_help_of_run_names_every_setting_and_its_variable() {
    insta::assert_snapshot!(wtb(here(), "run -h").stdout, @"");
}

#[test]
fn mistakes_are_told_on_stderr_with_code_2() {
    let called = wtb(here(), "run --repeat 3");
    assert_eq!(called.code(), 2);
    assert_eq!(called.stdout, "");
    insta::assert_snapshot!(called.stderr, @"");
    assert_eq!(wtb(here(), "").code(), 2);
    assert_eq!(wtb(here(), "lst").code(), 2);
    assert!(wtb(here(), "lst").stderr.contains("'list'"));
}

#[test]
fn the_version_is_data() {
    let called = wtb(here(), "--version");
    assert_eq!((called.code(), called.stdout.as_str()), (0, "wtb 0.1.0\n"));
}

#[test]
fn help_has_no_colour_without_a_terminal() {
    assert!(!wtb(here(), "--help").stdout.contains('\u{1b}'));
    let terminal = Caller {
        is_terminal: true,
        ..Caller::new(here())
    };
    assert!(terminal.call("--help").stdout.contains('\u{1b}'));
    let silenced = Caller {
        variables: &[("NO_COLOR", "1")],
        ..terminal
    };
    assert!(!silenced.call("--help").stdout.contains('\u{1b}'));
}

#[test]
fn the_reference_describes_every_visible_verb_and_exit_code() {
    let text = wtb(here(), "reference").stdout;
    for verb in ["init", "run", "resume", "list", "show", "compare", "events"] {
        assert!(
            text.contains(&format!("## `wtb {verb}")),
            "{verb} is missing:\n{text}"
        );
    }
    for code in ["| 0 |", "| 1 |", "| 2 |", "| 4 |", "| 100 |", "| 130 |"] {
        assert!(text.contains(code), "{code}");
    }
    assert!(!text.contains("wtb schema"), "hidden verbs stay hidden");
}

/// `wtb reference > docs/cli.md` and `wtb schema > docs/bench.schema.json` write them anew.
#[test]
fn the_committed_documents_are_what_the_command_prints() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (verb, file) in [("reference", "cli.md"), ("schema", "bench.schema.json")] {
        let committed = std::fs::read_to_string(docs.join(file)).unwrap();
        assert!(
            committed == wtb(here(), verb).stdout,
            "run `wtb {verb} > docs/{file}`"
        );
    }
}
