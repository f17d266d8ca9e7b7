//! The tree of a snapshot: pages of entries, and indexes above them.
//!
//! Where a page begins depends on the path alone with which it begins, one path in 64 by its hash. So
//! equal lists of entries have equal pages, however they came to be, and a change touches the page that
//! it is on, the few indexes above, and nothing else: twenty changes among 100,000 files rewrite twenty
//! pages at the most.

use std::collections::{BTreeMap, BTreeSet};

use wtb_store::{Hash, NewObject, Objects, StoreError};

use super::codec::{Branch, encode_index, encode_page};
use super::entry::Entry;
use crate::{TreePath, WorkspaceError};

/// So many bits of the hash of a path say whether a page begins with it, and so many more whether an
/// index does, and so on.
const BITS: u32 = 6;

/// What a snapshot consists of, down to the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) root: Hash,
    pub(crate) pages: Vec<Branch>,
}

/// Nodes on their way into the store.
pub(crate) struct Writer<'store> {
    objects: &'store dyn Objects,
    /// What was written, for who wants to remember it.
    pub(crate) written: Vec<(Hash, Vec<Entry>)>,
}

/// What is changed of a tree.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// Entries that are gone, with all below them; none of them is below another.
    removed: BTreeSet<TreePath>,
    /// Entries that are new or take the place of others.
    put: BTreeMap<TreePath, Entry>,
}

impl Edits {
    /// Removes an entry with all below it.
    pub(crate) fn remove(&mut self, path: &TreePath) {
        let below = self.put.range(path.clone()..).map(|(at, _)| at);
        let below: Vec<_> = below.take_while(|at| covers(path, at)).cloned().collect();
        for at in below {
            self.put.remove(&at);
        }
        if !self.is_removed(path) {
            let below = self.removed.range(path.clone()..);
            let below: Vec<_> = below.take_while(|at| covers(path, at)).cloned().collect();
            for at in below {
                self.removed.remove(&at);
            }
            self.removed.insert(path.clone());
        }
    }

    /// Puts an entry in its place; what is below that stays.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.put.insert(entry.path.clone(), entry);
    }

    /// Whether an entry of the base is no longer there as it was.
    fn overrides(&self, path: &TreePath) -> bool {
        self.put.contains_key(path) || self.is_removed(path)
    }

    /// Whether an entry is gone, or what it was in. None of those that are gone is in another: so it is
    /// the last one before the entry, or none.
    fn is_removed(&self, path: &TreePath) -> bool {
        self.removed.range(..=path).next_back().is_some_and(|last| covers(last, path))
    }
}

fn covers(path: &TreePath, other: &TreePath) -> bool {
    path == other || other.is_within(path.as_bytes())
}

impl<'store> Writer<'store> {
    pub(crate) fn new(objects: &'store dyn Objects) -> Self {
        Self { objects, written: Vec::new() }
    }

    /// Writes the tree of entries that are in order.
    pub(crate) fn build(&mut self, entries: Vec<Entry>) -> Result<Tree, WorkspaceError> {
        let mut pages = Vec::new();
        let mut page = Vec::new();
        for entry in entries {
            if begins(&entry.path, 0) && !page.is_empty() {
                pages.push(self.page(std::mem::take(&mut page))?);
            }
            page.push(entry);
        }
        if !page.is_empty() {
            pages.push(self.page(page)?);
        }
        self.index(pages)
    }

    /// Writes the tree that edits make of another, whose pages are read by `load`.
    pub(crate) fn edit(
        &mut self,
        base: &Tree,
        edits: &Edits,
        mut load: impl FnMut(&Branch) -> Result<Vec<Entry>, WorkspaceError>,
    ) -> Result<Tree, WorkspaceError> {
        let touched = touched(base, edits.removed.iter().chain(edits.put.keys()));
        let mut put = edits.put.values().cloned().peekable();
        if base.pages.is_empty() {
            return self.build(put.collect());
        }
        let (mut pages, mut page) = (Vec::new(), Vec::<Entry>::new());
        for (at, branch) in base.pages.iter().enumerate() {
            if !touched.contains(&at) {
                if !page.is_empty() {
                    pages.push(self.page(std::mem::take(&mut page))?);
                }
                pages.push(branch.clone());
                continue;
            }
            let end = base.pages.get(at + 1).map(|next| &next.first);
            let mut entries: Vec<_> =
                load(branch)?.into_iter().filter(|one| !edits.overrides(&one.path)).collect();
            while let Some(entry) = put.next_if(|one| end.is_none_or(|end| one.path < *end)) {
                entries.push(entry);
            }
            entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
            for entry in entries {
                if begins(&entry.path, 0) && !page.is_empty() {
                    pages.push(self.page(std::mem::take(&mut page))?);
                } else if page.is_empty() && !begins(&entry.path, 0) {
                    // What this page began with is gone: the rest belongs to the one before.
                    if let Some(before) = pages.pop() {
                        page = self.reload(&before, &mut load)?;
                    }
                }
                page.push(entry);
            }
        }
        if !page.is_empty() {
            pages.push(self.page(page)?);
        }
        self.index(pages)
    }

    fn reload(
        &self,
        branch: &Branch,
        load: &mut impl FnMut(&Branch) -> Result<Vec<Entry>, WorkspaceError>,
    ) -> Result<Vec<Entry>, WorkspaceError> {
        match self.written.iter().rev().find(|(hash, _)| *hash == branch.hash) {
            Some((_, entries)) => Ok(entries.clone()),
            None => load(branch),
        }
    }

    /// Writes the indexes above pages until there is one root.
    fn index(&mut self, pages: Vec<Branch>) -> Result<Tree, WorkspaceError> {
        if pages.is_empty() {
            let (links, payload) = encode_page(&[]);
            let root = self.put(&links, &payload)?;
            return Ok(Tree { root, pages });
        }
        let mut level = 1;
        let mut nodes = pages.clone();
        while nodes.len() > 1 {
            let mut above = Vec::new();
            let mut rest = nodes.as_slice();
            while !rest.is_empty() {
                let is_next = |branch: &Branch| begins(&branch.first, level);
                let length = 1 + rest[1..].iter().take_while(|branch| !is_next(branch)).count();
                let (part, behind) = rest.split_at(length);
                let (links, payload) = encode_index(part);
                above.push(branch(part[0].first.clone(), self.put(&links, &payload)?, part));
                rest = behind;
            }
            nodes = above;
            level += 1;
        }
        Ok(Tree { root: nodes[0].hash, pages })
    }

    fn page(&mut self, entries: Vec<Entry>) -> Result<Branch, WorkspaceError> {
        let (links, payload) = encode_page(&entries);
        let hash = self.put(&links, &payload)?;
        let branch = Branch {
            first: entries[0].path.clone(),
            hash,
            entries: entries.len() as u64,
            files: entries.iter().filter(|entry| entry.is_file()).count() as u64,
            size: entries.iter().map(Entry::size).sum(),
        };
        self.written.push((hash, entries));
        Ok(branch)
    }

    fn put(&mut self, links: &[Hash], payload: &[u8]) -> Result<Hash, WorkspaceError> {
        let node = NewObject::node(links, payload);
        let hash = node.hash;
        self.objects.put(node).map_err(|source: StoreError| WorkspaceError::Snapshot {
            id: wtb_store::hex(hash),
            source,
        })?;
        Ok(hash)
    }
}

/// Whether a page (0), an index above pages (1), and so on, begins with a path.
fn begins(path: &TreePath, level: u32) -> bool {
    let hash = blake3::hash(path.as_bytes());
    let bits = hash.as_bytes().first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
    // Beyond the last bits every node has few enough below it, or all are below one.
    bits.trailing_zeros() >= BITS * (level + 1)
}

fn branch(first: TreePath, hash: Hash, below: &[Branch]) -> Branch {
    let sum = |number: fn(&Branch) -> u64| below.iter().map(number).sum();
    Branch {
        first,
        hash,
        entries: sum(|one| one.entries),
        files: sum(|one| one.files),
        size: sum(|one| one.size),
    }
}

/// Which pages of a tree edits touch.
fn touched<'path>(base: &Tree, paths: impl Iterator<Item = &'path TreePath>) -> BTreeSet<usize> {
    let last = base.pages.len().saturating_sub(1);
    let page_of = |is_before: &dyn Fn(&Branch) -> bool| {
        base.pages.partition_point(is_before).saturating_sub(1).min(last)
    };
    let mut touched = BTreeSet::new();
    for path in paths {
        let from = page_of(&|page| page.first <= *path);
        let to = page_of(&|page| page.first <= *path || page.first.is_within(path.as_bytes()));
        touched.extend(from..=to);
    }
    touched
}
