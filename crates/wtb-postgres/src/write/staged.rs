//! Rows in memory that a unit changes on trial: kept when the unit stands, else as they were.

use std::collections::{BTreeMap, btree_map};

/// Rows by their keys.
#[derive(Debug)]
pub(super) struct Staged<K, V> {
    rows: BTreeMap<K, V>,
    /// What the unit under way has replaced, in order.
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Staged<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K: Ord + Clone, V> Staged<K, V> {
    /// Takes a row as the database has it.
    pub(super) fn load(&mut self, key: K, row: V) {
        self.rows.insert(key, row);
    }

    /// Returns a row as the units before, and the one under way, have left it.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// Replaces a row, or adds one.
    pub(super) fn set(&mut self, key: K, row: V) {
        let before = self.rows.insert(key.clone(), row);
        self.before.push((key, before));
    }

    /// The unit under way stands.
    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// The unit under way is undone.
    pub(super) fn undo(&mut self) {
        for (key, before) in self.before.drain(..).rev() {
            match before {
                Some(row) => drop(self.rows.insert(key, row)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }

    /// All rows in the order of their keys.
    pub(super) fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.rows.iter()
    }
}

/// Rows that are only ever added.
#[derive(Debug)]
pub(super) struct Added<T> {
    rows: Vec<T>,
    kept: usize,
}

impl<T> Default for Added<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), kept: 0 }
    }
}

impl<T> Added<T> {
    /// Adds a row.
    pub(super) fn push(&mut self, row: T) {
        self.rows.push(row);
    }

    /// The unit under way stands.
    pub(super) fn keep(&mut self) {
        self.kept = self.rows.len();
    }

    /// The unit under way is undone.
    pub(super) fn undo(&mut self) {
        self.rows.truncate(self.kept);
    }

    /// All rows in the order in which they were added.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.rows.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_is_undone_leaves_everything_as_it_was() {
        let mut rows = Staged::default();
        rows.load(1, "loaded");
        rows.set(1, "changed");
        rows.set(2, "added");
        rows.keep();
        rows.set(1, "again");
        rows.set(1, "and again");
        rows.set(3, "on trial");
        rows.undo();
        let left: Vec<_> = rows.iter().map(|(key, row)| (*key, *row)).collect();
        assert_eq!(left, [(1, "changed"), (2, "added")]);

        let mut added = Added::default();
        added.push(1);
        added.keep();
        added.push(2);
        added.undo();
        assert_eq!(added.iter().copied().collect::<Vec<_>>(), [1]);
    }
}
