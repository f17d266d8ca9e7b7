//! `wtb doctor`: what this machine has, and what would make it better.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wtb_engine::{EngineError, open_store, redacted, upgrade_needed};

use crate::error::CliError;
use crate::exit;
use crate::store_url;
use crate::terminal::Terminal;
use crate::text::{Style, Tone, bytes, wrap};

/// How wide the names of what is looked at are.
const NAME_WIDTH: usize = 11;
/// What comes before a finding: a mark, the name, and the spaces after them.
const INDENT: usize = 6 + NAME_WIDTH + 1;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Health {
    /// As good as it gets.
    Ok,
    /// It works, and could be better.
    Note,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    name: String,
    status: Health,
    found: String,
    advice: Option<String>,
}

/// Looks at the store of an address, and makes none.
pub(crate) fn store(address: &str) -> Check {
    let check = |status, found, advice: Option<&str>| Check {
        name: "store".to_owned(),
        status,
        found,
        advice: advice.map(str::to_owned),
    };
    if store_url::check_there(address).is_err() {
        return check(Health::Ok, format!("none at `{address}` yet; `wtb run` makes it"), None);
    }
    let shown = redacted(address);
    match upgrade_needed(address) {
        Ok(upgrade) if upgrade.is_needed() => check(
            Health::Note,
            format!("{shown}, schema version {} of {}", upgrade.from, upgrade.to),
            Some("`wtb migrate` upgrades it"),
        ),
        Ok(upgrade) => {
            let size = Path::new(address).metadata().map(|file| format!(", {}", bytes(file.len())));
            let found =
                format!("{shown}, schema version {}{}", upgrade.to, size.unwrap_or_default());
            match object_directory(address) {
                Ok(None) => check(Health::Ok, found, None),
                Ok(Some(directory)) => {
                    let found = format!("{found}; large objects in `{}`", directory.display());
                    check(Health::Ok, found, None)
                }
                Err(error) => check(Health::Problem, format!("{found}; {error}"), None),
            }
        }
        Err(error) => check(Health::Problem, format!("{shown}: {error}"), None),
    }
}

fn object_directory(address: &str) -> Result<Option<PathBuf>, EngineError> {
    let store = open_store(address, false)?;
    let directory = store.object_directory()?;
    store.close()?;
    Ok(directory)
}

/// Prints what was found and returns the exit code: not 0 if something does not work.
pub(crate) fn conclude(
    json: bool,
    document: &Value,
    terminal: &mut Terminal<'_>,
) -> Result<i32, CliError> {
    let checks: Vec<Check> = serde_json::from_value(document.clone()).map_err(|error| {
        CliError::internal("what Python found is not as expected").caused_by(error.to_string())
    })?;
    let is_well = checks.iter().all(|check| check.status != Health::Problem);
    if json {
        terminal.json(&json!({ "ok": is_well, "checks": checks }))?;
    } else {
        let (width, style) = (terminal.width(), terminal.style());
        let text: String = checks.iter().map(|check| render(check, width, style)).collect();
        terminal.data(&text)?;
    }
    Ok(if is_well { exit::DONE } else { exit::INTERNAL })
}

fn render(check: &Check, columns: usize, style: Style) -> String {
    let (tone, mark) = match check.status {
        Health::Ok => (Tone::Good, "ok"),
        Health::Note => (Tone::Warn, "note"),
        Health::Problem => (Tone::Bad, "bad"),
    };
    let room = columns.saturating_sub(INDENT).max(20);
    let indent = format!("\n{}", " ".repeat(INDENT));
    let mark = style.paint(tone, &format!("{mark:<4}"));
    let name = style.paint(Tone::Strong, &format!("{:<NAME_WIDTH$}", check.name));
    let mut text = format!("{mark}  {name} {}", wrap(&check.found, room).join(&indent));
    if let Some(advice) = &check.advice {
        let advice = wrap(&format!("hint: {advice}"), room);
        text.push_str(&indent);
        text.push_str(&style.paint(Tone::Note, &advice.join(&indent)));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: Health, advice: Option<&str>) -> Check {
        let found = "as it was found, which takes more than one line of a narrow terminal";
        let advice = advice.map(str::to_owned);
        Check { name: "store".to_owned(), status, found: found.to_owned(), advice }
    }

    #[test]
    fn advice_stands_below_what_was_found() {
        let text = render(&check(Health::Note, Some("do this")), 50, Style::plain());
        insta::assert_snapshot!(text, @r"
        note  store       as it was found, which takes
                          more than one line of a narrow
                          terminal
                          hint: do this
        ");
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("none/wtb.db");
        let found = store(address.to_str().unwrap());
        assert_eq!(found.status, Health::Ok);
        assert!(found.found.contains("`wtb run` makes it"), "{}", found.found);
        assert!(!directory.path().join("none").exists());
    }

    #[test]
    fn a_file_that_is_no_store_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("wtb.db");
        std::fs::write(&address, "a text that is long enough to be no database, surely").unwrap();
        assert_eq!(store(address.to_str().unwrap()).status, Health::Problem);
    }
}
