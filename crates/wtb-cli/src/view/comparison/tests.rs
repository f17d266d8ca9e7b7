use wtb_engine::comparison::{
    CaseInfo, Ended, Measured, MetricInfo, Settings, Table, VariantInfo, compare,
};
use wtb_model::Direction;

use super::*;

const METRICS: [(&str, Direction); 3] =
    [("accuracy", Direction::Max), ("macro_f1", Direction::Max), ("fit_time_s", Direction::Min)];

/// Variants with, of 24 cases, so many successes, the last ones, and so many errors, the first ones.
fn comparison(variants: &[(&str, usize, usize)], metrics: usize) -> Comparison {
    let executions = variants.iter().enumerate().flat_map(|(variant, (_, successes, errors))| {
        (0..24).map(move |case| {
            let is_error = case < *errors;
            let hit = f64::from(u8::from(case >= 24 - successes));
            let scores = [(0, hit), (1, 0.9 * hit), (2, 12.5)];
            Measured {
                variant,
                case,
                repeat: 0,
                ended: if is_error { Ended::WithError } else { Ended::Succeeded },
                duration_s: Some(if case == 23 { 1.5 } else { 0.0123 }),
                tokens: None,
                cost: None,
                scores: if is_error { Vec::new() } else { scores[..metrics].to_vec() },
            }
        })
    });
    let variant = |(name, ..): &(&str, usize, usize)| VariantInfo {
        name: (*name).to_owned(),
        factors: Vec::new(),
    };
    let metric = |(name, direction): &(&str, Direction)| MetricInfo {
        name: (*name).to_owned(),
        direction: *direction,
        source: (*name).to_owned(),
        origins: Vec::new(),
    };
    let table = Table {
        variants: variants.iter().map(variant).collect(),
        cases: (0..24).map(|case| CaseInfo { id: case.to_string(), group: None }).collect(),
        metrics: METRICS[..metrics].iter().map(metric).collect(),
        executions: executions.collect(),
        notes: Vec::new(),
    };
    compare(&table, &Settings::default())
}

fn three() -> Comparison {
    let long = "train=rf,features=all,calibration=isotonic";
    comparison(&[("baseline", 9, 0), (long, 22, 1), ("train=broken", 0, 24)], 3)
}

fn assert_fits(text: &str, limit: usize) {
    assert!(text.lines().all(|line| crate::text::width(line) <= limit), "{text}");
}

#[test]
fn at_eighty_columns_names_wrap_and_blocks_move_down() {
    let text = render(&three(), 80, Style::plain());
    assert_fits(&text, 80);
    insta::assert_snapshot!(text, @r"
       variant             accuracy            95% CI  P(best)   n  coverage  errors
       baseline              0.3750  [0.2116, 0.5729]     0.00  24      100%       0
    *  train=rf,             0.9167  [0.7415, 0.9768]     1.00  24      100%       1
       features=all,
       calibration=isoton
       ic
       train=broken          0.0000  [0.0000, 0.1380]     0.00  24      100%      24

       variant               difference              95% CI  p (Holm)  won/tied/lost
       baseline                       -                   -         -              -
    *  train=rf,                +0.5417  [+0.3290, +0.7211]     <.001        13/11/0
       features=all,
       calibration=isotonic
       train=broken             -0.3750  [-0.5729, -0.1853]     0.004         0/15/9

       variant                                    median   p95  macro_f1  fit_time_s
       baseline                                     12ms  12ms    0.3375      12.500
    *  train=rf,features=all,                       12ms  12ms    0.8250      12.500
       calibration=isotonic
       train=broken                                    -     -    0.0000           -
    accuracy: mean over cases, higher is better; differences are to baseline, case
    by case; lower is better for fit_time_s
    * best: train=rf,features=all,calibration=isotonic, better than the 2 others at
    95 %
    not beaten in both accuracy and time: train=rf,features=all,calibration=isotonic
    warning: 25 of the executions ended with an error; errors count as 0
    ");
}

#[test]
fn a_wide_terminal_has_everything_in_one_table() {
    insta::assert_snapshot!(render(&three(), 210, Style::plain()), @r"
       variant                                     accuracy            95% CI  P(best)   n  coverage  errors  difference              95% CI  p (Holm)  won/tied/lost  median   p95  macro_f1  fit_time_s
       baseline                                      0.3750  [0.2116, 0.5729]     0.00  24      100%       0           -                   -         -              -    12ms  12ms    0.3375      12.500
    *  train=rf,features=all,calibration=isotonic    0.9167  [0.7415, 0.9768]     1.00  24      100%       1     +0.5417  [+0.3290, +0.7211]     <.001        13/11/0    12ms  12ms    0.8250      12.500
       train=broken                                  0.0000  [0.0000, 0.1380]     0.00  24      100%      24     -0.3750  [-0.5729, -0.1853]     0.004         0/15/9       -     -    0.0000           -
    accuracy: mean over cases, higher is better; differences are to baseline, case by case; lower is better for fit_time_s
    * best: train=rf,features=all,calibration=isotonic, better than the 2 others at 95 %
    not beaten in both accuracy and time: train=rf,features=all,calibration=isotonic
    warning: 25 of the executions ended with an error; errors count as 0
    ");
}

#[test]
fn what_is_not_settled_is_called_so_with_what_would_settle_it() {
    let text = render(&comparison(&[("baseline", 14, 0), ("b", 17, 0)], 1), 80, Style::plain());
    assert_fits(&text, 80);
    insta::assert_snapshot!(text, @r"
       variant   accuracy            95% CI  P(best)   n  coverage  errors
    *  baseline    0.5833  [0.3883, 0.7553]     0.04  24      100%       0
    *  b           0.7083  [0.5083, 0.8509]     0.96  24      100%       0

       variant   difference              95% CI  p (Holm)  won/tied/lost
    *  baseline           -                   -         -              -
    *  b            +0.1250  [-0.0302, +0.3100]     0.250         3/21/0

       variant   median   p95
    *  baseline    12ms  12ms
    *  b           12ms  12ms
    accuracy: mean over cases, higher is better; differences are to baseline, case
    by case
    * no best: no variant can be told apart from another at 95 %
    b and baseline are not settled: 24 cases can show a difference of 0.2017; 36
    more cases would show one of this size
    not beaten in both accuracy and time: b
    ");
}

#[test]
fn without_scores_nothing_is_best() {
    let text = render(&comparison(&[("a", 0, 0), ("b", 0, 0)], 0), 80, Style::plain());
    assert!(!text.contains('*'), "{text}");
    assert!(text.contains("a (baseline)") && text.contains("nothing can be compared"), "{text}");
}

#[test]
fn colour_only_repeats_the_mark() {
    let colored = render(&three(), 210, Style::colored());
    let best = colored.lines().find(|line| line.contains("train=rf")).unwrap();
    assert!(best.starts_with("\u{1b}[32m*"), "{best}");
}

#[test]
fn choices_of_a_grid_have_their_effects() {
    let mut grid = comparison(&[("b,b", 8, 0), ("b,s", 9, 0), ("d,b", 20, 0), ("d,s", 21, 0)], 1);
    assert_eq!(words::effects(&grid, 80, Style::plain()), "");
    let effect = |axes: &[&str], effect: f64, p: f64| wtb_engine::comparison::Effect {
        choices: axes.iter().map(|axis| ((*axis).to_owned(), "dense".to_owned())).collect(),
        references: axes.iter().map(|_| "bm25".to_owned()).collect(),
        effect,
        ci_low: Some(effect - 0.1),
        ci_high: Some(effect + 0.1),
        p_value: p,
        p_adjusted: p,
        combinations: 2,
        cases: 24,
    };
    grid.effects =
        vec![effect(&["retriever"], 0.5, 0.0001), effect(&["retriever", "rank"], 0.0, 1.0)];
    insta::assert_snapshot!(words::effects(&grid, 80, Style::plain()), @r"
    effect of                     against      difference              95% CI      p
    retriever=dense               bm25            +0.5000  [+0.4000, +0.6000]  <.001
    retriever=dense x rank=dense  bm25 x bm25      0.0000  [-0.1000, +0.1000]  1.000
    ");
}
