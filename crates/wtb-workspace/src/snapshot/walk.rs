//! Walking directories: by descriptors, so that no symbolic link that somebody puts in the way leads
//! out of the tree.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::entry::{Content, Entry, EntryKind, SYMLINK_MODE};
use super::rules::{LeftOut, Reason, Rules};
use super::stamp::{Stamp, kind_of, mode_of};
use crate::{TreePath, WorkspaceError};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory that a tree begins with; it may be reached by a symbolic link.
pub(crate) fn open_root(path: &Path) -> Result<OwnedFd, WorkspaceError> {
    openat(CWD, path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())
        .map_err(WorkspaceError::io("open the directory", path))
}

/// Opens a directory within another.
pub(crate) fn open_directory(
    parent: BorrowedFd<'_>,
    name: &std::ffi::CStr,
) -> Result<OwnedFd, Errno> {
    openat(parent, name, DIRECTORY, Mode::empty())
}

/// Returns the names in a directory, in order.
pub(crate) fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Looks at a name in a directory; `None` when it is gone.
pub(crate) fn look(parent: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<Option<Stat>, Errno> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was found in a tree, in order.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Entries; files still without their content.
    pub(crate) entries: Vec<Entry>,
    /// The stamps of the files among them, in the same order.
    pub(crate) stamps: Vec<Stamp>,
    /// What was left out.
    pub(crate) left_out: LeftOut,
    /// Symbolic links that lead out of the tree.
    pub(crate) links_outside: Vec<TreePath>,
}

/// So many directories may lie below each other: each that is looked into takes a file descriptor, and a
/// part of the stack.
pub(crate) const DEPTH_MAX: usize = 256;

/// A name in a directory that is walked.
pub(crate) struct Name<'walk> {
    pub(crate) parent: BorrowedFd<'walk>,
    pub(crate) text: &'walk std::ffi::CStr,
    pub(crate) path: TreePath,
    pub(crate) stat: Stat,
}

impl Found {
    /// Walks a directory with all below it; `path` is where it is in the tree.
    pub(crate) fn walk(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        rules: &Rules,
    ) -> Result<(), Errno> {
        for name in names(directory)? {
            let Some(stat) = look(directory, &name)? else { continue };
            let path = TreePath::within(path, name.to_bytes());
            let one = Name { parent: directory, text: &name, path, stat };
            if let Some(below) = self.add(&one, rules)
                && let Err(error) = self.walk(below.as_fd(), one.path.as_bytes(), rules)
            {
                self.left_out.add(one.path, Reason::Unreadable(error.to_string()));
            }
        }
        Ok(())
    }

    /// Adds what is under a name, and returns it if it is a directory that can be read.
    pub(crate) fn add(&mut self, one: &Name<'_>, rules: &Rules) -> Option<OwnedFd> {
        let Name { parent, text: name, path, stat } = one;
        let kind = kind_of(stat);
        if let Some(rule) = rules.rule_for(path.as_bytes(), kind == FileType::Directory) {
            self.left_out.add(path.clone(), Reason::Rule(rule));
            return None;
        }
        let entry = |mode, kind| Entry { path: path.clone(), mode, kind };
        match kind {
            FileType::RegularFile => {
                let stamp = Stamp::of(stat);
                let kind = EntryKind::File { size: stamp.size(), content: Content::Empty };
                self.entries.push(entry(mode_of(stat), kind));
                self.stamps.push(stamp);
                None
            }
            FileType::Directory if path.depth() > DEPTH_MAX => {
                self.left_out.add(path.clone(), Reason::Deep);
                None
            }
            FileType::Directory => match open_directory(*parent, name) {
                Ok(below) => {
                    self.entries.push(entry(mode_of(stat), EntryKind::Directory));
                    Some(below)
                }
                Err(error) => {
                    self.left_out.add(path.clone(), Reason::Unreadable(error.to_string()));
                    None
                }
            },
            FileType::Symlink => {
                match readlinkat(*parent, *name, Vec::new()) {
                    Ok(target) => {
                        let target = target.into_bytes();
                        if leads_outside(path, &target) {
                            self.links_outside.push(path.clone());
                        }
                        let kind = EntryKind::Symlink { target: target.into() };
                        self.entries.push(entry(SYMLINK_MODE, kind));
                    }
                    Err(error) => {
                        self.left_out.add(path.clone(), Reason::Unreadable(error.to_string()));
                    }
                }
                None
            }
            other => {
                self.left_out.add(path.clone(), Reason::Special(special(other)));
                None
            }
        }
    }
}

/// Whether a symbolic link leads out of its tree, as far as its text says.
fn leads_outside(path: &TreePath, target: &[u8]) -> bool {
    let mut depth = path.ancestors().count();
    target.starts_with(b"/")
        || target.split(|byte| *byte == b'/').any(|name| match name {
            b"" | b"." => false,
            b".." => match depth.checked_sub(1) {
                Some(above) => {
                    depth = above;
                    false
                }
                None => true,
            },
            _ => {
                depth += 1;
                false
            }
        })
}

fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        _ => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_outside_are_told_from_others() {
        let path = TreePath::new(b"a/b/link").unwrap();
        for (target, outside) in [
            (b"../../c".as_slice(), false),
            (b"../../../c", true),
            (b"/etc/passwd", true),
            (b"x/../../../c", false),
            (b"x/../../../../c", true),
        ] {
            assert_eq!(leads_outside(&path, target), outside, "{}", target.escape_ascii());
        }
    }
}
