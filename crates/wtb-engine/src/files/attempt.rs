//! The workspace of an attempt under way.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wtb_model::{AttemptOutcome, KeepWorkspaces, StoredValue};
use wtb_scheduler::AttemptEnd;
use wtb_store::StoreError;
use wtb_workspace::{LeftOut, Mount, Reason, StatCache, Taken, Workspace, WorkspaceError};

use super::Files;
use super::batch::Inputs;
use crate::active::Delivery;

/// The private files of an attempt under way.
pub struct AttemptFiles {
    files: Arc<Files>,
    inputs: Arc<Inputs>,
    keep: KeepWorkspaces,
    directory: PathBuf,
    mount: Option<Mount>,
    state: Mutex<State>,
}

struct State {
    /// `None` once it was closed.
    workspace: Option<Workspace>,
    cache: StatCache,
}

impl AttemptFiles {
    pub(super) fn new(
        files: Arc<Files>,
        inputs: Arc<Inputs>,
        workspace: Workspace,
        cache: StatCache,
        keep: KeepWorkspaces,
    ) -> Self {
        let directory = workspace.tree().to_owned();
        let mount = workspace.mount().cloned();
        let state = Mutex::new(State { workspace: Some(workspace), cache });
        Self { files, inputs, keep, directory, mount, state }
    }

    /// Returns the directory that the attempt works in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns what the attempt's process has to mount to see its files, if anything.
    pub fn mount(&self) -> Option<&Mount> {
        self.mount.as_ref()
    }

    fn take(&self) -> Result<Taken, WorkspaceError> {
        let mut state = self.lock();
        let State { workspace, cache } = &mut *state;
        let workspace = workspace.as_ref().ok_or_else(|| WorkspaceError::Io {
            doing: "take a snapshot of",
            path: self.directory.clone(),
            source: std::io::Error::other("the attempt that it belongs to is over"),
        })?;
        let Inputs { snapshot, rules, .. } = self.inputs.as_ref();
        workspace.snapshot(&self.files.snapshots, *snapshot, rules, cache)
    }

    /// Adds the files to what an attempt delivers, and keeps the workspace of one that has failed. That
    /// is done before its end is known, so that who reads of it finds the files.
    pub(crate) fn deliver(&self, delivery: &mut Delivery) {
        self.add_to(&mut delivery.outcome);
        let has_failed = matches!(delivery.end, AttemptEnd::Failed { .. } | AttemptEnd::TimedOut);
        if has_failed && let Err(error) = self.close(true) {
            let warning = format!("its workspace may be gone soon: {error}");
            delivery.outcome.warnings.push(warning);
        }
    }

    /// Adds the files as the attempt has left them. What could not be stored is told by warnings.
    fn add_to(&self, outcome: &mut AttemptOutcome) {
        match self.take() {
            Ok(taken) => {
                outcome.files = Some(taken.id.reference());
                // A snapshot of an overlay looks at what was written alone.
                if self.mount.is_some() {
                    outcome.warnings.extend(left_out(&self.inputs.left_out));
                }
                outcome.warnings.extend(left_out(&taken.left_out));
                outcome.warnings.extend(self.inputs.not_given.clone());
                outcome.warnings.extend(self.not_copied());
                outcome.warnings.extend(links(&taken));
            }
            Err(error) => {
                outcome.warnings.push(format!("its files were not stored: {error}"));
                outcome.files_error = Some(error.to_string());
            }
        }
    }

    /// Says which of the inputs the workspace did not get.
    fn not_copied(&self) -> Option<String> {
        let state = self.lock();
        let paths = state.workspace.as_ref()?.left_out();
        let path = paths.first()?;
        let others = and_more(paths.len() as u64);
        Some(format!("not in its workspace: `{path}`{others}, neither file nor directory nor link"))
    }

    /// Ends the workspace, before or after its attempt's end is written: it is removed, or kept.
    pub(crate) fn close(&self, has_failed: bool) -> Result<(), WorkspaceError> {
        let Some(workspace) = self.lock().workspace.take() else { return Ok(()) };
        let is_kept = match self.keep {
            KeepWorkspaces::All => true,
            KeepWorkspaces::Failed => has_failed,
            KeepWorkspaces::None => false,
        };
        if !is_kept {
            return workspace.remove();
        }
        self.files.count_kept(workspace.keep()?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl wtb_worker::Files for AttemptFiles {
    fn snapshot(&self) -> Result<StoredValue, StoreError> {
        let taken = self.take().map_err(|error| StoreError::Backend {
            doing: "taking a snapshot of the workspace".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(taken.id.reference())
    }

    fn forget(&self) {
        self.files.snapshots.forget();
        self.lock().cache = StatCache::default();
    }
}

impl fmt::Debug for AttemptFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = formatter.debug_struct("AttemptFiles");
        parts.field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Drop for AttemptFiles {
    /// Of an attempt that nobody has heard of again, the files may tell why.
    fn drop(&mut self) {
        let _ = self.close(true);
    }
}

/// Says what is not in a snapshot: nothing is left out silently.
pub(super) fn left_out(left_out: &LeftOut) -> Option<String> {
    let (path, reason) = left_out.listed.first()?;
    let reason = match reason {
        Reason::Rule(rule) => format!("the rule `{rule}`"),
        Reason::Special(kind) => format!("it is a {kind}"),
        Reason::Unreadable(why) => format!("it cannot be read: {why}"),
        Reason::Deep => "it lies too deep".to_owned(),
    };
    let others = and_more(left_out.count());
    Some(format!("not in the snapshot of its files: `{path}` ({reason}){others}"))
}

fn and_more(count: u64) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

fn links(taken: &Taken) -> Option<String> {
    let path = taken.links_outside.first()?;
    let others = and_more(taken.links_outside.len() as u64);
    Some(format!(
        "the symbolic link `{path}`{others} leads out of the workspace: what is written through it is \
         neither private nor part of a snapshot"
    ))
}
