//! Taking snapshots, and reading them.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat};
use wtb_store::Objects;

use super::codec::Branch;
use super::contents::{self, Failure};
use super::diff::{Change, compare};
use super::entry::{Content, Entry, EntryKind};
use super::id::SnapshotId;
use super::parallel;
use super::rules::{LeftOut, Reason, Rules};
use super::shelf::Shelf;
use super::stamp::{Stamp, StatCache, now};
use super::tree::{Edits, Tree, Writer};
use super::upper::{self, Upper};
use super::walk::{Found, open_root};
use crate::{TreePath, WorkspaceError};

/// Small files are worth another thread when there are so many for each.
const FILES_WORTH: usize = 32;

/// Snapshots over the objects of a store.
///
/// What is put into the store is queued there: a unit of work that names the snapshot
/// ([`SnapshotId::reference`]) commits after all of it. Such a unit is refused with
/// [`wtb_store::StoreError::NotFound`] when a part of the snapshot was taken to be in the store but has
/// been collected; [`Snapshots::forget`], an empty [`StatCache`] and another snapshot put that right.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use wtb_store::sqlite::{SqliteOptions, SqliteStore};
/// use wtb_workspace::{Rules, Snapshots, StatCache};
///
/// # let directory = tempfile::tempdir()?;
/// # let address = directory.path().join("wtb.db").display().to_string();
/// let snapshots = Snapshots::new(Arc::new(SqliteStore::open(&address, SqliteOptions::default())?));
/// let (inputs, copy) = (directory.path().join("inputs"), directory.path().join("copy"));
/// std::fs::create_dir(&inputs)?;
/// std::fs::write(inputs.join("a.csv"), "1,2")?;
///
/// let taken = snapshots.take(&inputs, &Rules::of(&inputs)?, &mut StatCache::default())?;
/// assert_eq!(taken.left_out.count(), 0);
/// snapshots.restore(taken.id, &copy)?;
/// assert_eq!(std::fs::read(copy.join("a.csv"))?, b"1,2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Snapshots {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) shelf: Shelf,
}

/// A snapshot that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its id.
    pub id: SnapshotId,
    /// How many files had to be read.
    pub files_read: u64,
    /// How many bytes those had.
    pub bytes_read: u64,
    /// What is not in it.
    pub left_out: LeftOut,
    /// Symbolic links that lead out of the tree: what is written through them is neither private nor
    /// part of the snapshot. Of an overlay these are the ones that were changed.
    pub links_outside: Vec<TreePath>,
}

/// How much a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many entries.
    pub entries: u64,
    /// How many of them are files.
    pub files: u64,
    /// How many bytes those have.
    pub bytes: u64,
}

impl Snapshots {
    /// Makes snapshots over the objects of a store.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects, shelf: Shelf::default() }
    }

    /// Takes a snapshot of a directory. Files that look as `cache` remembers them are not read.
    pub fn take(
        &self,
        directory: &Path,
        rules: &Rules,
        cache: &mut StatCache,
    ) -> Result<Taken, WorkspaceError> {
        self.take_as(directory, rules, cache, &HashMap::new())
    }

    /// The same; files of some devices and inodes have other permissions than they seem to have.
    pub(crate) fn take_as(
        &self,
        directory: &Path,
        rules: &Rules,
        cache: &mut StatCache,
        modes: &HashMap<(u64, u64), u16>,
    ) -> Result<Taken, WorkspaceError> {
        let root = open_root(directory)?;
        let mut found = Found::default();
        found.walk(root.as_fd(), b"", rules).map_err(WorkspaceError::io("read", directory))?;
        let files = found.entries.iter_mut().filter(|entry| entry.is_file());
        for (entry, stamp) in files.zip(&found.stamps) {
            entry.mode = modes.get(&stamp.inode()).copied().unwrap_or(entry.mode);
        }
        let read = self.read_contents(root.as_fd(), &mut found, cache)?;
        let mut writer = Writer::new(self.objects.as_ref());
        let entries = std::mem::take(&mut found.entries);
        let tree = writer.build(entries)?;
        Ok(self.taken(writer, tree, found, read))
    }

    /// Takes a snapshot of what an overlay shows, from its upper directory alone and the snapshot of
    /// what it lies on.
    pub fn take_upper(
        &self,
        upper: &Path,
        base: SnapshotId,
        rules: &Rules,
        cache: &mut StatCache,
    ) -> Result<Taken, WorkspaceError> {
        let base = self.shelf.tree(self.objects.as_ref(), base.0)?;
        let root = open_root(upper)?;
        let within = |path: &[u8]| self.entries_within(&base, path);
        let (found, edits) = (Found::default(), Edits::default());
        let mut walk = Upper { rules, within: &within, found, edits };
        walk.walk(root.as_fd(), b"", Some(b"")).map_err(|failure| match failure {
            upper::Failure::Base(error) => error,
            upper::Failure::System(error) => WorkspaceError::io("read", upper)(error),
        })?;
        let Upper { mut found, mut edits, .. } = walk;
        let read = self.read_contents(root.as_fd(), &mut found, cache)?;
        for entry in std::mem::take(&mut found.entries) {
            edits.put(entry);
        }
        let mut writer = Writer::new(self.objects.as_ref());
        let tree = writer.edit(&base, &edits, |page| self.load(page))?;
        Ok(self.taken(writer, tree, found, read))
    }

    fn taken(
        &self,
        writer: Writer<'_>,
        tree: Tree,
        found: Found,
        (files_read, bytes_read): (u64, u64),
    ) -> Taken {
        for (hash, entries) in writer.written {
            self.shelf.keep_page(hash, entries.into());
        }
        let id = SnapshotId(self.shelf.keep_tree(tree).root);
        let Found { left_out, links_outside, .. } = found;
        Taken { id, files_read, bytes_read, left_out, links_outside }
    }

    /// Adds the contents of the files that were found, and remembers them. Returns how many files and
    /// bytes had to be read.
    fn read_contents(
        &self,
        root: BorrowedFd<'_>,
        found: &mut Found,
        cache: &mut StatCache,
    ) -> Result<(u64, u64), WorkspaceError> {
        let mut stamps = std::mem::take(&mut found.stamps).into_iter();
        let mut known = cache.lookup();
        let files: Vec<_> = (0..found.entries.len())
            .filter(|at| found.entries[*at].is_file())
            .zip(&mut stamps)
            .map(|(at, stamp)| (at, stamp, known(&found.entries[at].path, &stamp)))
            .collect();
        drop(known);
        let unknown: Vec<_> = files.iter().filter(|(.., known)| known.is_none()).collect();
        let worth = if unknown.iter().any(|(_, stamp, _)| stamp.size() > FILE_WORTH) {
            1
        } else {
            FILES_WORTH
        };
        let read = parallel::each(unknown.len(), worth, |at| {
            self.read_content(root, &found.entries[unknown[at].0].path)
        })?;
        let mut read = read.into_iter();
        let (mut next, mut gone) = (StatCache::default(), Vec::new());
        let (mut files_read, mut bytes_read) = (0, 0);
        for (at, stamp, known) in &files {
            let path = found.entries[*at].path.clone();
            let (size, content, remembered) = match known {
                Some(content) => (stamp.size(), *content, Some(*stamp)),
                None => match read.next() {
                    Some(Ok((size, content, stamp))) => {
                        files_read += 1;
                        bytes_read += size;
                        (size, content, stamp)
                    }
                    Some(Err(reason)) => {
                        gone.push(*at);
                        found.left_out.add(path, Reason::Unreadable(reason));
                        continue;
                    }
                    None => continue,
                },
            };
            found.entries[*at].kind = EntryKind::File { size, content };
            if let Some(stamp) = remembered {
                next.push(path, stamp, content);
            }
        }
        for at in gone.into_iter().rev() {
            found.entries.remove(at);
        }
        *cache = next;
        Ok((files_read, bytes_read))
    }

    /// Stores a file. What can be remembered of it comes with it; the inner error says why the file
    /// cannot be read.
    fn read_content(&self, root: BorrowedFd<'_>, path: &TreePath) -> ReadContent {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let begun = now();
        let opened = openat(root, path.as_path(), flags, Mode::empty());
        let looked = opened.and_then(|file| Ok((fstat(&file)?, File::from(file))));
        let (before, file) = match looked {
            Ok(looked) => looked,
            Err(error) => return Ok(Err(io::Error::from(error).to_string())),
        };
        let stamp = Stamp::of(&before);
        match contents::store(self.objects.as_ref(), &file, stamp.size()) {
            Ok((size, content)) => {
                let is_settled = stamp.is_settled(begun)
                    && fstat(&file).is_ok_and(|after| Stamp::of(&after) == stamp);
                Ok(Ok((size, content, is_settled.then_some(stamp))))
            }
            Err(Failure::File(error)) => Ok(Err(error.to_string())),
            Err(Failure::Store(source)) => {
                Err(WorkspaceError::Content { path: path.clone(), source })
            }
        }
    }

    /// Returns how much a snapshot holds.
    pub fn summary(&self, id: SnapshotId) -> Result<Summary, WorkspaceError> {
        let tree = self.shelf.tree(self.objects.as_ref(), id.0)?;
        let sum = |number: fn(&Branch) -> u64| tree.pages.iter().map(number).sum();
        let (entries, files) = (sum(|page| page.entries), sum(|page| page.files));
        Ok(Summary { entries, files, bytes: sum(|page| page.size) })
    }

    /// Returns the entries of a snapshot, in order.
    pub fn entries(&self, id: SnapshotId) -> Result<Vec<Entry>, WorkspaceError> {
        let tree = self.shelf.tree(self.objects.as_ref(), id.0)?;
        self.entries_within(&tree, b"")
    }

    /// Returns the entry of a path.
    pub fn entry(&self, id: SnapshotId, path: &[u8]) -> Result<Option<Entry>, WorkspaceError> {
        let tree = self.shelf.tree(self.objects.as_ref(), id.0)?;
        let Some(path) = TreePath::new(path) else { return Ok(None) };
        let at = tree.pages.partition_point(|page| page.first <= path);
        let Some(page) = at.checked_sub(1).and_then(|at| tree.pages.get(at)) else {
            return Ok(None);
        };
        let page = self.shelf.page(self.objects.as_ref(), page.hash)?;
        Ok(page.iter().find(|entry| entry.path == path).cloned())
    }

    /// Shows the bytes of a file, some at a time.
    pub fn read(
        &self,
        id: SnapshotId,
        path: &[u8],
        show: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), WorkspaceError> {
        match self.entry(id, path)? {
            Some(Entry { path, kind: EntryKind::File { size, content }, .. }) => {
                contents::read_back(self.objects.as_ref(), size, content, show)
                    .map_err(|failure| failed(failure, "write", &path, path.as_path()))
            }
            _ => Err(WorkspaceError::NoFile {
                id: id.to_string(),
                path: String::from_utf8_lossy(path).into_owned(),
            }),
        }
    }

    /// Compares two snapshots. No file is read, nor a page that both have.
    pub fn diff(
        &self,
        before: SnapshotId,
        after: SnapshotId,
    ) -> Result<Vec<Change>, WorkspaceError> {
        let [before, after] =
            [before, after].map(|id| self.shelf.tree(self.objects.as_ref(), id.0));
        let (before, after) = (before?, after?);
        let only = |of: &Tree, other: &Tree| {
            let known: HashSet<_> = other.pages.iter().map(|page| page.hash).collect();
            let pages = of.pages.iter().filter(|page| !known.contains(&page.hash));
            let pages = pages.map(|page| self.load(page)).collect::<Result<Vec<_>, _>>();
            pages.map(|pages| pages.concat())
        };
        Ok(compare(only(&before, &after)?, only(&after, &before)?))
    }

    /// Forgets what was read from or written into the store.
    pub fn forget(&self) {
        self.shelf.clear();
    }

    fn load(&self, page: &Branch) -> Result<Vec<Entry>, WorkspaceError> {
        Ok(self.shelf.page(self.objects.as_ref(), page.hash)?.to_vec())
    }

    /// The entries below a directory; all for the empty path.
    fn entries_within(&self, tree: &Tree, directory: &[u8]) -> Result<Vec<Entry>, WorkspaceError> {
        let mut entries = Vec::new();
        for (at, page) in tree.pages.iter().enumerate() {
            let may_begin = page.first.is_within(directory)
                || crate::path::compare(page.first.as_bytes(), directory).is_le();
            let ends_before = tree
                .pages
                .get(at + 1)
                .is_some_and(|next| crate::path::compare(next.first.as_bytes(), directory).is_le());
            if may_begin && !ends_before {
                let page = self.shelf.page(self.objects.as_ref(), page.hash)?;
                entries.extend(page.iter().filter(|one| one.path.is_within(directory)).cloned());
            }
        }
        Ok(entries)
    }
}

/// A file of so many bytes is worth a thread of its own.
const FILE_WORTH: u64 = 1 << 18;

/// What became of a file: its size and content, and its stamp if that can be relied on.
type ReadContent = Result<Result<(u64, Content, Option<Stamp>), String>, WorkspaceError>;

/// Says what could not be done with the bytes of a file.
pub(super) fn failed(
    failure: Failure,
    doing: &'static str,
    path: &TreePath,
    place: &Path,
) -> WorkspaceError {
    match failure {
        Failure::File(source) => WorkspaceError::io(doing, place)(source),
        Failure::Store(source) => WorkspaceError::Content { path: path.clone(), source },
    }
}
