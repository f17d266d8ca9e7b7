//! Turning a tree of one snapshot into that of another, by what differs between them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, chmodat, mkdirat};
use rustix::io::Errno;

use super::diff::Change;
use super::entry::{Entry, EntryKind};
use super::id::SnapshotId;
use super::snapshots::Snapshots;
use super::walk::open_root;
use crate::{TreePath, WorkspaceError, remove_tree};

/// What a directory is to be changed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A tree that is as the first snapshot says.
    Tree,
    /// The empty upper directory of an overlay over such a tree.
    Upper,
}

/// Changes under way.
struct Apply<'apply> {
    snapshots: &'apply Snapshots,
    wanted: SnapshotId,
    target: Target,
    root: OwnedFd,
    directory: &'apply Path,
    /// Directories that were opened for changes, and the permissions that they are to have.
    modes: BTreeMap<TreePath, u16>,
}

impl Snapshots {
    /// Changes a directory that is as one snapshot says to what another one says. It is private: nobody
    /// sees what is between them.
    pub(crate) fn apply(
        &self,
        before: SnapshotId,
        wanted: SnapshotId,
        directory: &Path,
        target: Target,
    ) -> Result<(), WorkspaceError> {
        let (root, modes) = (open_root(directory)?, BTreeMap::new());
        let mut apply = Apply { snapshots: self, wanted, target, root, directory, modes };
        // What is below an entry that went is gone with it.
        let mut gone: Option<TreePath> = None;
        for change in self.diff(before, wanted)? {
            let path = change.path();
            let is_below = gone.as_ref().is_some_and(|gone| path.is_within(gone.as_bytes()));
            match &change {
                Change::Removed(_) if is_below => {}
                Change::Removed(entry) => {
                    gone = Some(path.clone());
                    apply.remove(&entry.path)?;
                }
                Change::Added(entry) => apply.put(entry, None)?,
                Change::Altered { before, after } => {
                    if before.kind == EntryKind::Directory && after.kind != EntryKind::Directory {
                        gone = Some(path.clone());
                    }
                    apply.put(after, Some(before))?;
                }
            }
        }
        apply.finish()
    }
}

impl Apply<'_> {
    fn remove(&mut self, path: &TreePath) -> Result<(), WorkspaceError> {
        self.open_parents(path)?;
        match self.target {
            Target::Tree => remove_tree(&self.directory.join(path.as_path())),
            Target::Upper => self.cover(path),
        }
    }

    /// Makes the mark by which an overlay knows that something is gone.
    #[cfg(target_os = "linux")]
    fn cover(&self, path: &TreePath) -> Result<(), WorkspaceError> {
        use rustix::fs::{FileType, makedev, mknodat};
        mknodat(&self.root, path.as_path(), FileType::CharacterDevice, Mode::empty(), makedev(0, 0))
            .map_err(self.fails(path))
    }

    #[cfg(not(target_os = "linux"))]
    fn cover(&self, path: &TreePath) -> Result<(), WorkspaceError> {
        Err(self.fails(path)(Errno::NOSYS))
    }

    fn put(&mut self, entry: &Entry, before: Option<&Entry>) -> Result<(), WorkspaceError> {
        self.open_parents(&entry.path)?;
        let is_directory = |entry: &Entry| entry.kind == EntryKind::Directory;
        if !(is_directory(entry) && before.is_some_and(is_directory)) {
            // Also where the first snapshot has nothing there may be something, which a rule left out.
            if self.target == Target::Tree {
                remove_tree(&self.directory.join(entry.path.as_path()))?;
            }
            if !is_directory(entry) {
                return self.snapshots.write_entry(self.root.as_fd(), entry, self.directory);
            }
            mkdirat(&self.root, entry.path.as_path(), Mode::RWXU)
                .map_err(self.fails(&entry.path))?;
            self.modes.insert(entry.path.clone(), entry.mode);
            return Ok(());
        }
        self.open(&entry.path, entry.mode)
    }

    /// Makes sure that something can be changed in the directories that a path is in.
    fn open_parents(&mut self, path: &TreePath) -> Result<(), WorkspaceError> {
        for parent in path.ancestors().filter_map(TreePath::new) {
            if !self.modes.contains_key(&parent) {
                let entry = self.snapshots.entry(self.wanted, parent.as_bytes())?;
                self.open(&parent, entry.map_or(0o700, |entry| entry.mode))?;
            }
        }
        Ok(())
    }

    fn open(&mut self, path: &TreePath, mode: u16) -> Result<(), WorkspaceError> {
        if self.modes.insert(path.clone(), mode).is_some() {
            return Ok(());
        }
        let opened = match self.target {
            Target::Tree => chmodat(&self.root, path.as_path(), Mode::RWXU, AtFlags::empty()),
            Target::Upper => mkdirat(&self.root, path.as_path(), Mode::RWXU),
        };
        opened.map_err(self.fails(path))
    }

    /// Gives the directories their permissions, from the inside out.
    fn finish(self) -> Result<(), WorkspaceError> {
        for (path, mode) in self.modes.iter().rev() {
            let mode = Mode::from_raw_mode((*mode).into());
            chmodat(&self.root, path.as_path(), mode, AtFlags::empty())
                .map_err(self.fails(path))?;
        }
        Ok(())
    }

    fn fails(&self, path: &TreePath) -> impl FnOnce(Errno) -> WorkspaceError + use<> {
        WorkspaceError::io("change", self.directory.join(path.as_path()))
    }
}
