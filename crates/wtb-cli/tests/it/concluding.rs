//! The end of `wtb run`: what is printed where, and the exit code.

use std::path::Path;

use serde_json::Value;
use wtb_cli::{CliError, OutputOptions, ProgressMode, conclude, exit, report};

use crate::calling::Caller;
use crate::fixture::{finished, with_stopped};
use crate::records::batch_id;

fn options() -> OutputOptions {
    OutputOptions {
        json: false,
        store_flag: None,
        progress: ProgressMode::None,
        color: wtb_cli::ColorChoice::Auto,
        no_color: false,
        quiet: false,
        verbose: false,
        max_failures: 0,
        metric: None,
    }
}

fn concluded(number: u8, options: &OutputOptions) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let writer =
        if number == 1 { finished(directory.path()) } else { with_stopped(directory.path()) };
    Caller::new(directory.path()).with(|terminal, surroundings| {
        conclude(terminal, surroundings, writer.store.as_ref(), &batch_id(number), options)
    })
}

#[test]
fn the_comparison_is_data_and_the_failures_come_last() {
    let (code, stdout, stderr) = concluded(1, &options());
    assert_eq!(code, exit::FAILURES);
    assert!(stdout.contains("rf") && !stdout.contains("Summary"), "{stdout}");
    insta::assert_snapshot!(stderr, @r#"
    -------------------------------------
    Summary [12.0s] 3 succeeded, 1 failed
    FAIL  rf / digits-0  e_2f4chj
          node "train": ValueError: bad split
    1 of 4 executions failed

    hint: `wtb show e_2f4chj` shows the first failure in full
    hint: `wtb show b_040g20` shows this batch again
    "#);
}

#[test]
fn failures_that_may_happen_are_no_failure() {
    let (code, _, stderr) = concluded(1, &OutputOptions { max_failures: 1, ..options() });
    assert_eq!(code, exit::DONE);
    assert!(stderr.contains("1 of 4 executions failed, as many may"), "{stderr}");
}

#[test]
fn an_interrupted_batch_says_how_to_go_on() {
    let (code, _, stderr) = concluded(2, &options());
    assert_eq!(code, exit::INTERRUPTED);
    assert!(stderr.contains("interrupted: 1 of 2 executions are left"), "{stderr}");
    assert!(stderr.contains("hint: `wtb resume b_081040` runs what is left"), "{stderr}");
}

#[test]
fn as_json_stdout_is_one_document_with_the_same_code() {
    let (code, stdout, stderr) = concluded(1, &OutputOptions { json: true, ..options() });
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["exit_code"], code);
    assert_eq!(document["verdict"], "failures");
    assert_eq!(document["message"], "1 of 4 executions failed");
    assert_eq!(document["comparison"]["variants"][0]["name"], "baseline");
    assert_eq!(document["failures"].as_array().unwrap().len(), 1);
    assert!(stderr.contains("Summary"), "talk goes on: {stderr}");
}

#[test]
fn quiet_leaves_only_data() {
    let (_, stdout, stderr) = concluded(1, &OutputOptions { quiet: true, ..options() });
    assert!(stdout.contains("accuracy"));
    assert_eq!(stderr, "");
}

#[test]
fn errors_of_the_console_script_look_like_those_of_the_command() {
    let error = CliError::usage("no variant is called `rff`").hint("did you mean `rf`?");
    let (code, stdout, stderr) = Caller::new(Path::new("/"))
        .with(|terminal, _| report(terminal, &error, &OutputOptions { quiet: true, ..options() }));
    assert_eq!((code, stdout.as_str()), (exit::USAGE, ""));
    assert_eq!(stderr, "error: no variant is called `rff`\n\nhint: did you mean `rf`?\n");
}
