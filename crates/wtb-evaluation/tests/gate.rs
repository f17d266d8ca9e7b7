//! The gate: what passes, what is a regression, and what nobody can tell.
#![expect(clippy::cast_precision_loss, reason = "small counts, in tests")]

use wtb_evaluation::comparison::{
    Assumed, CaseInfo, Ended, GateSettings, Measured, MetricInfo, Origin, Outcome, Settings, Table,
    VariantInfo, Verdict, add_objective, assumed, gate,
};
use wtb_model::{Direction, ErrorPolicy};

/// The baseline (place 0) and the candidate (place 1) case by case; `None` is an error.
fn table(values: &[(Option<f64>, Option<f64>)], direction: Direction) -> Table {
    let executions = values.iter().enumerate().flat_map(|(case, (baseline, candidate))| {
        [(0, baseline), (1, candidate)].map(|(variant, value)| Measured {
            variant,
            case,
            repeat: 0,
            ended: if value.is_some() { Ended::Succeeded } else { Ended::WithError },
            duration_s: None,
            tokens: None,
            cost: None,
            scores: value.map(|value| (0, value)).into_iter().collect(),
        })
    });
    let variant = |name: &str| VariantInfo { name: name.to_owned(), factors: Vec::new() };
    Table {
        variants: vec![variant("old"), variant("new")],
        cases: (0..values.len())
            .map(|case| CaseInfo { id: case.to_string(), group: None })
            .collect(),
        metrics: vec![MetricInfo {
            name: "score".to_owned(),
            direction,
            source: "score".to_owned(),
            origins: Vec::new(),
        }],
        executions: executions.collect(),
        notes: Vec::new(),
    }
}

/// Versions of the evaluator that scores.
fn versions(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| ("score".to_owned(), Some((*name).to_owned()))).collect()
}

fn judged(table: &Table, max_regression: f64, error: ErrorPolicy) -> Verdict {
    let statistics = Settings { error, draws: 2_000, ..Settings::default() };
    gate(table, &GateSettings { candidate: 1, baseline: 0, max_regression, statistics })
}

fn outcome(values: &[(Option<f64>, Option<f64>)], max_regression: f64) -> Outcome {
    judged(&table(values, Direction::Max), max_regression, ErrorPolicy::Zero).outcome
}

/// `n` cases of which so many are won and lost by the candidate, and the others solved by both.
fn pairs(n: usize, won: usize, lost: usize) -> Vec<(Option<f64>, Option<f64>)> {
    let pair = |case: usize| match case {
        case if case < won => (Some(0.0), Some(1.0)),
        case if case < won + lost => (Some(1.0), Some(0.0)),
        _ => (Some(1.0), Some(1.0)),
    };
    (0..n).map(pair).collect()
}

#[test]
fn it_passes_regresses_or_leaves_open() {
    assert_eq!(outcome(&pairs(400, 5, 5), 0.05), Outcome::Pass);
    assert_eq!(outcome(&pairs(400, 5, 60), 0.05), Outcome::Regression);
    assert_eq!(outcome(&pairs(60, 3, 5), 0.05), Outcome::Inconclusive);
    // Worse than 0 for sure, but by less than the margin.
    assert_eq!(outcome(&pairs(2_000, 10, 40), 0.05), Outcome::Pass);
    assert_eq!(outcome(&pairs(400, 5, 22), 0.05), Outcome::Inconclusive);
}

#[test]
fn what_was_scored_in_two_ways_is_not_judged() {
    for (won, lost) in [(5, 5), (5, 60)] {
        let reason_of = |table: &Table| {
            let verdict = judged(table, 0.05, ErrorPolicy::Zero);
            assert_eq!(verdict.outcome, Outcome::Inconclusive, "{}", verdict.reason);
            verdict.reason
        };
        let mut table = table(&pairs(400, won, lost), Direction::Max);
        table.metrics[0].origins = vec![("score".to_owned(), None), ("workflow".to_owned(), None)];
        assert!(reason_of(&table).ends_with("but `score` was given by `score` and by `workflow`"));
        table.metrics[0].origins = versions(&["a", "b"]);
        let two = "was scored by 2 versions of evaluator `score`";
        assert!(reason_of(&table).ends_with(&format!("but `score` {two}")));
        add_objective(&mut table, &[("score".to_owned(), 1.0)]).unwrap();
        assert!(reason_of(&table).ends_with(&format!("but `objective` {two}")));
    }
}

#[test]
fn so_few_cases_are_not_judged() {
    let close = |n: usize| -> Vec<_> {
        (0..n).map(|case| (Some(0.8), Some(0.8 + case as f64 * 1e-9))).collect()
    };
    for n in [2, 3, 5] {
        let verdict = judged(&table(&close(n), Direction::Max), 0.9, ErrorPolicy::Zero);
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{}", verdict.reason);
    }
    // Rounding of half the digits is no knowledge of how much cases differ.
    let verdict = judged(&table(&close(8), Direction::Max), 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{}", verdict.reason);
}

#[test]
fn the_surest_confidence_of_many_looks_is_a_number() {
    let statistics =
        Settings { confidence: 1.0 - 1e-16, looks: 20, draws: 200, ..Settings::default() };
    let table = table(&pairs(40, 3, 5), Direction::Max);
    let settings = GateSettings { candidate: 1, baseline: 0, max_regression: 0.02, statistics };
    assert_eq!(gate(&table, &settings).outcome, Outcome::Inconclusive);
}

#[test]
fn errors_are_said() {
    let failed: Vec<_> = (0..60).map(|_| (Some(1.0), None)).collect();
    let verdict = judged(&table(&failed, Direction::Max), 0.05, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Regression);
    let text = "60 of 60 executions of new ended with an error; errors count as 0";
    assert_eq!(verdict.warnings, [text]);
}

#[test]
fn a_few_cases_without_any_difference_do_not_pass() {
    let verdict = judged(&table(&pairs(20, 0, 0), Direction::Max), 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.ci_low.unwrap() < -0.1);
    assert!(verdict.reason.contains("`score` of new is that of old"), "{}", verdict.reason);
    let needed = verdict.cases_needed_if_unchanged.unwrap();
    assert_eq!(outcome(&pairs(needed, 0, 0), 0.02), Outcome::Pass);
    assert_eq!(outcome(&pairs(needed - 2, 0, 0), 0.02), Outcome::Inconclusive);
}

#[test]
fn an_open_question_names_what_would_settle_it() {
    let verdict = judged(&table(&pairs(100, 6, 9), Direction::Max), 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.detectable.unwrap() > 0.05);
    let unchanged = verdict.cases_needed_if_unchanged.unwrap();
    assert!(unchanged > 1_000, "{unchanged}");
    assert!(
        verdict.reason.contains(&format!("{unchanged} cases would pass")),
        "{}",
        verdict.reason
    );
}

#[test]
fn smaller_is_better_where_the_metric_says_so() {
    let slower: Vec<_> =
        (0..60).map(|case| (Some(f64::from(case)), Some(f64::from(case + 5 + case % 3)))).collect();
    let verdict = judged(&table(&slower, Direction::Min), 1.0, ErrorPolicy::Zero);
    assert_eq!((verdict.outcome, verdict.losses), (Outcome::Regression, 60));
    assert!(verdict.reason.contains("6.0000 higher"), "{}", verdict.reason);
    let faster: Vec<_> = slower.iter().map(|(old, new)| (*new, *old)).collect();
    assert_eq!(
        judged(&table(&faster, Direction::Min), 1.0, ErrorPolicy::Zero).outcome,
        Outcome::Pass
    );
}

#[test]
fn errors_count_against_the_candidate_or_keep_it_from_passing() {
    let mut failing = pairs(200, 20, 0);
    for (_, candidate) in &mut failing[100..140] {
        *candidate = None;
    }
    assert_eq!(outcome(&failing, 0.02), Outcome::Regression, "an error is a 0");
    let excluded = judged(&table(&failing, Direction::Max), 0.02, ErrorPolicy::Exclude);
    assert_eq!(excluded.outcome, Outcome::Inconclusive);
    assert!(excluded.reason.contains("40 of its 200 executions ended with an error"));
    let cheap: Vec<_> =
        (0..50).map(|case| (Some(9.0), (case > 9).then_some(f64::from(1 + case % 2)))).collect();
    let cheap = judged(&table(&cheap, Direction::Min), 0.1, ErrorPolicy::Zero);
    assert_eq!(cheap.outcome, Outcome::Inconclusive, "{}", cheap.reason);
}

#[test]
fn a_candidate_without_most_of_its_scores_does_not_pass() {
    let mut unscored = table(&pairs(300, 10, 0), Direction::Max);
    for one in unscored.executions.iter_mut().filter(|one| one.variant == 1 && one.case > 200) {
        one.scores.clear();
    }
    let verdict = judged(&unscored, 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.reason.contains("33 % of its executions have no score"), "{}", verdict.reason);
}

#[test]
fn all_failed_does_not_pass() {
    let verdict = judged(&table(&[(None, None); 300], Direction::Max), 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.reason.contains("none of its executions has a score"), "{}", verdict.reason);
}

#[test]
fn failing_does_not_pass_where_scores_are_below_zero() {
    let values: Vec<_> = (0..60)
        .map(|case| (Some(-1.0 - f64::from(case % 5)), (case < 9).then_some(-0.5)))
        .collect();
    let verdict = judged(&table(&values, Direction::Max), 0.02, ErrorPolicy::Zero);
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{}", verdict.reason);
    assert!(verdict.reason.contains("51 of its 60 executions ended with an error"));
}

#[test]
fn cases_that_one_lacks_are_said() {
    let mut partly = table(&pairs(200, 5, 5), Direction::Max);
    partly.executions.retain(|one| one.variant == 0 || one.case < 150);
    let verdict = judged(&partly, 0.1, ErrorPolicy::Zero);
    assert_eq!((verdict.outcome, verdict.cases), (Outcome::Pass, 150));
    assert_eq!(verdict.warnings, ["the two are compared on 150 of 200 cases"]);
}

/// A baseline of one repeat and a candidate of several, without any difference.
fn unequal(world: u64, cases: usize, repeats: u32, p: f64) -> Table {
    let mut state = world.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut coin = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u8::from(((state >> 11) as f64 / (1_u64 << 53) as f64) < p))
    };
    let mut found = table(&pairs(cases, 0, 0), Direction::Max);
    found.executions.clear();
    for case in 0..cases {
        for (variant, repeats) in [(0, 1), (1, repeats)] {
            found.executions.extend((0..repeats).map(|repeat| Measured {
                variant,
                case,
                repeat,
                ended: Ended::Succeeded,
                duration_s: None,
                tokens: None,
                cost: None,
                scores: vec![(0, coin())],
            }));
        }
    }
    found
}

#[test]
fn a_baseline_with_fewer_repeats_makes_no_regressions() {
    let is_alarm = |world: &u64| {
        let table = unequal(world + 5, 40, 8, 0.95);
        judged(&table, 0.02, ErrorPolicy::Zero).outcome == Outcome::Regression
    };
    let alarms = (0..600).filter(is_alarm).count();
    assert!(alarms <= 27, "{alarms}: at most 2.5 % of 600, and three standard deviations");
}

#[test]
fn without_data_it_says_why() {
    let says = |values: &[(Option<f64>, Option<f64>)], text: &str| {
        let verdict = judged(&table(values, Direction::Max), 0.02, ErrorPolicy::Exclude);
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        assert!(verdict.reason.contains(text), "{}", verdict.reason);
    };
    says(&[], "no case in common");
    says(&[(None, Some(1.0)), (Some(1.0), None)], "no case in common");
    says(&[(Some(10.0), Some(30.0))], "a single case says nothing");
    says(&[(Some(10.0), Some(12.0)); 30], "differs by +2 in each of 30 cases");
    let none = judged(
        &Table { metrics: Vec::new(), ..table(&pairs(9, 1, 1), Direction::Max) },
        0.02,
        ErrorPolicy::Zero,
    );
    assert_eq!(
        (none.outcome, none.reason.as_str()),
        (Outcome::Inconclusive, "no execution has a score")
    );
}

#[test]
fn a_plan_learns_from_the_past() {
    let past = table(&pairs(100, 9, 6), Direction::Max);
    assert_eq!(assumed(&past, 1, 0, ErrorPolicy::Zero), Some(Assumed::Discordant(0.15)));
    let mut repeated = past.clone();
    for one in &past.executions {
        let flipped = f64::from(u8::from(one.case % 4 == 0));
        repeated.executions.push(Measured { repeat: 1, scores: vec![(0, flipped)], ..one.clone() });
    }
    let Some(Assumed::Deviations { between, within: Some(within) }) =
        assumed(&repeated, 1, 0, ErrorPolicy::Zero)
    else {
        panic!("repeats have noise")
    };
    assert!(between >= 0.0 && within > 0.1, "{between} {within}");
}
