//! Workspaces that are kept after their attempts: how much they take, and which have to go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::orphans::{clear_away, directories};
use super::remove::remove_tree;
use crate::WorkspaceError;

/// The file that says that a workspace is to be kept. It holds how many bytes that takes.
pub(super) const KEPT: &str = "kept";

/// A workspace that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its directory.
    pub path: PathBuf,
    /// How many bytes it takes on disk.
    pub bytes: u64,
    /// Since when it is kept.
    pub since: SystemTime,
}

/// Marks a workspace as one to be kept; returns how many bytes that takes.
pub(super) fn keep(directory: &Path, written: &Path) -> Result<u64, WorkspaceError> {
    let bytes = disk_usage(written);
    let path = directory.join(KEPT);
    fs::write(&path, bytes.to_string()).map_err(WorkspaceError::io("write", &path))?;
    Ok(bytes)
}

/// Finds the workspaces in a base directory that are kept, oldest first.
pub fn find_kept(base: &Path) -> Result<Vec<Kept>, WorkspaceError> {
    let mut found = Vec::new();
    for (session, _) in directories(base)? {
        let workspaces = match directories(&session) {
            // Another user's.
            Err(WorkspaceError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                continue;
            }
            other => other?,
        };
        for (path, _) in workspaces {
            let mark = path.join(KEPT);
            let read = fs::read_to_string(&mark).and_then(|text| {
                let bytes = text.trim().parse().unwrap_or_default();
                Ok((bytes, fs::metadata(&mark)?.modified()?))
            });
            match read {
                Ok((bytes, since)) => found.push(Kept { path, bytes, since }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(WorkspaceError::io("read", &mark)(error)),
            }
        }
    }
    found.sort_by(|one, other| (one.since, &one.path).cmp(&(other.since, &other.path)));
    Ok(found)
}

/// Removes kept workspaces in a base directory, oldest first, until those that remain take at most
/// `bytes_max` on disk. Returns what was removed.
pub fn trim_kept(base: &Path, bytes_max: u64) -> Result<Vec<Kept>, WorkspaceError> {
    let kept = find_kept(base)?;
    let mut taken: u64 = kept.iter().map(|one| one.bytes).sum();
    let mut removed = Vec::new();
    for one in kept {
        if taken <= bytes_max {
            break;
        }
        taken = taken.saturating_sub(one.bytes);
        remove_tree(&one.path)?;
        if let Some(session) = one.path.parent() {
            clear_away(session)?;
        }
        removed.push(one);
    }
    Ok(removed)
}

/// How many bytes a tree takes on disk. A file that several trees share counts for each.
fn disk_usage(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        // What the attempt has made unreadable, or too deep for a path, is counted by nobody.
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            bytes += found.blocks() * BLOCK_BYTES;
            if found.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    bytes
}
