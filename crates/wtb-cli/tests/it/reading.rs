//! The verbs that read a store: `list`, `show`, `compare`, `events`.

use serde_json::{Value, json};

use crate::calling::{Caller, wtb};
use crate::fixture::{Writer, finished, with_stopped};
use crate::records::{NOW, batch_id, execution_id};

#[test]
fn list_shows_newest_first_and_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let called = wtb(directory.path(), "list");
    assert_eq!(called.code(), 0);
    insta::assert_snapshot!(called.stdout, @r"
    id        name           workflow     status        done  failed  created   took
    b_081040  Half done      ml_pipeline  stopped        1/2       0   9m ago      -
    b_040g20  ML Pipeline    ml_pipeline  completed_     4/4       1   9m ago  12.0s
              Comparison                  with_errors
    ");
    assert_eq!(called.stderr, "\nhint: `wtb resume b_081040` takes a stopped batch up again\n");
    assert!(called.stdout.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn list_as_json_has_whole_ids_and_counts() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let batches = wtb(directory.path(), "list --json").json();
    assert_eq!(batches[0]["id"], batch_id(2).as_str());
    assert_eq!(batches[0]["status"], "running");
    assert_eq!(batches[0]["stopped"], true);
    assert_eq!(batches[1]["stopped"], false);
    assert_eq!(batches[1]["counts"]["failed"], 1);
    assert_eq!(batches[1]["duration_s"], 12.0);
    assert_eq!(batches[1]["created_at"], "2026-03-01T11:50:01Z");
}

#[test]
fn list_filters_and_limits() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let ids = |line: &str| -> Vec<String> {
        let listed = wtb(directory.path(), line).json();
        let all = listed.as_array().unwrap();
        all.iter().map(|batch| batch["id"].as_str().unwrap().to_owned()).collect()
    };
    let (first, second) = (batch_id(1).to_string(), batch_id(2).to_string());
    assert_eq!(ids("list --json --limit 1"), [second.as_str()]);
    assert_eq!(ids("list --json --filter name~pipeline"), [first.as_str()]);
    assert_eq!(ids("list --json --filter status=completed_with_errors"), [first.as_str()]);
    assert_eq!(ids("list --json --filter status=stopped"), [second.as_str()]);
    assert_eq!(ids("list --json --filter workflow=other"), [] as [&str; 0]);
    let failed = ids("list executions --json --filter status=failed --filter variant=rf");
    assert_eq!(failed, [execution_id(19).to_string()]);
    assert_eq!(ids("list executions --json --filter dead_letter=true"), failed);
    let of_batch = format!("list executions --json --filter batch={} --limit 100", batch_id(1));
    assert_eq!(ids(&of_batch).len(), 4);
}

#[test]
fn nothing_is_never_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    for line in ["list --limit 0", "list executions --limit 0", "events --limit 0"] {
        let called = wtb(directory.path(), line);
        assert_eq!(called.code(), 2, "{line}");
        assert!(called.stderr.contains("invalid value '0' for '--limit <N>'"), "{}", called.stderr);
    }
}

#[test]
fn an_unknown_filter_or_status_names_the_near_miss() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let unknown = wtb(directory.path(), "list --filter state=failed");
    assert_eq!(unknown.code(), 2);
    assert!(unknown.stderr.contains("did you mean `status=`?"), "{}", unknown.stderr);
    let status = wtb(directory.path(), "list --filter status=complete");
    assert!(status.stderr.contains("did you mean `completed`?"), "{}", status.stderr);
    assert_eq!(wtb(directory.path(), "list --filter nonsense").code(), 2);
}

#[test]
fn executions_are_a_table_too() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let line = format!("list executions --filter batch={}", batch_id(1));
    insta::assert_snapshot!(wtb(directory.path(), &line).stdout, @r"
    id        batch     variant   case      status     tries   took  created
    e_234chj  b_040g20  baseline  wine-0    succeeded      1  120ms  10m ago
    e_274chj  b_040g20  baseline  digits-0  succeeded      1  120ms  10m ago
    e_2b4chj  b_040g20  rf        wine-0    succeeded      1  120ms  10m ago
    e_2f4chj  b_040g20  rf        digits-0  failed         2  120ms  10m ago
    ");
}

#[test]
fn a_store_that_is_not_there_is_told_and_not_created() {
    let directory = tempfile::tempdir().unwrap();
    let called = wtb(directory.path(), "list");
    assert_eq!(called.code(), 2);
    assert!(called.stderr.contains("there is no store at"), "{}", called.stderr);
    assert!(!directory.path().join(".wtb").exists());
}

#[test]
fn a_file_that_is_no_store_is_named_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let notes = directory.path().join("notes.txt");
    let text = "rather a long text that somebody wrote\n".repeat(30);
    std::fs::write(&notes, &text).unwrap();
    for verb in ["list", "show", "resume", "compare", "events"] {
        let called = wtb(directory.path(), &format!("{verb} --store notes.txt"));
        assert_eq!(called.code(), 2, "{verb}");
        let begin = format!("error: cannot open the store `sqlite:///{}`: ", notes.display());
        assert!(called.stderr.starts_with(&begin), "{}", called.stderr);
        let hint = "\n\nhint: name another store with `--store` or the variable `WTB_STORE`\n";
        assert!(called.stderr.ends_with(hint), "{}", called.stderr);
    }
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), text);
}

#[test]
fn an_empty_store_has_nothing_to_show() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = Writer::create(directory.path());
    assert_eq!(wtb(directory.path(), "list").code(), 0);
    assert_eq!(wtb(directory.path(), "list --json").json(), json!([]));
    assert_eq!(wtb(directory.path(), "show").code(), 4);
    assert_eq!(wtb(directory.path(), "compare").code(), 4);
}

#[test]
fn show_of_a_batch_is_its_head_comparison_and_failures() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let called = wtb(directory.path(), "show");
    assert_eq!(called.code(), 0);
    insta::assert_snapshot!(called.stdout, @r#"
    batch b_040g2081040g2081 "ML Pipeline Comparison"
      workflow  ml_pipeline (ml_pipeline:workflow)
      status    completed_with_errors
      started   2026-03-01 11:50:10 (9m ago), took 12.0s
      asked     2 variants x 2 cases x 1 repeat, thread runner with 4 workers, timeout 2m, retries 1, seed 7
      ended     3 succeeded, 1 failed

       variant   accuracy            95% CI  n  coverage  errors
    *  baseline    0.8500  [0.2147, 1.0000]  2      100%       0
    *  rf          0.4750  [0.0000, 1.0000]  2      100%       1

       variant   difference              95% CI  p (Holm)  won/tied/lost
    *  baseline           -                   -         -              -
    *  rf           -0.3750  [-1.0000, +1.0000]     1.000          1/0/1

       variant   median    p95   fit_s
    *  baseline   120ms  120ms  0.5000
    *  rf         120ms  120ms  0.5000
    accuracy: mean over cases, higher is better; differences are to baseline, case
    by case; lower is better for fit_s
    * no best: no variant can be told apart from another at 95 %
    not beaten in both accuracy and time: baseline
    warning: 1 of the executions ended with an error; errors count as 0
    warning: 2 cases are too few: no result could show a difference at 95 %

    FAIL  rf / digits-0  e_2f4chj
          node "train": ValueError: bad split
    "#);
    assert_eq!(called.stderr, "\nhint: `wtb show e_2f4chj` shows a failure in full\n");
    let verbose = wtb(directory.path(), "show -v").stdout;
    assert!(verbose.contains("      | ValueError: bad split"), "{verbose}");
    let quiet = wtb(directory.path(), "show -q");
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (called.stdout, ""));
}

#[test]
fn show_of_a_batch_as_json_is_one_document() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let document = wtb(directory.path(), "show latest --json").json();
    assert_eq!(document["batch"]["id"], batch_id(1).as_str());
    assert_eq!(document["comparison"]["metric"], "accuracy");
    let failure = &document["failures"][0];
    assert_eq!(failure["case"], "digits-0");
    assert_eq!(failure["error"]["node"], "train");
    assert_eq!(failure["error"]["type"], "ValueError");
}

#[test]
fn colour_is_for_terminals() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    assert!(!wtb(directory.path(), "show").stdout.contains('\u{1b}'));
    let terminal = Caller { is_terminal: true, ..Caller::new(directory.path()) };
    assert!(terminal.call("show").stdout.contains('\u{1b}'));
    assert!(!terminal.call("show --color never").stdout.contains('\u{1b}'));
    assert!(wtb(directory.path(), "show --color always").stdout.contains('\u{1b}'));
}

#[test]
fn ids_are_found_by_prefix_and_refused_when_unknown_or_ambiguous() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let id = batch_id(1);
    let (prefix, bare) = (&id.as_str()[..8], &id.as_str()[2..8]);
    assert_eq!(wtb(directory.path(), &format!("show {prefix}")).code(), 0);
    assert_eq!(wtb(directory.path(), &format!("show {bare}")).code(), 0);
    let ambiguous = wtb(directory.path(), "show b_0");
    assert_eq!(ambiguous.code(), 2);
    assert!(ambiguous.stderr.contains("fits more than one batch"), "{}", ambiguous.stderr);
    let unknown = wtb(directory.path(), "show b_zzz");
    assert_eq!(unknown.code(), 2);
    insta::assert_snapshot!(unknown.stderr, @r"
    error: there is no batch `b_zzz` in this store

    hint: `wtb list` and `wtb list executions` print what there is
    ");
}

#[test]
fn a_metric_that_nobody_gave_is_refused_with_its_near_miss() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    for verb in ["compare", "show", "compare --json", "show --json"] {
        let called = wtb(directory.path(), &format!("{verb} --metric acuracy"));
        assert_eq!((called.code(), called.stdout.as_str()), (2, ""), "{verb}");
        assert_eq!(
            called.stderr,
            "error: no execution has a score `acuracy`\n\n\
             hint: did you mean `accuracy`? Known here: `accuracy`, `fit_s`\n"
        );
        assert_eq!(wtb(directory.path(), &format!("{verb} --metric fit_s")).code(), 0, "{verb}");
    }
    let variables = [("WTB_METRIC", "acuracy")];
    let asked_elsewhere = Caller { variables: &variables, ..Caller::new(directory.path()) };
    assert_eq!(asked_elsewhere.call("show").code(), 0, "a variable is for every store");
}

#[test]
fn compare_prints_the_comparison_alone() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let called = wtb(directory.path(), "compare --json");
    let document = called.json();
    let keys: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
    for key in ["metric", "direction", "baseline", "best", "best_set", "variants", "warnings"] {
        assert!(keys.contains(&key.to_owned()), "{key} is not among {keys:?}");
    }
    let mean = document["variants"][0]["mean"].as_f64().unwrap();
    assert!((mean - 0.85).abs() < 1e-9, "{mean}");
    assert_eq!(document["leader"], "baseline", "an error counts as 0");
    assert_eq!(document["best"], json!(null), "two cases say nothing");
    let line = "compare --json --confidence 0.8 --correction bh --error exclude";
    let other = wtb(directory.path(), line).json();
    assert_eq!((&other["confidence"], &other["error"]), (&json!(0.8), &json!("exclude")));
    assert_eq!(other["correction"], "benjamini_hochberg");
    let weighed = wtb(directory.path(), "compare --json --weight accuracy=1 --weight fit_s=-0.1");
    assert!((weighed.json()["variants"][0]["mean"].as_f64().unwrap() - 0.8).abs() < 1e-9);
    for (wrong, said) in [
        ("--confidence 95", "between 0.5 and 1"),
        ("--weight accuracy", "METRIC=NUMBER"),
        ("--weight acuracy=1", "there are accuracy, fit_s, cost"),
        ("--weight accuracy=1 --metric fit_s", "cannot be used with"),
    ] {
        let called = wtb(directory.path(), &format!("compare {wrong}"));
        assert_eq!(called.code(), 2, "{wrong}");
        assert!(called.stderr.contains(said), "{}", called.stderr);
    }
    let other = wtb(directory.path(), "compare --metric fit_s --json").json();
    assert_eq!((&other["metric"], &other["direction"]), (&json!("fit_s"), &json!("min")));
    let wrong = wtb(directory.path(), "compare --baseline basline");
    assert_eq!(wrong.code(), 2);
    assert!(wrong.stderr.contains("did you mean `baseline`?"), "{}", wrong.stderr);
}

#[test]
fn several_batches_are_compared_by_variant_and_batch() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let line = format!("compare {} {} --json", batch_id(1), batch_id(2));
    let document = wtb(directory.path(), &line).json();
    assert_eq!(document["variants"].as_array().unwrap().len(), 4);
    let twice = wtb(directory.path(), &format!("compare latest {}", batch_id(2)));
    assert_eq!(twice.code(), 2);
}

#[test]
fn events_are_lines_of_text_or_of_json() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    let wide = Caller { width: 130, ..Caller::new(directory.path()) };
    insta::assert_snapshot!(wide.call("events").stdout, @r"
    1  2026-03-01 11:50:01  batch.created           b_040g20  workflow=ml_pipeline variants=2 cases=2 repeats=1 executions=4
    2  2026-03-01 11:50:12  execution.failed        e_2f4chj  attempt=2 node=train error=ValueError message=bad split dead_lette…
    ");
    let narrow = wtb(directory.path(), "events").stdout;
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    let lines = wtb(directory.path(), "events --json --kind execution.*").stdout;
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["kind"], "execution.failed");
    assert_eq!(events[0]["batch_id"], batch_id(1).as_str());
    assert_eq!(events[0]["execution_id"], execution_id(19).as_str());
    assert_eq!(events[0]["data"]["node"], "train");
    assert_eq!(events[0]["at"], "2026-03-01T11:50:12.000000Z");
}

#[test]
fn events_are_selected_by_time_batch_and_sequence() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let count = |line: &str| wtb(directory.path(), line).stdout.lines().count();
    assert_eq!(count("events"), 3);
    assert_eq!(count("events --limit 2"), 2);
    assert_eq!(count("events --after 1"), 2);
    assert_eq!(count(&format!("events --batch {}", batch_id(2))), 1);
    assert_eq!(count("events --since 2026-03-01T11:50:10Z"), 1);
    assert_eq!(count("events --since 1h"), 3);
    assert_eq!(count("events --since 1s"), 0, "{NOW:?}");
    assert_eq!(wtb(directory.path(), "events --kind execution.fail").code(), 2);
}

#[test]
fn gc_removes_what_nothing_names_and_says_how_much() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = finished(directory.path());
    assert_eq!(
        wtb(directory.path(), "gc").stdout,
        "removed 0 objects (0 bytes) and 0 workspaces\n"
    );
    let removed = wtb(directory.path(), "gc --json").json();
    let nothing = json!({"objects": 0, "bytes": 0, "workspaces": 0, "workspaces_kept": 0, "workspaces_failed": []});
    assert_eq!(removed, nothing);
}

#[test]
fn the_gate_ends_with_its_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let _writer = with_stopped(directory.path());
    let gate = |words: &str| wtb(directory.path(), &format!("gate {} {words}", batch_id(1)));
    let open = gate("--baseline baseline");
    assert_eq!(open.code(), 102);
    assert!(open.stdout.starts_with("INCONCLUSIVE: `accuracy` of rf is"), "{}", open.stdout);
    assert_eq!(gate("--baseline baseline --inconclusive pass").code(), 0);
    let document = gate("--baseline baseline --json").json();
    assert_eq!(
        (&document["outcome"], &document["exit_code"]),
        (&json!("inconclusive"), &json!(102))
    );
    let markdown = gate("--baseline baseline --markdown").stdout;
    assert!(markdown.starts_with("### WTB gate: INCONCLUSIVE\n"), "{markdown}");
    let other = gate(&format!("--baseline {} --variant baseline", batch_id(2)));
    assert_eq!(other.code(), 102, "{}", other.stderr);
    for (wrong, said) in [
        ("--baseline basline".to_owned(), "did you mean `baseline`?"),
        (format!("--baseline {}", batch_id(1)), "cannot be measured against itself"),
        ("--baseline baseline --variant baseline".to_owned(), "cannot be measured against itself"),
        ("--baseline baseline --max-regression -1".to_owned(), "from 0 on"),
        (String::new(), "--baseline"),
    ] {
        let called = gate(&wrong);
        assert_eq!(called.code(), 2, "{wrong}");
        assert!(called.stderr.contains(said), "{}", called.stderr);
    }
}

#[test]
fn a_plan_needs_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let called = wtb(directory.path(), "plan --discordant 0.15 --cases 100,1000");
    assert_eq!(called.code(), 0, "{}", called.stderr);
    insta::assert_snapshot!(called.stdout, @r"
    cases  pass  inconclusive  false alarm  caught  missed  detectable
      100    7%           91%           2%     34%      0%       0.110
     1000   37%           61%           2%    100%      0%       0.034
    pass, inconclusive, false alarm: of a candidate that has not changed; caught,
    missed: of one that lost 0.06; detectable: the difference that is found in 80 of
    100 batches; a regression of up to 0.02 passes, at 95 %, if 15 % of cases are
    solved by one of the two alone
    2960 cases pass an unchanged candidate in 80 of 100 batches
    ");
    let line = "plan --deviation 0.5 --noise 0.4 --repeats 1,3 --cases 100 --json";
    let document = wtb(directory.path(), line).json();
    assert_eq!(document["rows"].as_array().unwrap().len(), 2);
    for (wrong, said) in [
        ("plan", "a plan needs a past batch"),
        ("plan --discordant 0.1 --repeats 3", "what repeats would do is not known"),
        ("plan --deviation 0.1 --noise 0.4", "cannot be larger"),
        ("plan --discordant 2", "up to 1"),
    ] {
        let called = wtb(directory.path(), wrong);
        assert_eq!(called.code(), 2, "{wrong}");
        assert!(called.stderr.contains(said), "{}", called.stderr);
    }
}
