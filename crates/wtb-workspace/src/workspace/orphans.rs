//! Whose workspaces are, and which of them belong to nobody any more.
//!
//! A session holds a lock on a file of its own. A child that was forked shares the lock, and so the
//! workspaces of a session are in use until the last of its processes has ended, however they end.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use wtb_model::SessionId;

use super::kept;
use super::place::make_private;
use super::remove::remove_tree;
use crate::WorkspaceError;

/// The file that is locked.
const OWNER: &str = "owner";

/// How often a lock is tried whose file is another one by then; more often only where files have no
/// stable numbers.
const TRIES_MAX: u32 = 1_000;

/// What the names of inputs that were made of a snapshot begin with.
pub(super) const GIVEN: &str = ".inputs-";

/// The lock of a session.
#[derive(Debug)]
pub(super) struct Owner(#[expect(dead_code, reason = "it is held, not read")] File);

impl Owner {
    /// Claims the directory of a session, and makes it where there is none. What another process of the
    /// session removes at this moment is waited for.
    pub(super) fn claim(session: &Path) -> Result<Self, WorkspaceError> {
        let path = session.join(OWNER);
        for _ in 0..TRIES_MAX {
            make_private(session, true)?;
            let file = match open(&path) {
                // It was removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(WorkspaceError::io("make", &path))?,
            };
            // Shared: a session may open its workspaces more than once.
            file.lock_shared().map_err(WorkspaceError::io("lock", &path))?;
            if is_at(&file, &path) {
                return Ok(Self(file));
            }
        }
        let busy = "it was removed again and again at this moment";
        Err(WorkspaceError::io("lock", &path)(io::Error::other(busy)))
    }
}

fn open(owner: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(owner)
}

/// Whether a file is still the one of that name: a lock of one that was removed says nothing.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: fs::Metadata| (found.dev(), found.ino());
    let found = file.metadata().ok().map(id);
    found.is_some() && found == fs::metadata(path).ok().map(id)
}

/// A workspace whose session has ended.
#[derive(Debug)]
pub struct Orphan {
    /// Its session.
    pub session: SessionId,
    /// Its name.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Whether it was to be kept.
    pub is_kept: bool,
}

impl Orphan {
    /// Removes it, and what is left of its session if it is the last one.
    pub fn remove(self) -> Result<(), WorkspaceError> {
        remove_tree(&self.path)?;
        if let Some(session) = self.path.parent() {
            clear_away(session)?;
        }
        Ok(())
    }
}

/// Finds the workspaces in a base directory of sessions of which no process lives any more on this
/// machine. Of a base directory that several machines share, ask the store about the sessions, too.
pub fn find_orphans(base: &Path) -> Result<Vec<Orphan>, WorkspaceError> {
    let mut orphans = Vec::new();
    for (directory, name) in directories(base)? {
        let Ok(session) = name.parse::<SessionId>() else { continue };
        if matches!(lock(&directory)?, Left::Owned) {
            continue;
        }
        for (path, name) in directories(&directory)? {
            let is_kept = path.join(kept::KEPT).exists();
            orphans.push(Orphan { session: session.clone(), name, path, is_kept });
        }
        clear_given(&directory)?;
        clear_away(&directory)?;
    }
    Ok(orphans)
}

/// Removes the inputs that a dead session has made of snapshots, also if workspaces of it are kept.
pub(super) fn clear_given(session: &Path) -> Result<(), WorkspaceError> {
    let left = lock(session)?;
    if matches!(left, Left::Owned) {
        return Ok(());
    }
    remove_given(session)?;
    drop(left);
    Ok(())
}

fn remove_given(session: &Path) -> Result<(), WorkspaceError> {
    for entry in fs::read_dir(session).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(GIVEN.as_bytes()) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns the directories in a directory that are not hidden, by name.
pub(super) fn directories(path: &Path) -> Result<Vec<(PathBuf, String)>, WorkspaceError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(WorkspaceError::io("read", path))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(WorkspaceError::io("read", path))?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if let Ok(name) = entry.file_name().into_string()
            && is_directory
            && !name.starts_with('.')
        {
            found.push((entry.path(), name));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Who has what a session has left.
enum Left {
    /// The session itself: it lives.
    Owned,
    /// Nobody: the lock is held as long as this is, if there is anything at all.
    Free(#[expect(dead_code, reason = "it is held, not read")] Option<File>),
}

/// Locks what a dead session has left. The file is opened anew, so that also a session of this process
/// counts.
fn lock(session: &Path) -> Result<Left, WorkspaceError> {
    let path = session.join(OWNER);
    for _ in 0..TRIES_MAX {
        // Made where there is none: a session may be about to claim the directory.
        let file = match open(&path) {
            // It has been cleared away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::Free(None)),
            // Another user's, or nobody's here: not ours to remove.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                return Ok(Left::Owned);
            }
            other => other.map_err(WorkspaceError::io("open", &path))?,
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => return Ok(Left::Free(Some(file))),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Left::Owned),
            Err(TryLockError::Error(error)) => {
                return Err(WorkspaceError::io("lock", &path)(error));
            }
        }
    }
    Ok(Left::Owned)
}

/// Removes the directory of a dead session that has no workspaces any more.
pub(super) fn clear_away(session: &Path) -> Result<(), WorkspaceError> {
    let left = lock(session)?;
    let removed = match left {
        // The lock's file last: without it another process might begin with what goes next.
        Left::Free(_) if directories(session)?.is_empty() => {
            remove_given(session).and_then(|()| remove_tree(session))
        }
        Left::Free(_) | Left::Owned => Ok(()),
    };
    drop(left);
    match removed {
        // A session has come to claim it in the meantime.
        Err(WorkspaceError::Io { source, .. })
            if source.kind() == io::ErrorKind::DirectoryNotEmpty =>
        {
            Ok(())
        }
        removed => removed,
    }
}
