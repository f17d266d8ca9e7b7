//! What a snapshot says of a file, a directory or a symbolic link.

use wtb_store::Hash;

use crate::TreePath;

/// An entry of a snapshot.
///
/// Times, owners, extended attributes and hard links are no part of it: the same files always have
/// the same snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// The permission bits, those above 0o777 among them; 0o777 for symbolic links.
    pub mode: u16,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// How many bytes it has.
        size: u64,
        /// The bytes.
        content: Content,
    },
    /// A directory.
    Directory,
    /// A symbolic link, with its target as it stands there.
    Symlink {
        /// The target's bytes.
        target: Box<[u8]>,
    },
}

/// Where the bytes of a file are. The same bytes always are in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// There are none.
    Empty,
    /// In the object of this hash: those of a file of up to [`PIECE_BYTES`].
    Whole(Hash),
    /// In the pieces that the node of this hash lists.
    Pieces(Hash),
}

/// How many bytes one piece of a large file has; the last one may have fewer.
///
/// Pieces are cut at fixed places. To cut where the content says so would find again what stays
/// behind an insertion, but such files are rare among results, and it takes longer than to hash them.
pub const PIECE_BYTES: usize = 1 << 20;

/// The permission bits of symbolic links, which have none of their own.
pub(crate) const SYMLINK_MODE: u16 = 0o777;

impl Entry {
    /// Returns how many bytes the entry stands for.
    pub fn size(&self) -> u64 {
        match &self.kind {
            EntryKind::File { size, .. } => *size,
            EntryKind::Directory | EntryKind::Symlink { .. } => 0,
        }
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, EntryKind::File { .. })
    }
}
