//! A bounded memory of trees and pages that were read or written lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wtb_store::{Hash, Objects, StoreError};

use super::codec::{Branch, Node, decode};
use super::entry::Entry;
use super::tree::Tree;
use crate::WorkspaceError;

/// How many entries the remembered pages hold (some 100 bytes each); beyond that all are forgotten.
const ENTRIES_MAX: usize = 400_000;
/// How many trees are remembered; a tree is a list of its pages.
const TREES_MAX: usize = 64;

/// Nodes of trees, read once.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pages: HashMap<Hash, Arc<[Entry]>>,
    entries: usize,
    trees: HashMap<Hash, Arc<Tree>>,
}

impl Shelf {
    /// Returns the entries of a page.
    pub(crate) fn page(
        &self,
        objects: &dyn Objects,
        hash: Hash,
    ) -> Result<Arc<[Entry]>, WorkspaceError> {
        if let Some(page) = self.lock().pages.get(&hash) {
            return Ok(Arc::clone(page));
        }
        match read(objects, hash)? {
            Node::Page(entries) => Ok(self.keep_page(hash, entries.into())),
            Node::Index(_) => Err(no_snapshot(hash, "an index is where a page has to be")),
        }
    }

    /// Returns a tree.
    pub(crate) fn tree(
        &self,
        objects: &dyn Objects,
        root: Hash,
    ) -> Result<Arc<Tree>, WorkspaceError> {
        if let Some(tree) = self.lock().trees.get(&root) {
            return Ok(Arc::clone(tree));
        }
        let mut pages = Vec::new();
        match read(objects, root)? {
            Node::Page(entries) => {
                pages.extend(page_of(root, &entries));
                self.keep_page(root, entries.into());
            }
            Node::Index(branches) => self.descend(objects, branches, &mut pages)?,
        }
        Ok(self.keep_tree(Tree { root, pages }))
    }

    /// Finds the pages below an index. Which it has at one level tells how high it is: a page is read to
    /// see that it is one.
    fn descend(
        &self,
        objects: &dyn Objects,
        branches: Vec<Branch>,
        pages: &mut Vec<Branch>,
    ) -> Result<(), WorkspaceError> {
        let Some(first) = branches.first() else { return Ok(()) };
        if let Node::Page(entries) = read(objects, first.hash)? {
            self.keep_page(first.hash, entries.into());
            pages.extend(branches);
            return Ok(());
        }
        for branch in branches {
            match read(objects, branch.hash)? {
                Node::Index(below) => self.descend(objects, below, pages)?,
                Node::Page(_) => {
                    return Err(no_snapshot(branch.hash, "its pages differ in height"));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn keep_page(&self, hash: Hash, entries: Arc<[Entry]>) -> Arc<[Entry]> {
        let mut state = self.lock();
        if state.entries + entries.len() > ENTRIES_MAX {
            state.pages.clear();
            state.entries = 0;
        }
        if state.pages.insert(hash, Arc::clone(&entries)).is_none() {
            state.entries += entries.len();
        }
        entries
    }

    pub(crate) fn keep_tree(&self, tree: Tree) -> Arc<Tree> {
        let mut state = self.lock();
        if state.trees.len() >= TREES_MAX {
            state.trees.clear();
        }
        let tree = Arc::new(tree);
        state.trees.insert(tree.root, Arc::clone(&tree));
        tree
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is remembered is right whatever happened to who remembered it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page_of(hash: Hash, entries: &[Entry]) -> Option<Branch> {
    let files = entries.iter().filter(|entry| entry.is_file()).count() as u64;
    let size = entries.iter().map(Entry::size).sum();
    let first = entries.first()?.path.clone();
    Some(Branch { first, hash, entries: entries.len() as u64, files, size })
}

fn read(objects: &dyn Objects, hash: Hash) -> Result<Node, WorkspaceError> {
    let fails = |source: StoreError| WorkspaceError::Snapshot { id: wtb_store::hex(hash), source };
    let (links, payload) = objects.get_node(hash).map_err(fails)?;
    decode(&links, &payload).map_err(|reason| no_snapshot(hash, &reason))
}

fn no_snapshot(hash: Hash, reason: &str) -> WorkspaceError {
    WorkspaceError::NoSnapshot { id: wtb_store::hex(hash), reason: reason.to_owned() }
}
