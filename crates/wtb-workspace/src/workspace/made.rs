//! A workspace that was made, and what can be done with it.

use std::path::{Path, PathBuf};

use super::ground::Ground;
use super::kept;
use super::mount::{Mount, UPPER};
use super::pristine::Pristine;
use super::remove::remove_tree;
use super::rung::Rung;
use crate::{Rules, SnapshotId, Snapshots, StatCache, Taken, TreePath, WorkspaceError};

/// A private tree of inputs.
#[derive(Debug)]
pub struct Workspace {
    pub(super) directory: PathBuf,
    pub(super) tree: PathBuf,
    pub(super) rung: Rung,
    pub(super) mount: Option<Mount>,
    pub(super) left_out: Vec<TreePath>,
    pub(super) pristine: Pristine,
}

impl Workspace {
    /// Returns the directory that a node works in.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Returns how it was made.
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Returns what has to be mounted by what is to see the workspace. Elsewhere its tree stays empty.
    pub fn mount(&self) -> Option<&Mount> {
        self.mount.as_ref()
    }

    /// Returns which sockets, pipes and devices of the inputs were not copied.
    pub fn left_out(&self) -> &[TreePath] {
        &self.left_out
    }

    /// Returns the directory that holds what was written in it: the tree, or of an overlay what differs
    /// from its inputs.
    pub fn written(&self) -> PathBuf {
        match self.rung {
            Rung::Overlay => self.directory.join(UPPER),
            Rung::Reflink | Rung::Hardlink | Rung::Copy => self.tree.clone(),
        }
    }

    /// Returns what need not be read again for its first snapshot, right after it was made: the files
    /// that are as `inputs`, the cache of a snapshot of its inputs, remembers them.
    pub fn known(&self, ground: &Ground, inputs: &StatCache) -> Result<StatCache, WorkspaceError> {
        if self.rung == Rung::Overlay {
            return Ok(StatCache::default());
        }
        inputs.of_copy(ground.inputs(), &self.tree)
    }

    /// Takes a snapshot of what is in it now, while it is mounted or afterwards. `inputs` is the
    /// snapshot of its inputs, taken by the same rules; `cache` belongs to this workspace.
    pub fn snapshot(
        &self,
        snapshots: &Snapshots,
        inputs: SnapshotId,
        rules: &Rules,
        cache: &mut StatCache,
    ) -> Result<Taken, WorkspaceError> {
        match self.rung {
            Rung::Overlay => snapshots.take_upper(&self.written(), inputs, rules, cache),
            Rung::Hardlink => {
                let modes = self.pristine.modes()?;
                snapshots.take_as(&self.tree, rules, cache, &modes)
            }
            Rung::Reflink | Rung::Copy => snapshots.take(&self.tree, rules, cache),
        }
    }

    /// Keeps it when its session has ended: [`find_orphans`](crate::find_orphans) says so. What it takes
    /// is written down, for [`trim_kept`](crate::trim_kept), and returned, in bytes.
    pub fn keep(&self) -> Result<u64, WorkspaceError> {
        kept::keep(&self.directory, &self.written())
    }

    /// Removes it. What has it mounted sees an empty directory then.
    pub fn remove(self) -> Result<(), WorkspaceError> {
        remove_tree(&self.directory)
    }
}
