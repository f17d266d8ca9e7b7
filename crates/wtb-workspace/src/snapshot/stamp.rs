//! What tells that a file has not changed since it was hashed, without reading it.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::time::{ClockId, clock_gettime};

use super::entry::Content;
use super::parallel;
use super::walk::open_root;
use crate::{TreePath, WorkspaceError};

/// Looking at files is worth another thread when there are so many for each.
const FILES_WORTH: usize = 256;

/// Nanoseconds since 1970.
type Instant = i128;

/// What the file system says of a file. When it is equal, and was not made within the tick of the
/// clock in which the file was read, the bytes are equal.
///
/// That is git's rule, with one exception that git has as well: who writes through a memory mapping
/// changes the times only now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: Instant,
    changed: Instant,
}

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = |seconds: i128, rest: i128| seconds * 1_000_000_000 + rest;
        Self {
            device: widened(stat.st_dev),
            inode: widened(stat.st_ino),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: nanoseconds(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: nanoseconds(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the device and the inode.
    pub(crate) fn inode(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether who changes the file after `now` leaves another stamp for certain.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        self.changed < now && self.modified < now
    }
}

fn widened(number: impl TryInto<u64>) -> u64 {
    number.try_into().unwrap_or_default()
}

/// The present time by the clock that file systems take their times from, or one that is not ahead.
pub(crate) fn now() -> Instant {
    #[cfg(target_os = "linux")]
    let clock = ClockId::RealtimeCoarse;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Realtime;
    let now = clock_gettime(clock);
    Instant::from(now.tv_sec) * 1_000_000_000 + Instant::from(now.tv_nsec)
}

/// Permission bits as snapshots keep them.
pub(crate) fn mode_of(stat: &Stat) -> u16 {
    u16::try_from(stat.st_mode & 0o7777).unwrap_or_default()
}

/// What a file is.
pub(crate) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// What was hashed before: files by path, with what they looked like then.
///
/// One belongs to one directory and one store. It trusts that what it remembers still is in the
/// store: it has to be dropped when the snapshot that it was used for last may have been collected.
#[derive(Debug, Clone, Default)]
pub struct StatCache {
    /// In the order of the paths, which is that of a walk.
    files: Vec<Known>,
}

/// A file that was hashed.
#[derive(Debug, Clone)]
struct Known {
    path: TreePath,
    stamp: Stamp,
    content: Content,
}

impl StatCache {
    /// How many files are remembered.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns what is known of a copy of the directory that this one belongs to, whose files have kept
    /// their times: of what has changed in either since, nothing is.
    pub(crate) fn of_copy(&self, from: &Path, to: &Path) -> Result<Self, WorkspaceError> {
        let (from, to) = (open_root(from)?, open_root(to)?);
        let begun = now();
        let look = |root: &OwnedFd, path: &TreePath| {
            statat(root, path.as_path(), AtFlags::SYMLINK_NOFOLLOW)
                .ok()
                .map(|stat| Stamp::of(&stat))
        };
        let known = parallel::each(self.files.len(), FILES_WORTH, |at| {
            let Known { path, stamp, content } = &self.files[at];
            let copied = look(&from, path).filter(|now| now == stamp).and_then(|_| look(&to, path));
            let copied = copied.filter(|copied| {
                copied.size == stamp.size
                    && copied.modified == stamp.modified
                    && copied.is_settled(begun)
            });
            let known = |stamp| Known { path: path.clone(), stamp, content: *content };
            Ok::<_, WorkspaceError>(copied.map(known))
        })?;
        Ok(Self { files: known.into_iter().flatten().collect() })
    }

    /// Remembers the next file.
    pub(crate) fn push(&mut self, path: TreePath, stamp: Stamp, content: Content) {
        self.files.push(Known { path, stamp, content });
    }

    /// Looks files up that come in the order of their paths.
    pub(crate) fn lookup(&self) -> impl FnMut(&TreePath, &Stamp) -> Option<Content> {
        let mut rest = self.files.as_slice();
        move |path, stamp| {
            while let Some((known, behind)) =
                rest.split_first().filter(|(one, _)| one.path <= *path)
            {
                rest = behind;
                if known.path == *path {
                    return (known.stamp == *stamp).then_some(known.content);
                }
            }
            None
        }
    }
}
