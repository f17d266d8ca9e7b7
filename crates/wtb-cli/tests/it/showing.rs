//! `show` of an execution, whose values Python decodes.

use serde_json::{Value, json};
use wtb_cli::{Request, Step, render_execution};

use crate::calling::Caller;
use crate::fixture::finished;
use crate::records::execution_id;

fn shown_execution(number: u8, line: &str, decoded: &Value) -> String {
    let directory = tempfile::tempdir().unwrap();
    let writer = finished(directory.path());
    let caller = Caller::new(directory.path());
    let Step::Perform(Request::Show(request)) = caller.call(line).step else {
        panic!("an execution is shown with the help of Python")
    };
    assert_eq!(request.execution, execution_id(number));
    let (code, stdout, _) = caller.with(|terminal, surroundings| {
        let store = writer.store.as_ref();
        let (id, output) = (&request.execution, &request.output);
        render_execution(terminal, surroundings, store, id, decoded, output)
    });
    assert_eq!(code, 0);
    stdout
}

#[test]
fn show_of_an_execution_has_attempts_nodes_and_the_traceback() {
    let decoded = json!({ "input": { "dataset": "wine" } });
    let line = format!("show {}", &execution_id(19).as_str()[..10]);
    insta::assert_snapshot!(shown_execution(19, &line, &decoded), @r#"
    execution e_2f4chj68s34chj68
      workflow  ml_pipeline
      status    failed after 2 attempts
      reason    node "train": ValueError: bad split
      cell      rf / digits-0
      batch     b_040g20
      started   2026-03-01 11:50:11 (9m ago), took 120ms
      seed      42

    attempts
    attempt  status  worker    took  error
          1  failed  thread-1  1.0s  ValueError: bad split
          2  failed  thread-1  1.0s  ValueError: bad split

    nodes
    attempt  order  node   status     calls   took  usage  error
          1      0  load   succeeded      1  1.5ms  -      -
          1      1  train  failed         1  1.5ms  -      ValueError: bad split
          2      0  load   succeeded      1  1.5ms  -      -
          2      1  train  failed         1  1.5ms  -      ValueError: bad split

    input
      {"dataset":"wine"}

    stdout
      fit 2

    stderr
      [... 2 lines left out; `--verbose` prints all ...]
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows
      warning: too few rows

    error
      Traceback:
        in train
      ValueError: bad split
    "#);
}

#[test]
fn show_of_an_execution_as_json_says_what_was_not_decoded() {
    let decoded = json!({
        "expected": null,
        "nodes": [{ "attempt": 2, "order": 1, "input": { "x": 1 } }],
    });
    let text = shown_execution(19, &format!("show {} --json", execution_id(19)), &decoded);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["input"], json!({ "not_decoded": { "kind": "json", "bytes": 18 } }));
    assert_eq!(document["output"], Value::Null);
    assert_eq!(document["attempts_made"].as_array().unwrap().len(), 2);
    assert_eq!(document["nodes"][3]["input"], json!({ "x": 1 }));
    assert_eq!(document["nodes"][3]["error"]["message"], "bad split");
}

#[test]
fn what_was_printed_is_whole_in_json_and_with_verbose() {
    let line = format!("show {}", execution_id(19));
    let text = shown_execution(19, &format!("{line} --json"), &json!({}));
    let document: Value = serde_json::from_str(&text).unwrap();
    let attempts = &document["attempts_made"];
    assert_eq!(document["stdout"], "fit 2\n", "that of the last attempt");
    assert_eq!(
        (&attempts[0]["stdout"], &attempts[1]["stdout"]),
        (&json!("fit 1\n"), &json!("fit 2\n"))
    );
    let printed = "\u{1b}[33mwarning: too few rows\u{1b}[0m\n".repeat(22);
    assert_eq!((&document["stderr"], &attempts[0]["stderr"]), (&json!(printed), &json!(printed)));
    let verbose = shown_execution(19, &format!("{line} --verbose"), &json!({}));
    assert!(verbose.contains("\nattempt 1: stdout\n  fit 1\n\nattempt 1: stderr\n"), "{verbose}");
    assert!(verbose.contains("\nattempt 2: stdout\n  fit 2\n"), "{verbose}");
    assert_eq!(verbose.matches("  warning: too few rows\n").count(), 44);
}

#[test]
fn what_was_not_captured_is_null() {
    let text = shown_execution(16, &format!("show {} --json", execution_id(16)), &json!({}));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["stdout"], &document["stderr"]), (&Value::Null, &Value::Null));
    assert_eq!(document["attempts_made"][0]["stdout"], Value::Null);
}
