//! Removing trees, also those that somebody has made read-only.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, chmodat, unlinkat};
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
        Some(stat) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            remove(CWD, &name, kind == FileType::Directory).map_err(fails())
        }
    }
}

fn remove(parent: BorrowedFd<'_>, name: &CStr, is_directory: bool) -> Result<(), Errno> {
    if !is_directory {
        return gone(unlinkat(parent, name, AtFlags::empty()));
    }
    // Most are empty, or become so by what is done below.
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
        other => return gone(other),
    }
    let directory = match open_directory(parent, name) {
        Err(Errno::ACCESS) => {
            chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open_directory(parent, name)?
        }
        opened => opened?,
    };
    match empty(directory.as_fd()) {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(&directory, Mode::RWXU)?;
            empty(directory.as_fd())?;
        }
        other => other?,
    }
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

fn empty(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    for name in names(directory)? {
        let Some(stat) = look(directory, &name)? else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        remove(directory, &name, kind == FileType::Directory)?;
    }
    Ok(())
}

/// What is gone already need not be removed.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}
