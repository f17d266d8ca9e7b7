//! Which way to make workspaces works in a place, tried out for whoever asks.

use std::path::{Path, PathBuf};

use wtb_workspace::{Namespaces, Rung, WorkspaceError, Workspaces, remove_tree};

use crate::{EngineError, entropy};

/// Which way to make workspaces works in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceTrial {
    /// The best one that works.
    pub rung: Rung,
    /// The better ones that do not, and why.
    pub refused: Vec<(Rung, String)>,
}

/// Tries to make workspaces in a directory for processes in such namespaces. Nothing of that is left.
pub fn try_workspaces(
    directory: &Path,
    namespaces: Namespaces,
) -> Result<WorkspaceTrial, EngineError> {
    let session = entropy::session_id()?;
    let scratch = Scratch(directory.join(format!(".wtb-trial-{session}")));
    let inputs = scratch.0.join("inputs");
    let made = std::fs::create_dir(&scratch.0)
        .and_then(|()| std::fs::create_dir(&inputs))
        .and_then(|()| std::fs::write(inputs.join("file"), "as any file"));
    made.map_err(|source| WorkspaceError::Io {
        doing: "try workspaces in",
        path: directory.to_owned(),
        source,
    })?;
    let workspaces = Workspaces::open(&scratch.0.join("base"), &session, namespaces)?;
    let ground = workspaces.ground(&inputs)?;
    Ok(WorkspaceTrial { rung: ground.rung(), refused: ground.refused().to_vec() })
}

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = remove_tree(&self.0);
    }
}
