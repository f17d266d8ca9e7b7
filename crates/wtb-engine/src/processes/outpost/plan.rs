//! What a supervisor in another process has to know of a batch.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wtb_model::{BatchId, SessionId, WorkspaceSpec};

use crate::files::GivenInputs;

/// What a supervisor has to know of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutpostPlan {
    /// The name of whoever is there; its workers have numbers beside it.
    #[serde(default)]
    pub name: String,
    /// The store's address, with its secrets.
    pub store: String,
    /// Where workspaces are made; see [`EngineSettings`](crate::EngineSettings).
    pub workspaces: Option<PathBuf>,
    /// The directory for temporary files there, which whoever is there knows: workspaces are made in it where they
    /// cannot be made at that place.
    #[serde(default)]
    pub temporary: Option<PathBuf>,
    /// How many bytes those may take together that are kept.
    pub kept_bytes_max: u64,
    /// The session that drives it.
    pub session: SessionId,
    /// The batch; `None` for a single execution.
    pub batch: Option<BatchId>,
    /// The files that executions work on.
    pub workspace: WorkspaceSpec,
    /// The inputs of each case that has its own.
    pub inputs: Vec<Option<String>>,
    /// Inputs by their directories, for machines that do not have them.
    pub given: BTreeMap<String, GivenInputs>,
}

impl OutpostPlan {
    /// Returns where workspaces are made on this machine: at the same place if that can be, else among the
    /// temporary files.
    pub(super) fn place_for_workspaces(&self, base: PathBuf) -> PathBuf {
        let is_used = self.workspace.inputs.is_some() || self.inputs.iter().any(Option::is_some);
        let make = |base: &Path| {
            let session = base.join(self.session.as_str());
            DirBuilder::new().mode(0o700).recursive(true).create(session).is_ok()
        };
        if !is_used || make(&base) {
            return base;
        }
        let Some(temporary) = &self.temporary else { return base };
        let user = std::fs::metadata("/proc/self").map_or(0, |own| own.uid());
        let temporary = temporary.join(format!("wtb-workspaces-{user}"));
        // Somebody else may have taken the name.
        let is_own = |found: Metadata| found.uid() == user && found.mode() & 0o777 == 0o700;
        let is_usable = make(&temporary) && temporary.symlink_metadata().is_ok_and(is_own);
        // By the first one it is told what is wrong.
        if is_usable { temporary } else { base }
    }
}
