//! `wtb events`: the audit trail, as it was journaled.

use jiff::civil;
use wtb_model::{CUSTOM_PREFIX, EVENT_KINDS, Timestamp};
use wtb_store::{JournalFilter, Store};

use super::{find_batch, find_execution};
use crate::arguments::EventsArgs;
use crate::error::CliError;
use crate::near::nearest;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::text::parse_duration;
use crate::view::event;

/// Entries read at once, so that a long trail never sits in memory.
const CHUNK: u64 = 1_000;

/// Prints the entries that fit, the oldest first.
pub(crate) fn events(
    args: &EventsArgs,
    json: bool,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let filter = filter(args, store, surroundings)?;
    let (width, style) = (terminal.width(), terminal.style());
    let mut after = args.after;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let entries = store.journal(&filter, after, CHUNK.min(left))?;
        let Some(last) = entries.last() else { break };
        after = last.sequence;
        left -= entries.len() as u64;
        let lines: String = entries
            .iter()
            .map(|entry| {
                if json {
                    format!("{}\n", event::json(entry))
                } else {
                    event::line(entry, &surroundings.time_zone, width, style)
                }
            })
            .collect();
        terminal.data(&lines)?;
    }
    Ok(())
}

fn filter(
    args: &EventsArgs,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
) -> Result<JournalFilter, CliError> {
    for kind in &args.kinds {
        check_kind(kind)?;
    }
    let batch = args.batch.as_deref().map(|text| find_batch(store, text)).transpose()?;
    let execution =
        args.execution.as_deref().map(|text| find_execution(store, text)).transpose()?;
    // Events name executions as people do.
    let execution = execution.map(|id| id.known());
    let since = args.since.as_deref().map(|text| point_in_time(text, surroundings)).transpose()?;
    Ok(JournalFilter { batch, execution, kinds: args.kinds.clone(), since, until: None })
}

fn check_kind(kind: &str) -> Result<(), CliError> {
    let is_known = match kind.strip_suffix('*') {
        Some(start) => EVENT_KINDS.iter().any(|known| known.starts_with(start)),
        None => EVENT_KINDS.contains(&kind),
    };
    if is_known || kind.starts_with(CUSTOM_PREFIX) {
        return Ok(());
    }
    let error = CliError::usage(format!("there is no event kind `{kind}`"));
    Err(match nearest(kind, EVENT_KINDS.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("kinds: {}", EVENT_KINDS.join(", "))),
    })
}

/// Reads `10m` as ten minutes ago, and dates and times in the local zone unless they name one.
fn point_in_time(text: &str, surroundings: &Surroundings<'_>) -> Result<Timestamp, CliError> {
    let from_jiff = |time: jiff::Timestamp| Timestamp::from_micros(time.as_microsecond());
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(from_jiff(time));
    }
    if let Ok(time) = text.parse::<civil::DateTime>()
        && let Ok(zoned) = time.to_zoned(surroundings.time_zone.clone())
    {
        return Ok(from_jiff(zoned.timestamp()));
    }
    match parse_duration(text.trim_end_matches("ago").trim_end()) {
        Ok(seconds) => {
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
            let micros = (seconds * 1e6) as i64;
            Ok(Timestamp::from_micros(surroundings.now.as_micros().saturating_sub(micros)))
        }
        Err(_) => Err(CliError::usage(format!("`{text}` is not a time"))
            .hint("write `10m` (ago), `2026-03-01`, `2026-03-01 14:30` or `2026-03-01T14:30:00Z`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::surroundings;

    #[test]
    fn times_are_ages_dates_or_instants() {
        let nothing = |_: &str| None;
        let here = surroundings(&nothing, "/work");
        let micros = |text: &str| point_in_time(text, &here).map(Timestamp::as_micros);
        let second = 1_000_000;
        assert_eq!(micros("10m"), Ok(here.now.as_micros() - 600 * second));
        assert_eq!(micros("10m ago"), micros("10m"));
        assert_eq!(micros("1970-01-02"), Ok(86_400 * second));
        assert_eq!(micros("1970-01-01 00:01"), Ok(60 * second));
        assert_eq!(micros("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(micros("yesterdayish").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_its_near_miss() {
        let error = check_kind("execution.fail").unwrap_err();
        assert_eq!(error.hints, ["did you mean `execution.failed`?"]);
        assert!(check_kind("execution.*").is_ok());
        assert!(check_kind("custom.mine").is_ok());
        assert!(check_kind("nothing.*").is_err());
    }
}
