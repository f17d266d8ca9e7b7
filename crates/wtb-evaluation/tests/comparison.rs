//! Comparisons of plain tables: what they say of good data, and of data that says nothing.
#![expect(clippy::cast_precision_loss, clippy::unwrap_used, reason = "small counts, in tests")]

use proptest::prelude::*;
use wtb_evaluation::comparison::{
    CaseInfo, Comparison, Ended, Measured, MetricInfo, OBJECTIVE, ObjectiveError, Origin, Settings,
    Table, VariantInfo, add_objective, compare,
};
use wtb_model::{Direction, ErrorPolicy};

/// A table of `values[variant][case]`, each with its repeats; an empty case is an error.
fn table(values: &[Vec<Vec<f64>>]) -> Table {
    let cases = values.iter().map(Vec::len).max().unwrap_or(0);
    let mut executions = Vec::new();
    for (variant, own) in values.iter().enumerate() {
        for (case, repeats) in own.iter().enumerate() {
            let measured = |repeat, ended, scores| Measured {
                variant,
                case,
                repeat,
                ended,
                duration_s: Some(1.0 + variant as f64),
                tokens: None,
                cost: None,
                scores,
            };
            if repeats.is_empty() {
                executions.push(measured(0, Ended::WithError, Vec::new()));
            }
            for (repeat, value) in repeats.iter().enumerate() {
                let repeat = u32::try_from(repeat).unwrap();
                executions.push(measured(repeat, Ended::Succeeded, vec![(0, *value)]));
            }
        }
    }
    Table {
        variants: (0..values.len())
            .map(|place| VariantInfo { name: name(place), factors: Vec::new() })
            .collect(),
        cases: (0..cases).map(|case| CaseInfo { id: format!("c{case}"), group: None }).collect(),
        metrics: vec![MetricInfo {
            name: "accuracy".to_owned(),
            direction: Direction::Max,
            source: "accuracy".to_owned(),
            origins: Vec::new(),
        }],
        executions,
        notes: Vec::new(),
    }
}

/// Versions of the evaluator that scores.
fn versions(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| ("accuracy".to_owned(), Some((*name).to_owned()))).collect()
}

fn name(place: usize) -> String {
    if place == 0 { "baseline".to_owned() } else { format!("v{place}") }
}

/// `count` cases with one value each, the first `ones` of them 1.
fn binary(ones: usize, count: usize) -> Vec<Vec<f64>> {
    (0..count).map(|case| vec![f64::from(u8::from(case < ones))]).collect()
}

fn compared(values: &[Vec<Vec<f64>>]) -> Comparison {
    compare(&table(values), &Settings { draws: 2_000, ..Settings::default() })
}

fn says(comparison: &Comparison, text: &str) -> bool {
    comparison.warnings.iter().any(|warning| warning.contains(text))
}

#[test]
fn a_clear_winner_is_called_best_and_the_others_are_not() {
    let found = compared(&[binary(40, 100), binary(45, 100), binary(70, 100)]);
    assert_eq!(found.best.as_deref(), Some("v2"));
    assert_eq!(found.best_set, ["v2"]);
    let line = &found.variants[2];
    assert_eq!((line.method, line.cases), ("wilson", 100));
    assert!(line.p_best.unwrap() > 0.999);
    let versus = line.vs_baseline.as_ref().unwrap();
    assert_eq!((versus.wins, versus.ties, versus.losses), (30, 70, 0));
    assert_eq!((versus.test, versus.method), ("mcnemar (exact)", "tango"));
    assert!(versus.ci_low.unwrap() > 0.2 && versus.ci_high.unwrap() < 0.4);
    assert!(versus.p_adjusted <= 2.0 * versus.p_value && versus.p_adjusted < 1e-6);
    assert_eq!(versus.cases_needed, None, "it is settled");
    assert!(found.variants[0].vs_baseline.is_none());
}

#[test]
fn what_chance_could_have_done_is_a_tie_with_what_would_settle_it() {
    let found = compared(&[binary(40, 60), binary(43, 60)]);
    assert_eq!(found.best, None);
    assert_eq!(found.best_set, ["baseline", "v1"]);
    let versus = found.variants[1].vs_baseline.as_ref().unwrap();
    assert!(versus.ci_low.unwrap() < 0.0 && versus.detectable.unwrap() > versus.difference);
    assert!(versus.cases_needed.unwrap() > 60);
    let total: f64 = found.variants.iter().filter_map(|line| line.p_best).sum();
    assert!((total - 1.0).abs() < 1e-9);
}

#[test]
fn repeats_are_no_cases() {
    let few = |p: f64| (0..4).map(|_| vec![p; 50]).collect::<Vec<_>>();
    let found = compared(&[few(0.0), few(1.0)]);
    assert_eq!(found.best, None, "four cases say little, however often they are repeated");
    assert!(says(&found, "4 cases are too few"), "{:?}", found.warnings);
}

#[test]
fn data_that_say_nothing_are_never_a_confident_answer() {
    let nothing = compare(&Table::default(), &Settings::default());
    assert!(nothing.best.is_none() && says(&nothing, "no execution has a score"));
    let one_case = compared(&[binary(0, 1), binary(1, 1)]);
    assert!(one_case.best.is_none() && says(&one_case, "1 case is too few"));
    let width = |found: &Comparison| {
        let line = &found.variants[1];
        line.ci_high.unwrap() - line.ci_low.unwrap()
    };
    assert!(width(&one_case) > 0.7);
    let one_variant = compared(&[binary(7, 10)]);
    assert!(one_variant.best.is_none() && one_variant.best_set.is_empty());
    let equal = compared(&[binary(10, 10), binary(10, 10)]);
    assert_eq!((equal.best.as_ref(), equal.best_set.len()), (None, 2));
    assert!(width(&equal) > 0.2, "ten of ten is not certainty");
    let versus = equal.variants[1].vs_baseline.as_ref().unwrap();
    assert!(versus.ci_low.unwrap() < -0.2 && versus.p_value > 0.999);
}

#[test]
fn all_failed_is_said_and_nobody_is_best() {
    let failed = |count: usize| vec![Vec::new(); count];
    let found = compared(&[failed(20), failed(20)]);
    assert_eq!((found.best.as_ref(), found.variants[0].mean), (None, Some(0.0)));
    assert!(says(&found, "40 of the executions ended with an error; errors count as 0"));
    let excluded = compare(
        &table(&[failed(9), failed(9)]),
        &Settings { error: ErrorPolicy::Exclude, ..Settings::default() },
    );
    assert_eq!((excluded.best.as_ref(), excluded.variants[0].mean), (None, None));
}

#[test]
fn equal_values_without_a_known_range_have_no_interval() {
    let flat = || (0..20).map(|_| vec![12.5]).collect::<Vec<_>>();
    let found = compared(&[flat(), flat()]);
    let line = &found.variants[1];
    assert_eq!((line.ci_low, line.method), (None, "none: all alike"));
    let versus = line.vs_baseline.as_ref().unwrap();
    assert_eq!((versus.ci_low, versus.method, versus.p_value), (None, "none: all alike", 1.0));
}

#[test]
fn variants_are_compared_on_the_cases_of_both() {
    let mut partly = binary(30, 40);
    partly.truncate(25);
    let mut table = table(&[binary(10, 40), partly]);
    table.executions.retain(|one| one.variant == 1 || one.case >= 5);
    let found = compare(&table, &Settings::default());
    let versus = found.variants[1].vs_baseline.as_ref().unwrap();
    assert_eq!((versus.cases, versus.wins), (20, 15));
    assert!(says(&found, "on the 20 cases that both have"), "{:?}", found.warnings);
    table.executions.retain(|one| (one.variant == 1) == (one.case < 20));
    let found = compare(&table, &Settings::default());
    assert!(found.variants[1].vs_baseline.is_none() && found.best.is_none());
    assert!(says(&found, "no case in common"), "{:?}", found.warnings);
}

#[test]
fn who_has_few_cases_does_not_take_part() {
    let mut table = table(&[binary(10, 40), binary(39, 40), binary(40, 40)]);
    table.executions.retain(|one| one.variant != 2 || one.case < 10);
    let found = compare(&table, &Settings::default());
    assert_eq!((found.best.as_deref(), found.contest_cases), (Some("v1"), 40));
    assert!(!found.variants[2].competes && found.variants[2].p_best.is_none());
    assert!(says(&found, "v2 has too few cases"));
}

#[test]
fn errors_that_decide_are_said() {
    let mut flaky = binary(60, 60);
    for case in &mut flaky[..25] {
        case.clear();
    }
    let found = compared(&[binary(50, 60), flaky]);
    assert_eq!(found.best.as_deref(), Some("baseline"));
    let excluded = &found.sensitivity[0];
    assert_eq!((excluded.error, excluded.best.as_deref()), (ErrorPolicy::Exclude, Some("v1")));
    assert!(says(&found, "if errors were left out, the best would be among: v1"));
    let settings = Settings { error: ErrorPolicy::Exclude, ..Settings::default() };
    let mut flaky = binary(60, 60);
    flaky[..25].iter_mut().for_each(Vec::clear);
    let found = compare(&table(&[binary(50, 60), flaky]), &settings);
    assert_eq!((found.best.as_ref(), found.best_set.len()), (None, 1));
    assert!(says(&found, "v1 is not called best: its errors are left out"));
}

#[test]
fn rounding_is_no_difference() {
    let repeats = |own: [f64; 3]| vec![own.to_vec(); 40];
    let found = compared(&[repeats([0.1, 0.2, 0.3]), repeats([0.3, 0.2, 0.1])]);
    let versus = found.variants[1].vs_baseline.as_ref().unwrap();
    assert_eq!((versus.ties, versus.p_value > 0.999), (40, true));
    assert_eq!((found.best.as_ref(), found.best_set.len()), (None, 2));
    assert!((found.variants[0].p_best.unwrap() - 0.5).abs() < 0.1);
}

#[test]
fn values_that_cannot_be_squared_are_left_out_and_large_ones_are_not() {
    let huge = compared(&[vec![vec![1.7e308]; 9], vec![vec![-1.7e308]; 9]]);
    assert_eq!((huge.best.as_ref(), huge.variants[0].mean), (None, None));
    assert!(says(&huge, "18 scores are beyond 1e100"), "{:?}", huge.warnings);
    let values =
        |shift: f64| (0..30).map(|case| vec![1e60 * (f64::from(case % 7) + shift)]).collect();
    let large = compared(&[values(0.0), values(5.0)]);
    assert_eq!(large.best.as_deref(), Some("v1"));
    let line = &large.variants[1];
    assert!(line.ci_low.unwrap() < line.mean.unwrap() && line.ci_high.unwrap().is_finite());
}

#[test]
fn failing_is_no_reward_where_scores_are_below_zero() {
    let losses =
        |count: usize| (0..count).map(|case| vec![-1.0 - (case % 5) as f64]).collect::<Vec<_>>();
    let mut failing = losses(40);
    failing.iter_mut().for_each(Vec::clear);
    let found = compared(&[losses(40), failing]);
    assert_eq!((found.best.as_ref(), found.variants[1].mean), (None, None));
    assert!(says(&found, "since some scores are below 0"), "{:?}", found.warnings);
}

#[test]
fn who_lacks_scores_is_not_called_best() {
    let mut table = table(&[binary(20, 60), binary(60, 60)]);
    for one in table.executions.iter_mut().filter(|one| one.variant == 1 && one.case > 40) {
        one.scores.clear();
    }
    let found = compare(&table, &Settings::default());
    assert_eq!((found.best.as_ref(), found.best_set.len()), (None, 1));
    assert!(says(&found, "or its scores are missing"), "{:?}", found.warnings);
}

#[test]
fn groups_are_what_is_counted() {
    let mut grouped = table(&[binary(100, 200), binary(150, 200)]);
    assert_eq!(compare(&grouped, &Settings::default()).best.as_deref(), Some("v1"));
    for (place, case) in grouped.cases.iter_mut().enumerate() {
        case.group = Some(format!("g{}", place / 50));
    }
    let found = compare(&grouped, &Settings::default());
    assert_eq!((found.best, found.variants[0].units), (None, 4));
    assert!(found.warnings.iter().any(|text| text.contains("4 groups of cases are too few")));
}

#[test]
fn regressions_are_what_losses_are() {
    // Rounding is none, and the largest come first.
    let baseline = vec![vec![0.1, 0.2, 0.3], vec![1.0], vec![1.0], vec![0.5]];
    let other = vec![vec![0.3, 0.2, 0.1], vec![0.75], vec![0.0], vec![0.6]];
    let found = compared(&[baseline, other]);
    let named: Vec<_> = found
        .regressions
        .iter()
        .map(|one| (one.case_id.as_str(), one.baseline, one.mean))
        .collect();
    assert_eq!(named, [("c2", 1.0, 0.0), ("c1", 1.0, 0.75)]);
    assert_eq!(found.variants[1].vs_baseline.as_ref().unwrap().losses, 2);
    // A variant that fails has lost what counts as 0; one without any score and one on other cases have not.
    let fails = vec![vec![1.0], vec![], vec![1.0]];
    let found = compared(&[binary(3, 3), fails, vec![vec![], vec![], vec![], vec![0.0]]]);
    let named: Vec<_> =
        found.regressions.iter().map(|one| (&*one.variant, &*one.case_id)).collect();
    assert_eq!(named, [("v1", "c1"), ("v2", "c0"), ("v2", "c1"), ("v2", "c2")]);
}

#[test]
fn scores_of_several_versions_are_said() {
    let mut table = table(&[binary(3, 9), binary(5, 9)]);
    table.metrics[0].origins = versions(&["a", "b"]);
    let found = compare(&table, &Settings::default());
    assert!(says(&found, "`accuracy` was scored by 2 versions of evaluator `accuracy`"));
}

#[test]
fn that_a_few_cases_decide_is_said() {
    let cheap = |case: usize| vec![1.0 + f64::from(u8::from(case.is_multiple_of(3))) / 10.0];
    let cost = |case: usize| if case < 2 { vec![90.0] } else { cheap(case + 1) };
    let found = compared(&[(0..30).map(cheap).collect(), (0..30).map(cost).collect()]);
    assert!(
        says(&found, "a few cases decide the difference of v1 to baseline"),
        "{:?}",
        found.warnings
    );
    let versus = found.variants[1].vs_baseline.as_ref().unwrap();
    assert!(versus.skewness > 3.0, "{}", versus.skewness);
    let steady = |case: usize| vec![1.5 + (case % 5) as f64 / 10.0];
    let found = compared(&[(0..30).map(cheap).collect(), (0..30).map(steady).collect()]);
    assert!(!says(&found, "a few cases decide"), "{:?}", found.warnings);
}

#[test]
fn a_few_units_that_all_differ_have_students_interval() {
    let values = [0.55, 0.75, 0.8].map(|value| vec![value]).to_vec();
    let found = compared(&[values]);
    assert_eq!(found.variants[0].method, "t");
    let alike = [0.75, 0.75, 0.8].map(|value| vec![value]).to_vec();
    assert_eq!(compared(&[alike]).variants[0].method, "score of units");
}

#[test]
fn a_thousand_variants_are_compared() {
    let value = |variant: usize, case: usize| ((variant * 31 + case * 17) as f64).sin().abs();
    let values: Vec<Vec<Vec<f64>>> = (0..1_000)
        .map(|variant| {
            let better = if variant == 500 { 0.7 } else { 0.0 };
            (0..30).map(|case| vec![value(variant, case) + better]).collect()
        })
        .collect();
    let found = compare(&table(&values), &Settings { draws: 500, ..Settings::default() });
    assert_eq!(found.leader.as_deref(), Some("v500"));
    assert!(found.best_set.len() < 1_000 && found.variants[500].ranks.is_empty());
}

#[test]
fn a_resource_is_a_ratio_to_the_baseline() {
    let found = compared(&[binary(5, 10), binary(6, 10)]);
    let ratio = found.variants[1].vs_baseline.as_ref().unwrap().ratios["duration_s"];
    assert!((ratio.ratio - 2.0).abs() < 1e-9 && ratio.cases == 10);
    assert_eq!(found.pareto["duration_s"], ["baseline", "v1"]);
}

#[test]
fn an_objective_weighs_metrics_and_resources() {
    let mut weighed = table(&[binary(5, 10), binary(9, 10)]);
    let weights = [("accuracy".to_owned(), 1.0), ("duration_s".to_owned(), -0.5)];
    add_objective(&mut weighed, &weights).unwrap();
    let found = compare(&weighed, &Settings::default());
    assert_eq!(found.metric.as_deref(), Some(OBJECTIVE));
    assert!((found.variants[0].mean.unwrap() - 0.0).abs() < 1e-12);
    assert!((found.variants[1].mean.unwrap() - (0.9 - 1.0)).abs() < 1e-12);
    assert_eq!(found.variants[1].metrics["accuracy"], Some(0.9));
    let wrong = add_objective(&mut weighed, &[("acuracy".to_owned(), 1.0)]);
    assert!(matches!(wrong, Err(ObjectiveError::UnknownMetric { .. })));
}

#[test]
fn the_same_values_give_the_same_answer() {
    let values = [binary(20, 50), binary(28, 50), binary(33, 50)];
    assert_eq!(compared(&values), compared(&values));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_the_values_every_figure_is_one(
        values in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(-1e6..1e6_f64, 0..4), 0..9), 1..5
        ),
        scale in prop::sample::select(vec![1.0, 1e-9, 1e9, 0.0])
    ) {
        let values: Vec<Vec<Vec<f64>>> = values
            .into_iter()
            .map(|own| own.into_iter().map(|one| one.into_iter().map(|v| v * scale).collect()).collect())
            .collect();
        let found = compare(&table(&values), &Settings { draws: 200, ..Settings::default() });
        for line in &found.variants {
            let figures = [line.mean, line.ci_low, line.ci_high, line.p_best];
            prop_assert!(figures.iter().flatten().all(|one| one.is_finite()));
            if let (Some(low), Some(mean), Some(high)) = (line.ci_low, line.mean, line.ci_high) {
                let slack = 1e-9 * mean.abs().max(1.0);
                prop_assert!(low <= mean + slack && mean <= high + slack, "{low} {mean} {high}");
            }
            if let Some(versus) = &line.vs_baseline {
                prop_assert!((0.0..=1.0).contains(&versus.p_value));
                prop_assert!(versus.p_adjusted >= versus.p_value && versus.p_adjusted <= 1.0);
                prop_assert_eq!(versus.wins + versus.ties + versus.losses, versus.cases);
                prop_assert!(versus.detectable.is_none_or(f64::is_finite));
            }
        }
        if let Some(best) = &found.best {
            prop_assert_eq!(found.leader.as_ref(), Some(best));
        }
    }
}
