//! Removing trees, also those that somebody has made read-only.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, chmodat, renameat, unlinkat};
use rustix::io::Errno;

use crate::WorkspaceError;
use crate::snapshot::walk::{look, names, open_directory};

/// Removes a directory with all that is in it, or a file, or nothing if nothing is there.
///
/// Directories that forbid it are given back to their owner first. Symbolic links are removed, not
/// followed, also those that somebody puts there at this moment.
pub fn remove_tree(path: &Path) -> Result<(), WorkspaceError> {
    use std::os::unix::ffi::OsStrExt as _;
    let fails = || WorkspaceError::io::<Errno>("remove", path);
    let name = std::ffi::CString::new(path.as_os_str().as_bytes());
    let name = name.map_err(|_| Errno::INVAL).map_err(fails())?;
    match look(CWD, &name).map_err(fails())? {
        None => Ok(()),
        Some(stat) => remove(CWD, &name, is_directory(&stat)).map_err(fails()),
    }
}

/// Directories below so many others are moved up before they are emptied: each that is open takes a file
/// descriptor, and a part of the stack.
const MOVED_FROM_DEPTH: usize = 128;

/// The removal of what is in a directory.
struct Removal<'top> {
    top: BorrowedFd<'top>,
    /// How many directories were moved up to it.
    moved: u64,
}

fn remove(parent: BorrowedFd<'_>, name: &CStr, is_directory: bool) -> Result<(), Errno> {
    if !is_directory {
        return gone(unlinkat(parent, name, AtFlags::empty()));
    }
    let Some(directory) = open_unless_removed(parent, name)? else { return Ok(()) };
    let mut removal = Removal { top: directory.as_fd(), moved: 0 };
    loop {
        let moved = removal.moved;
        removal.empty(directory.as_fd(), 1)?;
        if removal.moved == moved {
            return gone(unlinkat(parent, name, AtFlags::REMOVEDIR));
        }
    }
}

impl Removal<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        match self.try_empty(directory, depth) {
            Err(Errno::ACCESS) => {
                rustix::fs::fchmod(directory, Mode::RWXU)?;
                self.try_empty(directory, depth)
            }
            other => other,
        }
    }

    fn try_empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        for name in names(directory)? {
            let Some(stat) = look(directory, &name)? else { continue };
            if !is_directory(&stat) {
                gone(unlinkat(directory, &name, AtFlags::empty()))?;
            } else if depth >= MOVED_FROM_DEPTH {
                self.move_up(directory, &name)?;
            } else if let Some(below) = open_unless_removed(directory, &name)? {
                self.empty(below.as_fd(), depth + 1)?;
                gone(unlinkat(directory, &name, AtFlags::REMOVEDIR))?;
            }
        }
        Ok(())
    }

    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        // A directory that its owner may not write cannot be moved: it knows what it is in.
        chmodat(directory, name, Mode::RWXU, AtFlags::empty())?;
        self.moved += 1;
        let (top, to) = (self.top, format!(".wtb-deep-{}", self.moved));
        match renameat(directory, name, top, &to) {
            Err(Errno::EXIST | Errno::NOTEMPTY) => self.move_up(directory, name),
            other => gone(other),
        }
    }
}

/// Removes an empty directory; returns any other one, opened.
fn open_unless_removed(parent: BorrowedFd<'_>, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    // Most are empty, or become so by what is done below.
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
        other => return gone(other).map(|()| None),
    }
    match open_directory(parent, name) {
        Err(Errno::ACCESS) => {
            chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open_directory(parent, name).map(Some)
        }
        opened => opened.map(Some),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// What is gone already need not be removed.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
