//! Switching a prepared directory in for another, so that a crash leaves the one or the other.
//!
//! `.NAME.wtb-new` is prepared beside `NAME`. Where the file system can exchange two names, one call
//! does it, and `.NAME.wtb-new` is then the old one. Elsewhere `NAME` becomes `.NAME.wtb-old` first; who
//! is killed between the two renames leaves no `NAME`, and [`recover`] gives it back.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::{WorkspaceError, remove_tree};

/// A directory that is prepared to take the place of another.
pub(crate) struct Switch {
    place: PathBuf,
    aside: PathBuf,
    old: PathBuf,
}

impl Switch {
    /// Makes an empty directory beside a place, with the permissions of what is there; what an earlier
    /// one has left is removed.
    pub(crate) fn prepare(place: &Path) -> Result<Self, WorkspaceError> {
        recover(place)?;
        let [aside, old] = ["new", "old"].map(|suffix| beside(place, suffix));
        let (aside, old) = (aside?, old?);
        for left in [&aside, &old] {
            remove_tree(left)?;
        }
        std::fs::create_dir(&aside).map_err(WorkspaceError::io("make the directory", &aside))?;
        match std::fs::metadata(place) {
            Ok(now) => std::fs::set_permissions(&aside, now.permissions())
                .map_err(WorkspaceError::io("set the permissions of", &aside))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(WorkspaceError::io("look at", place)(error)),
        }
        Ok(Self { place: place.to_owned(), aside, old })
    }

    /// Where the new one is prepared.
    pub(crate) fn aside(&self) -> &Path {
        &self.aside
    }

    /// Switches, and returns where the old one is now, if there was one.
    pub(crate) fn switch(self) -> Result<Option<PathBuf>, WorkspaceError> {
        let Self { place, aside, old } = self;
        let fails = || WorkspaceError::io::<io::Error>("switch in the new content of", &place);
        if std::fs::symlink_metadata(&place).is_err() {
            return std::fs::rename(&aside, &place).map(|()| None).map_err(fails());
        }
        if exchange(&aside, &place).map_err(fails())? {
            return Ok(Some(aside));
        }
        std::fs::rename(&place, &old).map_err(fails())?;
        std::fs::rename(&aside, &place).map_err(fails())?;
        Ok(Some(old))
    }
}

/// Puts a directory back that was moved away to be replaced, if whoever did so was killed before the
/// new one was in its place. Does nothing otherwise.
pub fn recover(place: &Path) -> Result<(), WorkspaceError> {
    let old = beside(place, "old")?;
    if std::fs::symlink_metadata(place).is_err() && std::fs::symlink_metadata(&old).is_ok() {
        std::fs::rename(&old, place).map_err(WorkspaceError::io("put back", place))?;
    }
    Ok(())
}

fn beside(place: &Path, suffix: &str) -> Result<PathBuf, WorkspaceError> {
    let name = place.file_name().ok_or_else(|| {
        let reason = io::Error::new(io::ErrorKind::InvalidInput, "it has no name of its own");
        WorkspaceError::io("replace", place)(reason)
    })?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".wtb-");
    hidden.push(suffix);
    Ok(place.with_file_name(hidden))
}

/// Exchanges two names, if that is possible here.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}
