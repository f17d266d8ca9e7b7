//! Restoring: the whole tree is prepared beside its place, and switched in at once.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, chmodat, fchmod, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use super::contents;
use super::entry::{Entry, EntryKind};
use super::id::SnapshotId;
use super::parallel;
use super::snapshots::{Snapshots, failed};
use super::switch::Switch;
use super::walk::open_root;
use crate::WorkspaceError;

/// Files are worth another thread when there are so many for each.
const FILES_WORTH: usize = 16;

/// What restoring is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To make the directory in which the tree is prepared.
    Prepare,
    /// To make the directories in it.
    Directories,
    /// To write a file.
    File,
    /// To give the directories their permissions.
    Permissions,
    /// To switch the tree in.
    Switch,
    /// To remove what was there before.
    Remove,
}

impl Snapshots {
    /// Makes a directory what a snapshot says: everything else that is in it is gone afterwards, also
    /// what the snapshot has left out. Whatever happens to this process on the way, the directory is
    /// what it was or what it is to be (see [`crate::recover`] for file systems that cannot exchange
    /// two directories); what was prepared and not used is removed by the next restoring. It is not
    /// waited for that the disk has it.
    ///
    /// Programs whose working directory it is stay in the old one, which is removed: restore before
    /// they start.
    pub fn restore(&self, id: SnapshotId, directory: &Path) -> Result<(), WorkspaceError> {
        self.restore_watched(id, directory, &|_| {})
    }

    /// The same, and tells before each step what it is.
    pub fn restore_watched(
        &self,
        id: SnapshotId,
        directory: &Path,
        watch: &(dyn Fn(Step) + Sync),
    ) -> Result<(), WorkspaceError> {
        let entries = self.entries(id)?;
        watch(Step::Prepare);
        let switch = Switch::prepare(directory)?;
        self.write_tree(&entries, switch.aside(), watch)?;
        watch(Step::Switch);
        let old = switch.switch()?;
        watch(Step::Remove);
        old.map_or(Ok(()), |old| crate::remove_tree(&old))
    }

    /// Writes entries into an empty directory.
    pub(crate) fn write_tree(
        &self,
        entries: &[Entry],
        directory: &Path,
        watch: &(dyn Fn(Step) + Sync),
    ) -> Result<(), WorkspaceError> {
        let root = open_root(directory)?;
        let fails =
            |entry: &Entry| WorkspaceError::io("write", directory.join(entry.path.as_path()));
        watch(Step::Directories);
        let is_directory = |entry: &&Entry| entry.kind == EntryKind::Directory;
        for entry in entries.iter().filter(is_directory) {
            mkdirat(&root, entry.path.as_path(), Mode::RWXU).map_err(fails(entry))?;
        }
        let others: Vec<_> = entries.iter().filter(|entry| !is_directory(entry)).collect();
        parallel::each(others.len(), FILES_WORTH, |at| {
            watch(Step::File);
            self.write_entry(root.as_fd(), others[at], directory)
        })?;
        watch(Step::Permissions);
        // What is within comes first: a directory may forbid to look into it.
        for entry in entries.iter().rev().filter(is_directory) {
            let mode = Mode::from_raw_mode(entry.mode.into());
            if mode != Mode::RWXU {
                chmodat(&root, entry.path.as_path(), mode, AtFlags::empty())
                    .map_err(fails(entry))?;
            }
        }
        Ok(())
    }

    /// Writes a file or a symbolic link where there is none.
    pub(crate) fn write_entry(
        &self,
        root: BorrowedFd<'_>,
        entry: &Entry,
        directory: &Path,
    ) -> Result<(), WorkspaceError> {
        let path = entry.path.as_path();
        let fails = || WorkspaceError::io::<Errno>("write", directory.join(path));
        match &entry.kind {
            EntryKind::Directory => Ok(()),
            EntryKind::Symlink { target } => {
                use std::os::unix::ffi::OsStrExt as _;
                let target = std::ffi::OsStr::from_bytes(target);
                symlinkat(target, root, path).map_err(fails())
            }
            EntryKind::File { size, content } => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let file = openat(root, path, flags, Mode::RUSR | Mode::WUSR).map_err(fails())?;
                let file = File::from(file);
                contents::write(self.objects.as_ref(), &file, *size, *content).map_err(
                    |failure| failed(failure, "write", &entry.path, &directory.join(path)),
                )?;
                fchmod(&file, Mode::from_raw_mode(entry.mode.into())).map_err(fails())
            }
        }
    }
}
