//! What differs between two snapshots, without reading a file.

use super::entry::{Entry, EntryKind};
use crate::TreePath;

/// A difference between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is in the second alone.
    Added(Entry),
    /// It is in the first alone.
    Removed(Entry),
    /// It is in both, but differs.
    Altered {
        /// As the first has it.
        before: Entry,
        /// As the second has it.
        after: Entry,
    },
}

/// How an entry differs that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alteration {
    /// It is of another kind.
    pub kind: bool,
    /// It has other permissions.
    pub mode: bool,
    /// It has other bytes, or another target.
    pub content: bool,
}

impl Change {
    /// Returns where it is.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Added(entry) | Self::Removed(entry) => &entry.path,
            Self::Altered { after, .. } => &after.path,
        }
    }

    /// Returns how an entry differs that both have.
    pub fn alteration(&self) -> Option<Alteration> {
        let Self::Altered { before, after } = self else { return None };
        let kind = std::mem::discriminant(&before.kind) != std::mem::discriminant(&after.kind);
        let links = matches!(after.kind, EntryKind::Symlink { .. });
        Some(Alteration {
            kind,
            mode: before.mode != after.mode && !(kind && links),
            content: !kind && before.kind != after.kind,
        })
    }
}

/// Compares entries that are in order.
pub(crate) fn compare(before: Vec<Entry>, after: Vec<Entry>) -> Vec<Change> {
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (Some(left), Some(right)) => left.path.cmp(&right.path),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return changes,
        };
        let left = if order.is_le() { before.next() } else { None };
        let right = if order.is_ge() { after.next() } else { None };
        match (left, right) {
            (Some(before), Some(after)) if before != after => {
                changes.push(Change::Altered { before, after });
            }
            (Some(_), Some(_)) | (None, None) => {}
            (Some(entry), None) => changes.push(Change::Removed(entry)),
            (None, Some(entry)) => changes.push(Change::Added(entry)),
        }
    }
}
