//! Which metrics there are, which of them is primary, and whose values count.

use std::collections::BTreeSet;

use wtb_model::{Direction, ExecutionId, ScoreRecord};

use super::records::MetricOptions;
use super::table::{MetricInfo, Origin};

/// Primary metric first: the named one, else the first evaluator's, else the first that was logged.
///
/// Where an evaluator and the workflow, or two evaluators, give one name, the values of the first
/// declared evaluator count. A primary metric that nothing has a value of stays primary: it is not
/// silently replaced by another one.
pub(super) fn order_metrics<'a, S>(
    scores: impl Fn() -> S,
    options: &MetricOptions,
) -> Vec<MetricInfo>
where
    S: Iterator<Item = &'a (ExecutionId, ScoreRecord)>,
{
    let rank = |source: &str| {
        options.sources.iter().position(|known| known == source).unwrap_or(usize::MAX)
    };
    let mut found: Vec<MetricInfo> = Vec::new();
    for (_, score) in scores().filter(|(_, score)| score.value.is_some()) {
        match found.iter_mut().find(|metric| metric.name == score.name) {
            None => found.push(info(score)),
            Some(known) if rank(&score.source) < rank(&known.source) => *known = info(score),
            Some(_) => {}
        }
    }
    found.sort_by_key(|metric| {
        (options.metric.as_deref() != Some(metric.name.as_str()), rank(&metric.source))
    });
    for metric in &mut found {
        metric.origins = origins(scores(), metric);
    }
    if let Some(missing) = missing_primary(scores(), options, &found) {
        found.insert(0, missing);
    }
    found
}

fn origins<'a>(
    scores: impl Iterator<Item = &'a (ExecutionId, ScoreRecord)>,
    metric: &MetricInfo,
) -> Vec<Origin> {
    let own = scores.map(|(_, score)| score).filter(|score| {
        score.name == metric.name && score.source == metric.source && score.value.is_some()
    });
    let found: BTreeSet<Option<&str>> = own.map(|score| score.version.as_deref()).collect();
    found.into_iter().map(|version| (metric.source.clone(), version.map(str::to_owned))).collect()
}

fn info(score: &ScoreRecord) -> MetricInfo {
    MetricInfo {
        name: score.name.clone(),
        direction: score.direction,
        source: score.source.clone(),
        origins: Vec::new(),
    }
}

/// The metric that should be primary and that nothing has a value of.
fn missing_primary<'a>(
    mut scores: impl Iterator<Item = &'a (ExecutionId, ScoreRecord)>,
    options: &MetricOptions,
    found: &[MetricInfo],
) -> Option<MetricInfo> {
    if let Some(named) = &options.metric {
        let is_first = found.first().is_some_and(|first| first.name == *named);
        return (!is_first).then(|| MetricInfo {
            name: named.clone(),
            direction: Direction::Max,
            source: String::new(),
            origins: Vec::new(),
        });
    }
    let first = options.sources.first()?;
    if found.iter().any(|metric| metric.source == *first) {
        return None;
    }
    scores.find(|(_, score)| score.source == *first).map(|(_, score)| info(score))
}
