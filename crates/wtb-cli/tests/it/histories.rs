//! `wtb checkpoints`, `rollback`, `fork`, `resume` of an execution and `diff`, up to the request that
//! Python performs, and what is printed of cells that go on by themselves.

use serde_json::{Value, json};
use wtb_cli::{conclude_execution, exit, render_execution};
use wtb_model::ExecutionStatus;

use crate::calling::{Caller, wtb};
use crate::fixture::{continued, finished, with_stopped};
use crate::records::{batch_id, execution_id};

#[test]
fn a_place_is_one_of_three() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let id = execution_id(19);
    let asked = |line: &str| wtb(directory.path(), &line.replace("ID", &id.as_str()[..9]));
    let request = asked("rollback ID --at -1").request();
    assert_eq!(request["verb"], "rollback");
    assert_eq!(request["execution"], id.as_str());
    let place = |at: Value, before: Value, after: Value, occurrence: i32| json!({"at": at, "before": before, "after": after, "occurrence": occurrence});
    let null = Value::Null;
    assert_eq!(request["place"], place(json!("-1"), null.clone(), null.clone(), -1));
    let request = asked("rollback ID --before load --occurrence 0").request();
    assert_eq!(request["place"], place(null.clone(), json!("load"), null.clone(), 0));
    let request = asked("fork ID").request();
    assert_eq!(request["place"], place(null.clone(), null.clone(), null, -1));
    for line in [
        "rollback ID",
        "rollback ID --at 1 --before load",
        "fork ID --before load --after load",
        "fork ID --at 1 --occurrence 0",
        "fork ID --occurrence 0",
        "rollback",
        "rollback e_zzz --at 1",
    ] {
        let called = asked(line);
        assert_eq!((called.code(), called.stdout.as_str()), (2, ""), "{line}");
    }
    insta::assert_snapshot!(asked("rollback ID --store .wtb").stderr, @r"
    error: name a place: `--at CHECKPOINT`, `--before NODE` or `--after NODE`

    hint: `wtb checkpoints e_2f4chj6 --store .wtb` shows what there is
    ");
}

#[test]
fn a_fork_takes_an_update_and_a_variant() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let fork = |line: &str| wtb(directory.path(), &format!("fork {} {line}", execution_id(19)));
    let request = fork(
        "--after load --update {\"n\":[1]} --as-node load --variant train=rf --variant a=m:f \
         --config k=0.5 --config name=x=y --resume --json",
    )
    .request();
    assert_eq!(request["update"], json!({"n": [1]}));
    assert_eq!(request["as_node"], "load");
    assert_eq!(request["nodes"], json!({"train": "rf", "a": "m:f"}));
    assert_eq!(request["config"], json!({"k": 0.5, "name": "x=y"}));
    assert_eq!((&request["resume"], &request["output"]["json"]), (&json!(true), &json!(true)));
    for (line, says) in [
        ("--update nope", "this is no JSON"),
        ("--update null", "null updates nothing"),
        ("--as-node load", "--update <JSON>"),
        ("--variant train", "NODE=IMPLEMENTATION"),
        ("--config k", "KEY=VALUE"),
        ("--variant a=b --variant a=c", "`--variant` is given twice for `a`"),
    ] {
        let called = fork(line);
        assert_eq!(called.code(), 2, "{line}");
        assert!(called.stderr.contains(says), "{line}: {}", called.stderr);
    }
}

#[test]
fn resume_takes_flags_of_one_kind_only() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let (execution, batch) = (execution_id(19), batch_id(2));
    let resume = |line: &str| wtb(directory.path(), &format!("resume {line}"));
    let request = resume(&format!("{execution} --answer -1 --answer 0123=yes")).request();
    assert_eq!(request["verb"], "resume_execution");
    assert_eq!(request["execution"], execution.as_str());
    assert_eq!(request["answers"], json!(["-1", "0123=yes"]));
    assert_eq!(request["update"], Value::Null);
    for (line, says) in [
        (format!("{execution} --metric x"), "is an execution, and `--metric` is for batches"),
        (format!("{execution} --max-failures 1"), "`--max-failures` is for batches"),
        (format!("{execution} --progress none"), "`--progress` is for batches"),
        (format!("{batch} --answer x"), "is a batch, and `--answer` is for executions"),
        ("--update {}".to_owned(), "is a batch, and `--update` is for executions"),
    ] {
        let called = resume(&line);
        assert_eq!(called.code(), 2, "{line}");
        assert!(called.stderr.contains(says), "{line}: {}", called.stderr);
    }
}

#[test]
fn two_executions_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let (a, b) = (execution_id(18), execution_id(19));
    let request = wtb(directory.path(), &format!("diff {a} {b}")).request();
    assert_eq!((&request["a"], &request["b"]), (&json!(a), &json!(b)));
    let called = wtb(directory.path(), &format!("diff {a} {a}"));
    assert_eq!(called.code(), 2);
    assert!(called.stderr.contains("are both"), "{}", called.stderr);
    let request = wtb(directory.path(), "checkpoints --all --values").request();
    assert_eq!((&request["all"], &request["values"]), (&json!(true), &json!(true)));
    assert_eq!(request["execution"], b.as_str(), "the newest");
}

#[test]
fn a_cell_that_goes_on_has_the_id_that_people_know() {
    let directory = tempfile::tempdir().unwrap();
    let writer = continued(directory.path(), ExecutionStatus::Paused);
    let id = execution_id(19);
    let request = wtb(directory.path(), &format!("show {id}")).request();
    assert_eq!(request["execution"], id.as_str());
    let listed = wtb(directory.path(), "list executions --limit 1");
    insta::assert_snapshot!(listed.stdout, @r"
    id        batch            variant  case      status  tries   took  created
    e_2f4chj  beside b_040g20  rf       digits-0  paused      2  120ms  10m ago
    ");
    let document = wtb(directory.path(), "list executions --limit 1 --json").json();
    assert_eq!(document[0]["id"], id.as_str());
    assert!(document[0]["batch"].is_string(), "the batch that keeps its result");
    assert_eq!(
        (&document[0]["batch"], &document[0]["lineages"]),
        (&document[0]["origin"], &json!(2))
    );
    let events = wtb(directory.path(), &format!("events --execution {id} --json")).stdout;
    assert!(events.contains("execution.failed"), "{events}");

    let caller = Caller::new(directory.path());
    let output = wtb_cli::OutputOptions {
        json: false,
        store_flag: None,
        progress: wtb_cli::ProgressMode::None,
        color: wtb_cli::ColorChoice::Never,
        no_color: true,
        quiet: false,
        verbose: false,
        max_failures: 0,
        metric: None,
    };
    let decoded = json!({"next": ["train"]});
    let key = id.continuation();
    let (code, stdout, stderr) = caller.with(|terminal, surroundings| {
        let store = writer.store.as_ref();
        render_execution(terminal, surroundings, store, &key, &decoded, &output)
    });
    assert_eq!(code, exit::DONE);
    let head: Vec<_> = stdout.lines().take_while(|line| !line.is_empty()).collect();
    insta::assert_snapshot!(head.join("\n"), @r"
    execution e_2f4chj68s34chj68
      workflow  ml_pipeline
      status    paused after 2 attempts
      cell      rf / digits-0
      batch     b_040g20, which keeps its own result of this cell
      lineage   e_2f4chj68s34chj68/2 (1 before it)
      started   2026-03-01 11:50:11 (9m ago), took 120ms
      seed      42
      next      train
    ");
    insta::assert_snapshot!(stderr.trim_start(), @r"
    hint: `wtb resume e_2f4chj` goes on from where it stands
    hint: `wtb checkpoints e_2f4chj` shows its history
    ");

    let json = wtb_cli::OutputOptions { json: true, ..output };
    let (code, stdout, _) = caller.with(|terminal, surroundings| {
        let store = writer.store.as_ref();
        conclude_execution(terminal, surroundings, store, &key, &decoded, &json)
    });
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, exit::INTERRUPTED);
    assert_eq!((&document["verdict"], &document["exit_code"]), (&json!("waiting"), &json!(130)));
    assert_eq!(document["input"]["not_decoded"]["bytes"], 18, "its case is that of its batch");
}
