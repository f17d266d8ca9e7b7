//! Reading the upper directory of an overlay: what was changed, and nothing else.
//!
//! What overlayfs writes there: files as they are now; a character device 0/0 where something of the
//! base is gone; a directory to be merged with the base's of the same path, unless it is marked
//! *opaque*, or as that of another path (*redirect*) since it was renamed. The marks are extended
//! attributes, `trusted.overlay.*` or, in a user namespace, `user.overlay.*`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, fgetxattr};
use rustix::io::Errno;

use super::entry::{Entry, EntryKind};
use super::rules::{Reason, Rules};
use super::stamp::kind_of;
use super::tree::Edits;
use super::walk::{Found, Name, look, names};
use crate::{TreePath, WorkspaceError};

/// The longest path that a mark may hold.
const MARK_BYTES_MAX: usize = 4096;

/// The entries of the base within a directory.
pub(crate) type Within<'base> = dyn Fn(&[u8]) -> Result<Vec<Entry>, WorkspaceError> + 'base;

/// An upper directory on its way to edits of the base.
pub(crate) struct Upper<'base> {
    pub(crate) rules: &'base Rules,
    pub(crate) within: &'base Within<'base>,
    /// What was found; its entries are put last, when their contents are known.
    pub(crate) found: Found,
    pub(crate) edits: Edits,
}

/// A failure on the way: of the base, or of the upper directory.
pub(crate) enum Failure {
    Base(WorkspaceError),
    System(Errno),
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Self {
        Self::System(error)
    }
}

impl Upper<'_> {
    /// Walks a directory; `origin` is the path of the base's directory that it is merged with.
    pub(crate) fn walk(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &[u8],
        origin: Option<&[u8]>,
    ) -> Result<(), Failure> {
        for name in names(directory)? {
            let Some(stat) = look(directory, &name)? else { continue };
            let path = TreePath::within(path, name.to_bytes());
            let kind = kind_of(&stat);
            if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
                self.edits.remove(&path);
                continue;
            }
            let one = Name { parent: directory, text: &name, path, stat };
            if kind != FileType::Directory && origin.is_some() {
                self.edits.remove(&one.path);
            }
            let Some(below) = self.found.add(&one, self.rules) else {
                if kind == FileType::Directory {
                    // What cannot be looked into is not what the base says, either.
                    self.edits.remove(&one.path);
                }
                continue;
            };
            let origin = self.merge(&one, &below, origin)?;
            match self.walk(below.as_fd(), one.path.as_bytes(), origin.as_deref()) {
                Err(Failure::System(error)) => {
                    self.found.left_out.add(one.path, Reason::Unreadable(error.to_string()));
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Finds out what a directory is merged with, and takes over what that has elsewhere.
    fn merge(
        &mut self,
        one: &Name<'_>,
        below: &OwnedFd,
        origin: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let natural = origin.map(|origin| within(origin, one.text.to_bytes()));
        let redirect = mark(below.as_fd(), "redirect");
        if redirect.is_none() && mark(below.as_fd(), "opaque").is_none() {
            return Ok(natural);
        }
        self.edits.remove(&one.path);
        let Some(redirect) = redirect else { return Ok(None) };
        let from = match redirect.strip_prefix(b"/") {
            Some(absolute) => absolute.to_vec(),
            None => within(origin.unwrap_or_default(), &redirect),
        };
        for entry in (self.within)(&from).map_err(Failure::Base)? {
            let rest = &entry.path.as_bytes()[from.len() + 1..];
            let path = TreePath::within(one.path.as_bytes(), rest);
            let is_directory = entry.kind == EntryKind::Directory;
            if self.rules.rule_for(path.as_bytes(), is_directory).is_none() {
                self.edits.put(Entry { path, ..entry });
            }
        }
        Ok(Some(from))
    }
}

fn within(directory: &[u8], name: &[u8]) -> Vec<u8> {
    TreePath::within(directory, name).as_bytes().to_vec()
}

/// Returns a mark of overlayfs on a directory.
fn mark(directory: BorrowedFd<'_>, name: &str) -> Option<Vec<u8>> {
    ["user", "trusted"].into_iter().find_map(|space| {
        let mut value = vec![0; MARK_BYTES_MAX];
        let length = fgetxattr(directory, format!("{space}.overlay.{name}"), &mut value).ok()?;
        value.truncate(length);
        // `x` says that the directory has marks of other kinds in it, which are not made here.
        (name != "opaque" || value == b"y").then_some(value)
    })
}
