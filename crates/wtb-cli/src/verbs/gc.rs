//! `wtb gc`: removes objects that nothing names any more.

use serde_json::json;
use wtb_store::{Collected, Store};

use crate::error::CliError;
use crate::terminal::Terminal;
use crate::text::{bytes, plural};

/// Collects, and says how much that was.
pub(crate) fn gc(
    json: bool,
    store: &dyn Store,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let Collected { objects, bytes: size } = store.collect()?;
    if json {
        return terminal.json(&json!({"objects": objects, "bytes": size}));
    }
    terminal.data(&format!("removed {} ({})\n", plural(objects, "object"), bytes(size)))
}
