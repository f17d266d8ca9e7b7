//! Read-only copies of large files, which the workspaces of the rung `hardlink` share.
//!
//! The inputs themselves are never linked: to make such a link unwritable would make the input
//! unwritable, since permissions belong to the file and not to its names. So there is one copy of each
//! large file for all workspaces of a base directory. Its name says what it is a copy of, and which
//! permissions that has: the copy has none to write. Whoever ignores permissions could write into it
//! all the same, or give them back to himself: that shows in its time or size, and is an error then.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, Stat, chmodat, linkat, renameat};
use rustix::io::Errno;

use super::copy::copy_file;
use crate::WorkspaceError;
use crate::snapshot::walk::open_root;

/// Files that take so much room are linked; others are copied, sparse ones among them.
pub(super) const LINKED_BYTES_MIN: u64 = 1 << 20;

/// The copies of a base directory.
#[derive(Debug, Clone)]
pub(super) struct Pristine {
    directory: PathBuf,
}

/// What the name of a copy says.
struct Name {
    size: u64,
    modified: (i64, i64),
    mode: u32,
}

impl Pristine {
    pub(super) fn of(base: &Path) -> Self {
        Self { directory: base.join(".shared") }
    }

    /// Makes the copy of a file if there is none, and gives it another name in a workspace.
    pub(super) fn link(
        &self,
        from: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        to: BorrowedFd<'_>,
    ) -> Result<(), WorkspaceError> {
        let shared = format!(
            "{}-{}-{}-{}.{}-{}.{}-{:o}",
            stat.st_dev,
            stat.st_ino,
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
            stat.st_mode & 0o7777,
        );
        let place = self.directory.join(&shared);
        let fails = || WorkspaceError::io::<Errno>("share a copy by", &place);
        fs::create_dir_all(&self.directory)
            .map_err(WorkspaceError::io("make the directory", &self.directory))?;
        let directory = open_root(&self.directory)?;
        let shared = c_string(&shared).map_err(fails())?;
        let link = || linkat(&directory, &shared, to, name, AtFlags::empty());
        match link() {
            Err(Errno::NOENT) => {
                make(from, name, stat, directory.as_fd(), &shared).map_err(fails())?;
                link().map_err(fails())
            }
            other => other.map_err(fails()),
        }
    }

    /// Returns which permissions the inputs have that copies stand for, by device and inode.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::SharedFileWritten`] when one is no longer what was copied. It is removed, so that
    /// no further workspace gets it.
    pub(super) fn modes(&self) -> Result<HashMap<(u64, u64), u16>, WorkspaceError> {
        let mut modes = HashMap::new();
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(modes),
            other => other.map_err(WorkspaceError::io("read", &self.directory))?,
        };
        for entry in entries {
            let path = entry.map_err(WorkspaceError::io("read", &self.directory))?.path();
            let Some(name) = Name::parse(&path) else { continue };
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            if found.size() != name.size || (found.mtime(), found.mtime_nsec()) != name.modified {
                fs::remove_file(&path).map_err(WorkspaceError::io("remove", &path))?;
                return Err(WorkspaceError::SharedFileWritten { path });
            }
            let mode = u16::try_from(name.mode).unwrap_or_default();
            modes.insert((found.dev(), found.ino()), mode);
        }
        Ok(modes)
    }

    /// Removes the copies that no workspace has.
    pub(super) fn sweep(&self) -> Result<(), WorkspaceError> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Ok(()) };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_unused = fs::symlink_metadata(&path).is_ok_and(|found| found.nlink() == 1);
            if is_unused && Name::parse(&path).is_some() {
                fs::remove_file(&path).map_err(WorkspaceError::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Name {
    fn parse(path: &Path) -> Option<Self> {
        let mut parts = path.file_name()?.to_str()?.split('-').skip(2);
        let size = parts.next()?.parse().ok()?;
        let (seconds, nanoseconds) = parts.next()?.split_once('.')?;
        let modified = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
        let mode = u32::from_str_radix(parts.nth(1)?, 8).ok()?;
        Some(Self { size, modified, mode })
    }
}

/// Makes the copy of a file under its name.
fn make(
    from: BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
    directory: BorrowedFd<'_>,
    shared: &CStr,
) -> Result<(), Errno> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let aside = c_string(&format!(".new-{}-{number}", std::process::id()))?;
    copy_file(from, name, directory, &aside, stat, false)?;
    let read_only = Mode::from_raw_mode(stat.st_mode & 0o555 | 0o400);
    chmodat(directory, &aside, read_only, AtFlags::empty())?;
    // Who was quicker has made the same: which of the two stays does not matter.
    renameat(directory, &aside, directory, shared)
}

fn c_string(text: &str) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| Errno::INVAL)
}
