//! `wtb run` and `wtb resume` up to the request that Python performs.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::calling::{Caller, wtb};
use crate::fixture::{finished, with_driven, with_stopped};
use crate::records::batch_id;

const BENCH: &str = r#"
workflow = "app:workflow"
cases = "cases.jsonl"
variants = [{ nodes = { train = "rf" } }]
evaluators = ["exact_match"]
repeats = 2
timeout = "90s"
retries = 3
metric = "accuracy"
store = "results"
"#;

fn project(directory: &Path, bench: &str) {
    fs::write(directory.join("bench.toml"), bench).unwrap();
    fs::write(directory.join("cases.jsonl"), "{\"input\": {}}\n").unwrap();
}

#[test]
fn run_settles_everything_that_python_needs() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    project(root, BENCH);
    let request = wtb(root, "run --variant rf --limit 5 -j 3 --fail-fast 0.2 --json").request();
    let name = root.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        request,
        json!({
            "verb": "run",
            "store": root.join("results/wtb.db"),
            "object_store": null,
            "file": root.join("bench.toml"),
            "directory": root,
            "name": name,
            "workflow": "app:workflow",
            "cases": { "file": root.join("cases.jsonl") },
            "variants": [{
                "name": null, "nodes": { "train": "rf" }, "config": {}, "context": {},
                "params": {}, "graph": null, "environment": {},
            }],
            "grid": null,
            "evaluators": [{ "use": "exact_match", "arguments": {} }],
            "metric": "accuracy",
            "repeats": 2,
            "until_settled": null,
            "runner": "thread",
            "process": {},
            "ray": {},
            "max_workers": 3,
            "timeout_s": 90.0,
            "retries": 3,
            "seed": 0,
            "fail_fast": 0.2,
            "error": "zero",
            "window": null,
            "checkpoints": "step",
            "breakpoints": [],
            "on_interrupt": null,
            "workspace": { "inputs": null, "column": null, "rung": null, "keep": null },
            "select": { "variants": ["rf"], "cases": [], "limit": 5 },
            "output": {
                "json": true, "store_flag": null, "progress": "auto", "color": "auto", "no_color": false,
                "quiet": false, "verbose": false, "max_failures": 0, "metric": null,
            },
        })
    );
    let with = |option: &str| wtb(root, &format!("run {option}")).request()["object_store"].clone();
    assert_eq!(with("--object-store shared"), json!(root.join("shared")));
    let bench = format!("object_store = \"objects\"\n{BENCH}");
    fs::write(root.join("bench.toml"), bench).unwrap();
    assert_eq!(with("bench.toml"), json!(root.join("objects")));
    assert_eq!(with("--object-store /shared"), json!("/shared"));
    assert_eq!(with("--object-store s3://b/x"), json!("s3://b/x"), "to be refused as it is");
    let variables = [("WTB_OBJECT_STORE", "/variable")];
    let called = Caller { variables: &variables, ..Caller::new(root) }.call("run");
    assert_eq!(called.request()["object_store"], json!("/variable"));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), BENCH);
    let plain = Caller::new(directory.path());
    assert_eq!(plain.call("run").request()["retries"], 3);
    assert_eq!(plain.call("run").request()["seed"], 0);
    let variables = [("WTB_RETRIES", "5"), ("WTB_TIMEOUT", "2m"), ("WTB_METRIC", "macro_f1")];
    let with_variables = Caller { variables: &variables, ..plain };
    let request = with_variables.call("run").request();
    assert_eq!(request["retries"], 5);
    assert_eq!(request["timeout_s"], 120.0);
    assert_eq!(request["metric"], "macro_f1");
    assert_eq!(request["output"]["metric"], "macro_f1");
    assert_eq!(with_variables.call("run --retries 0").request()["retries"], 0);
}

#[test]
fn every_variable_that_the_help_names_is_read() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), BENCH);
    let help = Caller { width: 500, ..Caller::new(directory.path()) }.call("run --help").stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let named: Vec<_> = help
        .split("[env: ")
        .skip(1)
        .map(|rest| rest.split(']').next().unwrap())
        .filter(|name| !["WTB_STORE", "WTB_OBJECT_STORE", "WTB_METRIC"].contains(name))
        .collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        let variables = [(name, "?")];
        let called = Caller { variables: &variables, ..Caller::new(directory.path()) }.call("run");
        assert_eq!(called.code(), 2, "{name}");
        assert!(called.stderr.contains(&format!("the variable `{name}`")), "{}", called.stderr);
    }
}

#[test]
fn without_variants_the_baseline_runs_alone() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), "workflow = 'app:graph'\ncases = 'app:cases'\n");
    let request = wtb(directory.path(), "run").request();
    assert_eq!(request["variants"][0]["name"], "baseline");
    assert_eq!(request["cases"], json!({ "reference": "app:cases" }));
    assert_eq!(request["store"], json!(directory.path().join(".wtb/wtb.db")));
    project(
        directory.path(),
        "workflow = 'app:graph'\ncases = [{ input = 1 }]\ngrid = { nodes = { a = ['b', 'c'] } }\n",
    );
    let request = wtb(directory.path(), "run").request();
    assert_eq!(request["variants"], json!([]));
    assert_eq!(request["grid"]["nodes"], json!({ "a": ["b", "c"] }));
    assert_eq!(request["cases"], json!({ "inline": [{ "input": 1 }] }));
}

#[test]
fn a_bench_file_that_is_not_there_or_wrong_is_code_2() {
    let directory = tempfile::tempdir().unwrap();
    let missing = wtb(directory.path(), "run");
    assert_eq!(missing.code(), 2);
    insta::assert_snapshot!(missing.stderr, @r"
    error: cannot read the bench file `bench.toml`
      caused by: No such file or directory (os error 2)

    hint: `wtb init` writes one; `wtb run FILE` names another
    ");
    project(directory.path(), "workflow = 'a:b'\ncases = 'cases.jsonl'\nrepeat = 3\n");
    let wrong = wtb(directory.path(), "run");
    assert_eq!(wrong.code(), 2);
    assert!(
        wrong.stderr.starts_with("error: bench.toml:3:1: unknown key `repeat`"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_limit_of_zero_selects_nothing() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), BENCH);
    assert_eq!(wtb(directory.path(), "run --limit 0").code(), 4);
}

#[test]
fn resume_takes_the_newest_batch_that_nobody_drives() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let request = wtb(directory.path(), "resume --max-failures 2 --progress none").request();
    assert_eq!(request["verb"], "resume");
    assert_eq!(request["batch"], batch_id(2).as_str());
    assert_eq!(request["output"]["max_failures"], 2);
    assert_eq!(request["output"]["progress"], "none");
    let by_prefix = wtb(directory.path(), &format!("resume {}", &batch_id(2).as_str()[..9]));
    assert_eq!(by_prefix.request()["batch"], batch_id(2).as_str());
}

#[test]
fn resume_names_who_drives_the_only_unfinished_batch() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_driven(directory.path());
    let latest = wtb(directory.path(), "resume");
    assert_eq!(latest.code(), 2);
    insta::assert_snapshot!(latest.stderr, @"
    error: batch b_081040g2081040g2 is being driven by another program right now (process 1 on elsewhere)

    hint: `wtb show b_081040` shows how far it is; stop that program to resume the batch here
    ");
    let by_id = wtb(directory.path(), &format!("resume {}", batch_id(2)));
    assert_eq!((by_id.code(), by_id.stderr), (2, latest.stderr));
}

#[test]
fn resuming_what_has_ended_concludes_it_again() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    assert_eq!(wtb(directory.path(), "resume").code(), 4, "nothing is unfinished");
    let called = wtb(directory.path(), &format!("resume {}", batch_id(1)));
    assert_eq!(called.code(), 100);
    assert!(called.stderr.starts_with("Nothing is left to run"), "{}", called.stderr);
    assert!(called.stdout.contains("accuracy"), "{}", called.stdout);
}
