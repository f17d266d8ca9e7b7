//! Histories as trees.

use serde_json::{Value, json};

use super::*;
use crate::text::Style;

/// A checkpoint of the graph itself, `seconds` after noon, that changed `answer`.
fn step(id: &str, parent: Option<&str>, at: &str, node: Option<&str>, seconds: u32) -> Value {
    json!({
        "at": at, "id": id, "parent": parent, "root": id, "lineages": [1], "path": "",
        "source": if node.is_some() { "loop" } else { "input" },
        "nodes": node.into_iter().collect::<Vec<_>>(), "next": [], "changes": ["answer"],
        "created_at": format!("2026-03-01T12:00:{seconds:02}+00:00"), "is_head": false,
        "interrupts": [],
    })
}

/// The same with some keys set to something else.
fn with(mut step: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        step[key] = value.clone();
    }
    step
}

fn rendered(lineages: u32, checkpoints: &[Value], verbose: bool) -> String {
    let history = serde_json::from_value(json!({
        "id": "e_2f4chj68s34chj68", "status": "paused", "variant": "baseline", "case": "ada",
        "parent": null, "lineages": lineages, "checkpoints": checkpoints,
    }));
    render(&history.unwrap(), verbose, 80, Style::plain())
}

#[test]
fn a_line_for_each_checkpoint_and_the_head_marked() {
    let inner = json!({"at": null, "path": "plan", "root": "a", "changes": ["draft"]});
    let steps = [
        with(step("a", None, "-1", None, 0), &json!({"changes": []})),
        with(step("x", None, "-", Some("think"), 1), &inner),
        with(
            step("b", Some("a"), "0", Some("plan"), 2),
            &json!({
                "is_head": true, "next": ["ask", "tell"],
                "interrupts": [{"id": "0123456789abcdef", "value": {"sure?": true}}],
                "values": {"answer": "yes", "long": "x".repeat(200)},
            }),
        ),
    ];
    let text = rendered(1, &steps, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text, @r#"
    execution e_2f4chj68s34chj68
      cell      baseline / ada

      step  after         changed  time
      -1    input         -         0us
            · plan/think  draft    1.0s
    * 0     plan          answer   2.0s
          answer = "yes"
          long = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
    * where it stands: paused, next: ask, tell
      asks 01234567: {"sure?":true}
    "#);
}

#[test]
fn lineages_part_where_it_was_rolled_back() {
    let second = json!({"lineages": [2, 3]});
    let third = json!({"lineages": [3]});
    let steps = [
        with(step("a", None, "0", None, 0), &json!({"lineages": [1, 2, 3]})),
        step("b1", Some("a"), "1/1", Some("retrieve"), 1),
        step("c1", Some("b1"), "1/2", Some("answer"), 2),
        with(step("b2", Some("a"), "1", Some("retrieve"), 3), &second),
        with(step("c2", Some("b2"), "2/2", Some("answer"), 4), &json!({"lineages": [2]})),
        with(step("c3", Some("b2"), "2", Some("update"), 5), &third),
        with(
            step("d3", Some("c3"), "3", Some("answer"), 6),
            &json!({
                "lineages": [3], "is_head": true, "values": {"answer": 3},
            }),
        ),
    ];
    insta::assert_snapshot!(rendered(3, &steps, false), @r"
    execution e_2f4chj68s34chj68
      cell      baseline / ada
      lineage   3 of 3

      step       after     changed  time
      0          input     answer    0us
    ├─ lineage 1
    │    1/1     retrieve  answer   1.0s
    │    1/2     answer    answer   2.0s
    └─ lineages 2, 3
         1       retrieve  answer   3.0s
       ├─ lineage 2
       │    2/2  answer    answer   4.0s
       └─ lineage 3
            2    update    answer   5.0s
          * 3    answer    answer   6.0s
                answer = 3
    * where it stands: paused
    ");
}

#[test]
fn what_a_subgraph_did_stands_in_the_branch_that_it_did_it_in() {
    let inner =
        |number: u32| json!({"at": null, "path": "plan", "root": "a", "lineages": [number]});
    let steps = [
        with(step("a", None, "0", None, 0), &json!({"lineages": [1, 2], "is_head": true})),
        with(step("x1", None, "-", Some("think"), 1), &inner(1)),
        step("b1", Some("a"), "1/1", Some("plan"), 2),
        with(step("x2", None, "-", Some("think"), 3), &inner(2)),
    ];
    insta::assert_snapshot!(rendered(2, &steps, false), @r"
    execution e_2f4chj68s34chj68
      cell      baseline / ada
      lineage   2 of 2

      step    after         changed  time
    * 0       input         answer    0us
    ├─ lineage 1
    │         · plan/think  answer   1.0s
    │    1/1  plan          answer   2.0s
    └─ lineage 2
              · plan/think  answer   3.0s
    * where it stands: paused
    ");
}

#[test]
fn what_began_anew_has_a_beginning_of_its_own_and_ids_are_there_on_request() {
    let steps = [
        step("a1", None, "1/0", None, 0),
        with(step("a2", None, "0", None, 1), &json!({"lineages": [2], "is_head": true})),
    ];
    insta::assert_snapshot!(rendered(2, &steps, true), @r"
    execution e_2f4chj68s34chj68
      cell      baseline / ada
      lineage   2 of 2

      step    after  changed  time  checkpoint
    ├─ lineage 1
    │    1/0  input  answer    0us  a1
    └─ lineage 2
       * 0    input  answer   1.0s  a2
    * where it stands: paused
    ");
}
