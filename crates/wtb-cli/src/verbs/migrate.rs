//! `wtb migrate`: brings the schema of a store to the version of this program.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wtb_engine::{upgrade_needed, upgrade_store};
use wtb_store::Upgrade;

use crate::arguments::MigrateArgs;
use crate::error::CliError;
use crate::store_url;
use crate::terminal::Terminal;

/// Upgrades the store of an address, or tells what that would do.
pub(crate) fn migrate(
    args: &MigrateArgs,
    json: bool,
    address: &str,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    store_url::check_there(address)?;
    let upgrade = if args.dry_run { upgrade_needed(address) } else { upgrade_store(address) }?;
    if json {
        return terminal.json(&document(&upgrade, args.dry_run));
    }
    terminal.data(&text(&upgrade, args.dry_run))
}

fn document(upgrade: &Upgrade, is_dry: bool) -> Value {
    json!({
        "store": upgrade.url,
        "from": upgrade.from,
        "to": upgrade.to,
        "needed": upgrade.is_needed(),
        "upgraded": upgrade.is_needed() && !is_dry,
        "sessions": upgrade.sessions,
    })
}

fn text(upgrade: &Upgrade, is_dry: bool) -> String {
    let Upgrade { url, from, to, sessions } = upgrade;
    if !upgrade.is_needed() {
        return format!("nothing to do: `{url}` has schema version {to}, that of this program\n");
    }
    if !is_dry {
        return format!("upgraded `{url}` from schema version {from} to {to}\n");
    }
    let mut text = format!("would upgrade `{url}` from schema version {from} to {to}\n");
    if !sessions.is_empty() {
        let by = upgrade.in_the_way();
        let _infallible = writeln!(text, "not while it is in use by {by}: end them first");
    }
    text
}

#[cfg(test)]
mod tests {
    use wtb_model::{ID_ENTROPY_BYTES, SessionId, SessionRecord};

    use super::*;
    use crate::testing::NOW;

    fn upgrade(from: u32, sessions: Vec<SessionRecord>) -> Upgrade {
        Upgrade { url: "postgresql://me@host/db".to_owned(), from, to: 3, sessions }
    }

    fn session() -> SessionRecord {
        SessionRecord {
            id: SessionId::from_entropy([7; ID_ENTROPY_BYTES]),
            host: "lab".to_owned(),
            process: 4711,
            process_started: None,
            started_at: NOW,
            heartbeat_at: NOW,
            ended_at: None,
        }
    }

    #[test]
    fn it_says_from_where_to_where() {
        insta::assert_snapshot!(text(&upgrade(1, vec![]), false), @"upgraded `postgresql://me@host/db` from schema version 1 to 3");
        insta::assert_snapshot!(text(&upgrade(3, vec![]), false), @"nothing to do: `postgresql://me@host/db` has schema version 3, that of this program");
        insta::assert_snapshot!(text(&upgrade(3, vec![]), true), @"nothing to do: `postgresql://me@host/db` has schema version 3, that of this program");
        insta::assert_snapshot!(text(&upgrade(1, vec![session()]), true), @r"
        would upgrade `postgresql://me@host/db` from schema version 1 to 3
        not while it is in use by process 4711 on lab: end them first
        ");
    }

    #[test]
    fn the_document_says_whether_something_was_done() {
        let done = |from, is_dry| {
            let document = document(&upgrade(from, vec![]), is_dry);
            (document["needed"] == true, document["upgraded"] == true)
        };
        assert_eq!(done(1, false), (true, true));
        assert_eq!(done(1, true), (true, false));
        assert_eq!(done(3, false), (false, false));
        let document = document(&upgrade(1, vec![session()]), true);
        assert_eq!(document["sessions"][0]["process"], 4711);
    }
}
