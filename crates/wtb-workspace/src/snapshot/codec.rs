//! How snapshots rest in the store, version 1.
//!
//! A snapshot is a tree of nodes over the list of all entries by path. A node's bytes begin with the
//! hashes that it names (`wtb_store::codec::encode_node`); behind them is a payload:
//!
//! ```text
//! version     1 byte    1
//! kind        1 byte    0 page, 1 index, 2 pieces of a file
//! count       varint
//! then for each entry of a page:
//!   shared    varint    how many bytes its path shares with the path before
//!   rest      varint, bytes
//!   mode      varint
//!   kind      1 byte    0 directory; 1 symbolic link; 2 empty file; 3 file in one object; 4 in pieces
//!   symbolic link:      target as varint, bytes
//!   file 3, 4:          size as varint; the next hash of the node is that of its content
//! for each entry of an index:
//!   shared, rest        the first path of the page or index that the next hash names
//!   entries, files, size    varints: what is below it
//! for each run of pieces:
//!   runs      varint    2 n for n pieces of the next n hashes, 2 n + 1 for n pieces of zeros
//! and the size of the file as a varint
//! ```
//!
//! Varints are LEB128, as short as they can be. Each list has exactly one encoding, and decoding
//! refuses any other: paths in order, `shared` as large as it can be, runs of one kind joined, nothing
//! behind the end. A changed form gets the next version.

use wtb_store::Hash;

use super::entry::{Content, Entry, EntryKind, PIECE_BYTES, SYMLINK_MODE};
use crate::TreePath;

const VERSION: u8 = 1;
const PAGE: u8 = 0;
const INDEX: u8 = 1;
const PIECES: u8 = 2;

const DIRECTORY: u8 = 0;
const SYMLINK: u8 = 1;
const EMPTY: u8 = 2;
const WHOLE: u8 = 3;
const IN_PIECES: u8 = 4;

/// The parts of a node.
pub(crate) type Parts = (Vec<Hash>, Vec<u8>);

/// A page or an index as the node above names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Branch {
    /// The first path below it.
    pub(crate) first: TreePath,
    /// Its hash.
    pub(crate) hash: Hash,
    /// How many entries are below it.
    pub(crate) entries: u64,
    /// How many of them are files.
    pub(crate) files: u64,
    /// How many bytes those have.
    pub(crate) size: u64,
}

/// A node above the entries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Page(Vec<Entry>),
    Index(Vec<Branch>),
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Of the bytes of an object.
    Data(Hash),
    /// Of zeros alone.
    Zeros,
}

/// Encodes the entries of a page.
pub(crate) fn encode_page(entries: &[Entry]) -> Parts {
    let mut writer = Writer::begin(PAGE, entries.len());
    for Entry { path, mode, kind } in entries {
        writer.path(path);
        writer.varint(u64::from(*mode));
        match kind {
            EntryKind::Directory => writer.payload.push(DIRECTORY),
            EntryKind::Symlink { target } => {
                writer.payload.push(SYMLINK);
                writer.bytes(target);
            }
            EntryKind::File { size, content } => {
                let (tag, hash) = match content {
                    Content::Empty => (EMPTY, None),
                    Content::Whole(hash) => (WHOLE, Some(hash)),
                    Content::Pieces(hash) => (IN_PIECES, Some(hash)),
                };
                writer.payload.push(tag);
                if let Some(hash) = hash {
                    writer.links.push(*hash);
                    writer.varint(*size);
                }
            }
        }
    }
    (writer.links, writer.payload)
}

/// Encodes the entries of an index.
pub(crate) fn encode_index(branches: &[Branch]) -> Parts {
    let mut writer = Writer::begin(INDEX, branches.len());
    for Branch { first, hash, entries, files, size } in branches {
        writer.path(first);
        writer.links.push(*hash);
        for number in [entries, files, size] {
            writer.varint(*number);
        }
    }
    (writer.links, writer.payload)
}

/// Encodes the pieces of a file.
pub(crate) fn encode_pieces(size: u64, pieces: &[Piece]) -> Parts {
    let is_zeros = |piece: &Piece| matches!(piece, Piece::Zeros);
    let runs: Vec<_> = pieces.chunk_by(|one, next| is_zeros(one) == is_zeros(next)).collect();
    let mut writer = Writer::begin(PIECES, runs.len());
    for run in runs {
        writer.varint(run.len() as u64 * 2 + u64::from(run.first().is_some_and(is_zeros)));
    }
    writer.varint(size);
    writer.links.extend(pieces.iter().filter_map(|piece| match piece {
        Piece::Data(hash) => Some(*hash),
        Piece::Zeros => None,
    }));
    (writer.links, writer.payload)
}

/// Decodes a page or an index, or says what is wrong with it.
pub(crate) fn decode(links: &[Hash], payload: &[u8]) -> Result<Node, String> {
    let mut reader = Reader { links, payload, last: Vec::new() };
    match reader.begin()? {
        (PAGE, count) => {
            let entries = (0..count).map(|_| reader.entry()).collect::<Result<_, _>>()?;
            reader.end(Node::Page(entries))
        }
        (INDEX, count) if count > 0 => {
            let branches = (0..count).map(|_| reader.branch()).collect::<Result<_, _>>()?;
            reader.end(Node::Index(branches))
        }
        (kind, _) => Err(format!("it is no tree (kind {kind})")),
    }
}

/// Decodes the size and the pieces of a file, or says what is wrong with them.
pub(crate) fn decode_pieces(links: &[Hash], payload: &[u8]) -> Result<(u64, Vec<Piece>), String> {
    let mut reader = Reader { links, payload, last: Vec::new() };
    let (kind, count) = reader.begin()?;
    if kind != PIECES {
        return Err(format!("it is no list of pieces (kind {kind})"));
    }
    let runs = (0..count).map(|_| reader.varint()).collect::<Result<Vec<_>, _>>()?;
    let size = reader.varint()?;
    let length = runs.iter().try_fold(0_u64, |sum, run| sum.checked_add(run / 2));
    let is_canonical = runs.iter().all(|run| *run > 1)
        && runs.windows(2).all(|pair| pair[0] % 2 != pair[1] % 2)
        && length == Some(size.div_ceil(PIECE_BYTES as u64));
    if !is_canonical {
        return Err("its runs of pieces do not fit".to_owned());
    }
    let mut pieces = Vec::new();
    for run in runs {
        for _ in 0..run / 2 {
            pieces.push(if run % 2 == 1 { Piece::Zeros } else { Piece::Data(reader.link()?) });
        }
    }
    reader.end((size, pieces))
}

/// A payload on its way out.
struct Writer<'path> {
    links: Vec<Hash>,
    payload: Vec<u8>,
    last: &'path [u8],
}

impl<'path> Writer<'path> {
    fn begin(kind: u8, count: usize) -> Self {
        let mut writer = Self { links: Vec::new(), payload: vec![VERSION, kind], last: &[] };
        writer.varint(count as u64);
        writer
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.payload.push((number & 0x7f).to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.payload.push(number.to_le_bytes()[0]);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.payload.extend_from_slice(bytes);
    }

    fn path(&mut self, path: &'path TreePath) {
        let path = path.as_bytes();
        let shared = shared(self.last, path);
        self.varint(shared as u64);
        self.bytes(&path[shared..]);
        self.last = path;
    }
}

/// How many bytes two paths have in common at their beginning.
fn shared(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// A payload on its way in.
struct Reader<'node> {
    links: &'node [Hash],
    payload: &'node [u8],
    last: Vec<u8>,
}

impl<'node> Reader<'node> {
    fn begin(&mut self) -> Result<(u8, usize), String> {
        let version = self.byte()?;
        if version != VERSION {
            return Err(format!("its version is {version}, this program knows {VERSION}"));
        }
        let (kind, count) = (self.byte()?, self.length()?);
        // Each takes a byte at least: nobody is to reserve room for what cannot be there.
        if count > self.payload.len() {
            return Err("it is cut off".to_owned());
        }
        Ok((kind, count))
    }

    fn end<T>(&self, read: T) -> Result<T, String> {
        if self.payload.is_empty() && self.links.is_empty() {
            return Ok(read);
        }
        Err("something is behind its end".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let (byte, rest) = self.payload.split_first().ok_or("it is cut off")?;
        self.payload = rest;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is not as short as it can be".to_owned())
    }

    fn length(&mut self) -> Result<usize, String> {
        usize::try_from(self.varint()?).map_err(|_| "it is cut off".to_owned())
    }

    fn bytes(&mut self) -> Result<&'node [u8], String> {
        let length = self.length()?;
        let (bytes, rest) = self.payload.split_at_checked(length).ok_or("it is cut off")?;
        self.payload = rest;
        Ok(bytes)
    }

    fn link(&mut self) -> Result<Hash, String> {
        let (link, rest) = self.links.split_first().ok_or("it names too few objects")?;
        self.links = rest;
        Ok(*link)
    }

    fn path(&mut self) -> Result<TreePath, String> {
        let (begin, rest) = (self.length()?, self.bytes()?);
        let kept = self.last.get(..begin).ok_or("a path is cut off")?;
        let path = TreePath::new(&[kept, rest].concat()).ok_or("a path is none")?;
        let follows = crate::path::compare(&self.last, path.as_bytes()).is_lt();
        if !follows || shared(&self.last, path.as_bytes()) != begin {
            return Err("its paths are not in order".to_owned());
        }
        self.last = path.as_bytes().to_vec();
        Ok(path)
    }

    fn entry(&mut self) -> Result<Entry, String> {
        let path = self.path()?;
        let mode = u16::try_from(self.varint()?).ok().filter(|mode| *mode <= 0o7777);
        let mode = mode.ok_or("permissions are too large")?;
        let kind = match self.byte()? {
            DIRECTORY => EntryKind::Directory,
            SYMLINK if mode == SYMLINK_MODE => EntryKind::Symlink { target: self.bytes()?.into() },
            EMPTY => EntryKind::File { size: 0, content: Content::Empty },
            tag @ (WHOLE | IN_PIECES) => self.file(tag)?,
            tag => return Err(format!("{path} is of no known kind ({tag})")),
        };
        Ok(Entry { path, mode, kind })
    }

    fn file(&mut self, tag: u8) -> Result<EntryKind, String> {
        let (size, hash) = (self.varint()?, self.link()?);
        let fits = (size > PIECE_BYTES as u64) == (tag == IN_PIECES) && size > 0;
        let content = if tag == WHOLE { Content::Whole(hash) } else { Content::Pieces(hash) };
        fits.then_some(EntryKind::File { size, content })
            .ok_or_else(|| "a size does not fit".into())
    }

    fn branch(&mut self) -> Result<Branch, String> {
        let (first, hash) = (self.path()?, self.link()?);
        let (entries, files, size) = (self.varint()?, self.varint()?, self.varint()?);
        Ok(Branch { first, hash, entries, files, size })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = (u64, Content)> {
        let piece = PIECE_BYTES as u64;
        prop_oneof![
            Just((0, Content::Empty)),
            (1..=piece, any::<Hash>()).prop_map(|(size, hash)| (size, Content::Whole(hash))),
            (piece + 1.., any::<Hash>()).prop_map(|(size, hash)| (size, Content::Pieces(hash))),
        ]
    }

    fn kind() -> impl Strategy<Value = (u16, EntryKind)> {
        let target = prop::collection::vec(any::<u8>(), 0..9);
        prop_oneof![
            (0..=0o7777_u16).prop_map(|mode| (mode, EntryKind::Directory)),
            target.prop_map(|target| (SYMLINK_MODE, EntryKind::Symlink { target: target.into() })),
            (0..=0o7777_u16, content())
                .prop_map(|(mode, (size, content))| (mode, EntryKind::File { size, content })),
        ]
    }

    /// Entries in order, with names of few different bytes, so that they share much.
    pub(in crate::snapshot) fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let path = prop::collection::vec(prop_oneof![Just(b'/'), Just(b'-'), Just(0xff)], 1..9);
        let paths = prop::collection::vec((path, kind()), 0..40);
        paths.prop_map(|all| {
            let known =
                all.into_iter().filter_map(|(path, kind)| Some((TreePath::new(&path)?, kind)));
            let by_path: BTreeMap<_, _> = known.collect();
            by_path.into_iter().map(|(path, (mode, kind))| Entry { path, mode, kind }).collect()
        })
    }

    proptest! {
        #[test]
        fn pages_come_back(entries in entries()) {
            let (links, payload) = encode_page(&entries);
            prop_assert_eq!(decode(&links, &payload), Ok(Node::Page(entries)));
        }

        #[test]
        fn indexes_come_back(entries in entries(), hash: Hash, number: u64) {
            prop_assume!(!entries.is_empty());
            let branch = |entry: Entry| Branch {
                first: entry.path, hash, entries: number, files: number / 3, size: number ^ 7,
            };
            let branches: Vec<_> = entries.into_iter().map(branch).collect();
            let (links, payload) = encode_index(&branches);
            prop_assert_eq!(decode(&links, &payload), Ok(Node::Index(branches)));
        }

        #[test]
        fn pieces_come_back(data in prop::collection::vec(any::<Option<Hash>>(), 0..20), short in 0..PIECE_BYTES as u64) {
            let pieces: Vec<_> = data.iter().map(|one| one.map_or(Piece::Zeros, Piece::Data)).collect();
            let size = (pieces.len() as u64 * PIECE_BYTES as u64).saturating_sub(short);
            let (links, payload) = encode_pieces(size, &pieces);
            prop_assert_eq!(decode_pieces(&links, &payload), Ok((size, pieces)));
        }

        /// What can be read at all is the one encoding of what is read.
        #[test]
        fn there_is_one_encoding(entries in entries(), at: prop::sample::Index, byte: u8) {
            let (links, mut payload) = encode_page(&entries);
            let at = at.index(payload.len());
            payload[at] = byte;
            match decode(&links, &payload) {
                Ok(Node::Page(read)) => prop_assert_eq!(encode_page(&read), (links, payload)),
                Ok(Node::Index(read)) => prop_assert_eq!(encode_index(&read), (links, payload)),
                Err(_) => {}
            }
        }

        #[test]
        fn nothing_breaks_the_reader(links: Vec<Hash>, payload: Vec<u8>) {
            let _ = decode(&links, &payload);
            let _ = decode_pieces(&links, &payload);
        }
    }
}
