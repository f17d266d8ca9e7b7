//! `wtb init`.

use std::fs;

use crate::calling::wtb;

#[test]
fn init_writes_a_project_that_run_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let called = wtb(directory.path(), "init demo");
    assert_eq!(called.code(), 0);
    assert_eq!(called.stdout, "");
    insta::assert_snapshot!(called.stderr, @r"
    wrote demo/bench.toml
    wrote demo/greeter.py
    wrote demo/cases.jsonl

    hint: `cd demo; wtb run` compares its variants
    ");
    let request = wtb(&directory.path().join("demo"), "run").request();
    assert_eq!(request["workflow"], "greeter:workflow");
    assert_eq!(request["variants"].as_array().unwrap().len(), 3);
}

#[test]
fn init_touches_nothing_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("cases.jsonl"), "mine").unwrap();
    let called = wtb(directory.path(), "init");
    assert_eq!(called.code(), 2);
    assert!(called.stderr.contains("`./cases.jsonl` is there already"), "{}", called.stderr);
    assert!(!directory.path().join("bench.toml").exists(), "nothing is written by halves");
    assert_eq!(fs::read_to_string(directory.path().join("cases.jsonl")).unwrap(), "mine");
}

#[test]
fn init_as_json_names_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let document = wtb(directory.path(), "init --json").json();
    assert_eq!(document["files"].as_array().unwrap().len(), 3);
    assert_eq!(wtb(directory.path(), "init other --store x").code(), 2);
}
