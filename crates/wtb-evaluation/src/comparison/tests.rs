use wtb_model::{
    BatchId, CaseRecord, ExecutionId, ExecutionRecord, ExecutionStatus, ID_ENTROPY_BYTES,
    ScoreRecord, StoredValue, Timestamp, VariantRecord,
};

use serde_json::json;

use super::records::{BatchRecords, MetricOptions};
use super::*;

fn execution(number: u8, variant: &str, case: &str, status: ExecutionStatus) -> ExecutionRecord {
    ExecutionRecord {
        id: ExecutionId::from_entropy([number; ID_ENTROPY_BYTES]),
        batch: Some(BatchId::from_entropy([0; ID_ENTROPY_BYTES])),
        workflow: "w".to_owned(),
        variant: variant.to_owned(),
        case_id: case.to_owned(),
        repeat: 0,
        variant_index: 0,
        case_index: 0,
        seed: 0,
        status,
        attempts: 1,
        token: 1,
        dead_letter: false,
        created_at: Timestamp::default(),
        started_at: None,
        finished_at: None,
        duration_us: Some(u64::from(number) * 1_000_000),
        input: None,
        output: None,
        state: None,
        interrupts: None,
        error: None,
        usage: None,
        warnings: Vec::new(),
        settled: true,
        parent: None,
        origin: None,
        lineages: 0,
        from_head: false,
        front: None,
    }
}

fn score(execution: &ExecutionRecord, name: &str, value: f64) -> (ExecutionId, ScoreRecord) {
    let score = ScoreRecord {
        name: name.to_owned(),
        value: Some(value),
        direction: Direction::Max,
        source: name.to_owned(),
        version: None,
        reason: None,
        error: None,
    };
    (execution.id.clone(), score)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[derive(Default)]
struct CompareOptions {
    metric: Option<String>,
    sources: Vec<String>,
    error: ErrorPolicy,
}

fn records(
    variants: &[String],
    executions: &[ExecutionRecord],
    scores: &[(ExecutionId, ScoreRecord)],
) -> BatchRecords {
    let variant = |name: &String| VariantRecord { name: name.clone(), description: json!({}) };
    let mut cases: Vec<_> = executions.iter().map(|one| one.case_id.clone()).collect();
    cases.sort_unstable();
    cases.dedup();
    let case = |id: String| CaseRecord {
        id,
        group: None,
        tags: Vec::new(),
        input: StoredValue::Inline { kind: "null".to_owned(), bytes: [].as_slice().into() },
        expected: None,
        answers: None,
        workspace: None,
    };
    BatchRecords {
        suffix: String::new(),
        variants: variants.iter().map(variant).collect(),
        cases: cases.into_iter().map(case).collect(),
        executions: executions.to_vec(),
        scores: scores.to_vec(),
    }
}

/// Compares what a store would hold.
fn compare(
    variants: &[String],
    executions: &[ExecutionRecord],
    scores: &[(ExecutionId, ScoreRecord)],
    options: &CompareOptions,
) -> Comparison {
    let CompareOptions { metric, sources, error } = options;
    let options = MetricOptions { metric: metric.clone(), sources: sources.clone() };
    let table = records::table(&[records(variants, executions, scores)], &options);
    super::compare(&table, &Settings { error: *error, ..Settings::default() })
}

use ExecutionStatus::{Failed, Succeeded};

#[test]
fn repeats_are_averaged_within_their_case_first() {
    let runs = [
        execution(1, "a", "easy", Succeeded),
        execution(2, "a", "easy", Succeeded),
        execution(3, "a", "easy", Succeeded),
        execution(4, "a", "hard", Succeeded),
    ];
    let scores: Vec<_> =
        runs.iter().zip([1.0, 1.0, 1.0, 0.0]).map(|(run, value)| score(run, "m", value)).collect();
    let line = &compare(&names(&["a"]), &runs, &scores, &CompareOptions::default()).variants[0];
    assert_eq!((line.mean, line.n, line.cases), (Some(0.5), 4, 2));
}

#[test]
fn errors_count_by_the_policy_and_are_always_said() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "a", "y", Failed)];
    let scores = [score(&runs[0], "m", 0.8)];
    let mean = |error| {
        let options = CompareOptions { error, ..CompareOptions::default() };
        let comparison = compare(&names(&["a"]), &runs, &scores, &options);
        assert!(comparison.warnings.iter().any(|text| text.contains("ended with an error")));
        assert!((comparison.variants[0].coverage - 1.0).abs() < 1e-9);
        comparison.variants[0].mean
    };
    assert_eq!(mean(ErrorPolicy::Zero), Some(0.4));
    assert_eq!(mean(ErrorPolicy::Exclude), Some(0.8));
    assert_eq!(mean(ErrorPolicy::Fail), None);
}

#[test]
fn nothing_scored_means_no_best_and_a_reason() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "b", "x", Succeeded)];
    let comparison = compare(&names(&["a", "b"]), &runs, &[], &CompareOptions::default());
    assert_eq!((comparison.metric, comparison.best), (None, None));
    assert!(comparison.warnings[0].contains("no execution has a score"));
}

#[test]
fn a_tie_has_no_single_best() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "b", "x", Succeeded)];
    let scores = [score(&runs[0], "m", 0.5), score(&runs[1], "m", 0.5)];
    let comparison = compare(&names(&["a", "b"]), &runs, &scores, &CompareOptions::default());
    assert_eq!(comparison.best, None);
    assert_eq!(comparison.best_set, ["a", "b"]);
}

#[test]
fn smaller_is_better_where_the_metric_says_so() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "b", "x", Succeeded)];
    let mut scores = [score(&runs[0], "m", 3.0), score(&runs[1], "m", 2.0)];
    for (_, score) in &mut scores {
        score.direction = Direction::Min;
    }
    let comparison = compare(&names(&["a", "b"]), &runs, &scores, &CompareOptions::default());
    assert_eq!((comparison.leader.as_deref(), comparison.best), (Some("b"), None));
}

#[test]
fn the_named_metric_is_primary_then_the_first_evaluators() {
    let runs = [execution(1, "a", "x", Succeeded)];
    let mut logged = score(&runs[0], "logged", 1.0);
    ScoreRecord::WORKFLOW.clone_into(&mut logged.1.source);
    let scores = [logged, score(&runs[0], "judged", 0.0)];
    let primary = |metric: Option<&str>, sources: &[&str]| {
        let options = CompareOptions {
            metric: metric.map(str::to_owned),
            sources: names(sources),
            ..CompareOptions::default()
        };
        compare(&names(&["a"]), &runs, &scores, &options).metric
    };
    assert_eq!(primary(None, &["judged"]).as_deref(), Some("judged"));
    assert_eq!(primary(None, &[]).as_deref(), Some("logged"));
    assert_eq!(primary(Some("logged"), &["judged"]).as_deref(), Some("logged"));
}

#[test]
fn durations_are_of_successes_only() {
    let runs = [
        execution(1, "a", "x", Succeeded),
        execution(3, "a", "y", Succeeded),
        execution(100, "a", "z", Failed),
    ];
    let comparison = compare(&names(&["a"]), &runs, &[], &CompareOptions::default());
    let expected = Quantiles { median: 2.0, p95: 3.0, total: 4.0 };
    assert_eq!(comparison.variants[0].duration_s, Some(expected));
}

#[test]
fn a_variant_whose_failures_are_left_out_is_not_best() {
    let runs = [
        execution(1, "steady", "x", Succeeded),
        execution(2, "steady", "y", Succeeded),
        execution(3, "lucky", "x", Succeeded),
        execution(4, "lucky", "y", Failed),
    ];
    let values = [(0, 10.0), (1, 10.0), (2, 1.0)];
    let mut scores: Vec<_> =
        values.iter().map(|(run, value)| score(&runs[*run], "cost", *value)).collect();
    for (_, score) in &mut scores {
        score.direction = Direction::Min;
    }
    let compared =
        compare(&names(&["steady", "lucky"]), &runs, &scores, &CompareOptions::default());
    assert_eq!(compared.best, None);
    let options = CompareOptions { error: ErrorPolicy::Exclude, ..CompareOptions::default() };
    for (_, score) in &mut scores {
        score.direction = Direction::Max;
        score.value = score.value.map(|value| -value);
    }
    assert_eq!(compare(&names(&["steady", "lucky"]), &runs, &scores, &options).best, None);
}

#[test]
fn of_one_name_the_first_evaluators_values_count_and_the_clash_is_said() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "b", "x", Succeeded)];
    let mut logged = score(&runs[0], "cost", 10.0);
    logged.1.source = ScoreRecord::WORKFLOW.to_owned();
    logged.1.direction = Direction::Min;
    let scores = [score(&runs[0], "cost", 3.0), logged, score(&runs[1], "cost", 4.0)];
    let options = CompareOptions { sources: names(&["cost"]), ..CompareOptions::default() };
    let compared = compare(&names(&["a", "b"]), &runs, &scores, &options);
    assert_eq!(compared.variants[0].mean, Some(3.0));
    assert_eq!((compared.direction, compared.leader.as_deref()), (Direction::Max, Some("b")));
    assert!(compared.warnings.iter().any(|text| text.contains("and by `workflow`")));
}

#[test]
fn the_first_evaluator_stays_primary_when_it_always_fails() {
    let runs = [execution(1, "a", "x", Succeeded), execution(2, "b", "x", Succeeded)];
    let mut broken = score(&runs[0], "judge", 0.0);
    broken.1.value = None;
    broken.1.error = Some("KeyError: 'answer'\nmore".to_owned());
    let scores = [broken, score(&runs[0], "length", 1.0), score(&runs[1], "length", 2.0)];
    let options =
        CompareOptions { sources: names(&["judge", "length"]), ..CompareOptions::default() };
    let compared = compare(&names(&["a", "b"]), &runs, &scores, &options);
    assert_eq!((compared.metric.as_deref(), compared.best), (Some("judge"), None));
    let said = compared.warnings.join("; ");
    assert!(said.contains("evaluator `judge` failed once with KeyError: 'answer';"));
    assert!(said.contains("no execution has a score `judge`"));
}

#[test]
fn failures_alone_give_a_mean_only_where_nothing_succeeded() {
    let runs = [
        execution(1, "silent", "x", Succeeded),
        execution(2, "silent", "y", Failed),
        execution(3, "broken", "x", Failed),
        execution(4, "fine", "x", Succeeded),
    ];
    let scores = [score(&runs[3], "m", 1.0)];
    let variants = names(&["silent", "broken", "fine"]);
    let compared = compare(&variants, &runs, &scores, &CompareOptions::default());
    let means: Vec<_> = compared.variants.iter().map(|line| line.mean).collect();
    assert_eq!(means, [None, Some(0.0), Some(1.0)]);
}
