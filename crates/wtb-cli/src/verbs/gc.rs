//! `wtb gc`: removes objects that nothing names any more, and workspaces that are left over.

use std::path::Path;

use serde_json::json;
use wtb_store::{Collected, Store};

use crate::arguments::GcArgs;
use crate::error::CliError;
use crate::terminal::Terminal;
use crate::text::{bytes, plural};

/// Collects, and says how much that was.
pub(crate) fn gc(
    args: &GcArgs,
    json: bool,
    store: &dyn Store,
    workspaces: &Path,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let (removed, kept, failed) = remove_workspaces(workspaces, args.kept)?;
    let Collected { objects, bytes: size } = store.collect()?;
    if json {
        return terminal.json(&json!({
            "objects": objects,
            "bytes": size,
            "workspaces": removed,
            "workspaces_kept": kept,
            "workspaces_failed": failed,
        }));
    }
    terminal.data(&format!(
        "removed {} ({}) and {}\n",
        plural(objects, "object"),
        bytes(size),
        plural(removed, "workspace")
    ))?;
    for reason in failed {
        terminal.talk(&format!("warning: {reason}\n"));
    }
    if kept > 0 {
        let how = terminal.advise("gc --kept");
        let left = plural(kept, "workspace");
        terminal
            .talk(&format!("hint: kept for failed attempts: {left}; {how} removes what is kept\n"));
    }
    Ok(())
}

#[cfg(unix)]
fn remove_workspaces(base: &Path, with_kept: bool) -> Result<(u64, u64, Vec<String>), CliError> {
    let done = wtb_engine::remove_orphans(base, with_kept)?;
    Ok((done.removed, done.kept, done.failed))
}

#[cfg(not(unix))]
fn remove_workspaces(_: &Path, _: bool) -> Result<(u64, u64, Vec<String>), CliError> {
    Ok((0, 0, Vec::new()))
}
