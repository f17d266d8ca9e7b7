//! Variants side by side, in as many columns as there are.

use wtb_engine::comparison::{Comparison, Durations, VariantLine};
use wtb_model::Direction;

use crate::text::{Column, Style, Table, Tone, figures, seconds, wrap};

/// Marks the best mean. A symbol, since colour alone says nothing to many.
const BEST: &str = "*";

/// Returns the comparison as a table with its legend and warnings, `limit` columns wide.
pub(crate) fn render(comparison: &Comparison, limit: usize, style: Style) -> String {
    let metrics: Vec<_> = comparison.metrics.iter().map(|(name, _)| name.as_str()).collect();
    let mut shown = metrics.len();
    // Without room for all metrics, the last ones go into tables of their own.
    while shown > 1 && main_table(comparison, &metrics[..shown]).readable_width() > limit {
        shown -= 1;
    }
    let mut text = main_table(comparison, &metrics[..shown]).render(limit, style);
    for rest in chunks(comparison, &metrics[shown..], limit) {
        text.push('\n');
        text.push_str(&metrics_table(comparison, rest).render(limit, style));
    }
    text.push_str(&legend(comparison, limit, style));
    for warning in &comparison.warnings {
        text.push_str(&format!("{} {warning}\n", style.paint(Tone::Warn, "warning:")));
    }
    text
}

fn name_column() -> [Column; 2] {
    [Column::left(""), Column::left("variant").shrinking()]
}

fn name_cells(comparison: &Comparison, line: &VariantLine) -> [String; 2] {
    let mark = if is_best(comparison, line) { BEST } else { "" };
    let is_baseline = comparison.baseline.as_ref() == Some(&line.name);
    let name = if is_baseline && line.name != "baseline" {
        format!("{} (baseline)", line.name)
    } else {
        line.name.clone()
    };
    [mark.to_owned(), name]
}

fn is_best(comparison: &Comparison, line: &VariantLine) -> bool {
    comparison.variants.len() > 1 && comparison.best_set.contains(&line.name)
}

fn tone(comparison: &Comparison, line: &VariantLine) -> Option<Tone> {
    is_best(comparison, line).then_some(Tone::Good)
}

/// One column of figures for each of the metrics.
fn metric_columns(comparison: &Comparison, metrics: &[&str]) -> Vec<Vec<String>> {
    let of = |metric: &&str| {
        let values: Vec<_> = comparison
            .variants
            .iter()
            .map(|line| line.metrics.get(*metric).copied().flatten())
            .collect();
        figures(&values)
    };
    metrics.iter().map(of).collect()
}

fn main_table(comparison: &Comparison, metrics: &[&str]) -> Table {
    let mut columns = name_column().to_vec();
    columns.extend(metrics.iter().map(|metric| Column::right(*metric)));
    columns.extend(["n", "coverage", "errors", "median", "p95"].map(Column::right));
    let mut table = Table::new(columns);
    let figures = metric_columns(comparison, metrics);
    for (index, line) in comparison.variants.iter().enumerate() {
        let mut cells = name_cells(comparison, line).to_vec();
        cells.extend(figures.iter().map(|column| column[index].clone()));
        let time = |pick: fn(&Durations) -> f64| {
            line.duration_s.as_ref().map_or_else(|| "-".to_owned(), |taken| seconds(pick(taken)))
        };
        cells.extend([
            line.n.to_string(),
            format!("{:.0}%", line.coverage * 100.0),
            line.errors.to_string(),
            time(|taken| taken.median),
            time(|taken| taken.p95),
        ]);
        table.row(cells, tone(comparison, line));
    }
    table
}

fn metrics_table(comparison: &Comparison, metrics: &[&str]) -> Table {
    let mut columns = name_column().to_vec();
    columns.extend(metrics.iter().map(|metric| Column::right(*metric)));
    let mut table = Table::new(columns);
    let figures = metric_columns(comparison, metrics);
    for (index, line) in comparison.variants.iter().enumerate() {
        let mut cells = name_cells(comparison, line).to_vec();
        cells.extend(figures.iter().map(|column| column[index].clone()));
        table.row(cells, tone(comparison, line));
    }
    table
}

/// Cuts metrics into as few pieces as fit side by side.
fn chunks<'a, 'b>(
    comparison: &Comparison,
    mut metrics: &'a [&'b str],
    limit: usize,
) -> Vec<&'a [&'b str]> {
    let mut chunks = Vec::new();
    while !metrics.is_empty() {
        let fits =
            |count: &usize| metrics_table(comparison, &metrics[..*count]).readable_width() <= limit;
        let count = (1..=metrics.len()).rev().find(fits).unwrap_or(1);
        chunks.push(&metrics[..count]);
        metrics = &metrics[count..];
    }
    chunks
}

fn legend(comparison: &Comparison, limit: usize, style: Style) -> String {
    let Some(metric) = &comparison.metric else {
        return String::new();
    };
    let better = match comparison.direction {
        Direction::Max => "higher",
        Direction::Min => "lower",
    };
    let mut text = format!("{metric}: mean over cases, {better} is better");
    let marked = comparison.variants.iter().filter(|line| is_best(comparison, line)).count();
    match marked {
        0 => {}
        1 => text.push_str(&format!("; {BEST} best mean")),
        _ => text.push_str(&format!("; {BEST} share the best mean")),
    }
    let others = comparison.metrics.iter().skip(1);
    let lower: Vec<_> = others
        .filter(|(_, direction)| *direction == Direction::Min)
        .map(|(name, _)| name.as_str())
        .collect();
    if !lower.is_empty() {
        text.push_str(&format!("; lower is better for {}", lower.join(", ")));
    }
    wrap(&text, limit).iter().map(|line| format!("{}\n", style.paint(Tone::Faint, line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn line(name: &str, means: &[(&str, Option<f64>)], errors: u64) -> VariantLine {
        VariantLine {
            name: name.to_owned(),
            executions: 12,
            n: 12,
            cases: 12,
            coverage: 1.0,
            mean: means[0].1,
            ci_low: None,
            ci_high: None,
            method: "mean of case means",
            p_best: None,
            errors,
            cost: None,
            duration_s: (errors < 12).then_some(Durations { median: 0.0123, p95: 1.5 }),
            vs_baseline: None,
            metrics: means
                .iter()
                .map(|(metric, mean)| ((*metric).to_owned(), *mean))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn comparison(lines: Vec<VariantLine>, best: &[&str], metrics: &[&str]) -> Comparison {
        Comparison {
            metric: metrics.first().map(|metric| (*metric).to_owned()),
            direction: Direction::Max,
            confidence: None,
            baseline: lines.first().map(|line| line.name.clone()),
            best: None,
            best_set: best.iter().map(|name| (*name).to_owned()).collect(),
            variants: lines,
            metrics: metrics
                .iter()
                .map(|metric| {
                    let direction =
                        if metric.ends_with("_s") { Direction::Min } else { Direction::Max };
                    ((*metric).to_owned(), direction)
                })
                .collect(),
            warnings: vec!["means only: without intervals a difference may be chance".to_owned()],
        }
    }

    fn three() -> Comparison {
        let metrics = ["accuracy", "macro_f1", "fit_time_s"];
        let line = |name, accuracy, errors| {
            let means =
                [("accuracy", accuracy), ("macro_f1", Some(0.9)), ("fit_time_s", Some(12.5))];
            line(name, &means, errors)
        };
        let lines = vec![
            line("baseline", Some(0.9123), 0),
            line("train=rf,features=all,calibration=isotonic", Some(0.95), 1),
            line("train=broken", None, 12),
        ];
        comparison(lines, &["train=rf,features=all,calibration=isotonic"], &metrics)
    }

    #[test]
    fn at_eighty_columns_names_wrap_and_metrics_move_down() {
        let text = render(&three(), 80, Style::plain());
        assert!(text.lines().all(|line| crate::text::width(line) <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
           variant                          accuracy   n  coverage  errors  median   p95
           baseline                           0.9123  12      100%       0    12ms  1.5s
        *  train=rf,features=all,             0.9500  12      100%       1    12ms  1.5s
           calibration=isotonic
           train=broken                            -  12      100%      12       -     -

           variant                                     macro_f1  fit_time_s
           baseline                                      0.9000      12.500
        *  train=rf,features=all,calibration=isotonic    0.9000      12.500
           train=broken                                  0.9000      12.500
        accuracy: mean over cases, higher is better; * best mean; lower is better for
        fit_time_s
        warning: means only: without intervals a difference may be chance
        ");
    }

    #[test]
    fn a_wide_terminal_has_everything_in_one_table() {
        insta::assert_snapshot!(render(&three(), 140, Style::plain()), @r"
           variant                                     accuracy  macro_f1  fit_time_s   n  coverage  errors  median   p95
           baseline                                      0.9123    0.9000      12.500  12      100%       0    12ms  1.5s
        *  train=rf,features=all,calibration=isotonic    0.9500    0.9000      12.500  12      100%       1    12ms  1.5s
           train=broken                                       -    0.9000      12.500  12      100%      12       -     -
        accuracy: mean over cases, higher is better; * best mean; lower is better for fit_time_s
        warning: means only: without intervals a difference may be chance
        ");
    }

    #[test]
    fn a_tie_is_called_one() {
        let lines =
            vec![line("baseline", &[("hit", Some(1.0))], 0), line("b", &[("hit", Some(1.0))], 0)];
        let text = render(&comparison(lines, &["baseline", "b"], &["hit"]), 80, Style::plain());
        assert!(text.contains("* share the best mean"), "{text}");
    }

    #[test]
    fn without_scores_nothing_is_best() {
        let lines = vec![line("a", &[("hit", None)], 12), line("b", &[("hit", None)], 12)];
        let mut without = comparison(lines, &[], &[]);
        without.warnings.clear();
        let text = render(&without, 80, Style::plain());
        assert!(!text.contains('*'), "{text}");
        assert!(text.contains("a (baseline)"), "{text}");
    }

    #[test]
    fn colour_only_repeats_the_mark() {
        let colored = render(&three(), 140, Style::colored());
        let best = colored.lines().find(|line| line.contains("train=rf")).unwrap();
        assert!(best.starts_with("\u{1b}[32m*"), "{best}");
    }
}
