//! The bytes of files: into the store, and back into files.
//!
//! A file of up to a piece's size is one object; a larger one is pieces of that size, read and hashed
//! by all processors, so that no more than a piece for each is in memory. Pieces of zeros are not
//! stored, and those that the file system knows to be holes are not even read. They become holes when
//! the file is written again, so that a sparse file takes no more room than before.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use wtb_store::{Hash, NewObject, Objects, StoreError};

use super::codec::{Piece, decode_pieces, encode_pieces};
use super::entry::{Content, PIECE_BYTES};
use super::parallel;

/// Why the bytes of a file could not be had.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The file.
    File(io::Error),
    /// The store.
    Store(StoreError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Stores the bytes of a file that had so many when it was looked at; returns how many it has.
pub(crate) fn store(
    objects: &dyn Objects,
    file: &File,
    size: u64,
) -> Result<(u64, Content), Failure> {
    if size <= PIECE_BYTES as u64 {
        // One byte more, to see whether the file has grown.
        let bytes = read(file, 0, usize::try_from(size).unwrap_or_default() + 1)?;
        if bytes.len() as u64 <= size {
            return store_whole(objects, bytes);
        }
        return store(objects, file, file.metadata()?.len().max(size + 1));
    }
    let count = usize::try_from(size.div_ceil(PIECE_BYTES as u64)).unwrap_or(usize::MAX);
    let pieces = parallel::each(count, 1, |at| store_piece(objects, file, size, at))?;
    // A file that was cut off in the meantime ends with the first piece that is too short.
    let is_short = |(length, _): &(usize, Piece)| *length < PIECE_BYTES;
    let kept = pieces.iter().position(is_short).map_or(pieces.len(), |at| at + 1);
    let found: u64 = pieces[..kept].iter().map(|(length, _)| *length as u64).sum();
    if found <= PIECE_BYTES as u64 {
        return store(objects, file, found);
    }
    let kept = usize::try_from(found.div_ceil(PIECE_BYTES as u64)).unwrap_or(kept);
    let pieces: Vec<_> = pieces[..kept].iter().map(|(_, piece)| *piece).collect();
    let (links, payload) = encode_pieces(found, &pieces);
    let node = NewObject::node(&links, &payload);
    let hash = node.hash;
    objects.put(node)?;
    Ok((found, Content::Pieces(hash)))
}

fn store_whole(objects: &dyn Objects, bytes: Vec<u8>) -> Result<(u64, Content), Failure> {
    let size = bytes.len() as u64;
    if size == 0 {
        return Ok((0, Content::Empty));
    }
    let object = NewObject::packed(&Bytes::from(bytes));
    let hash = object.hash;
    objects.put(object)?;
    Ok((size, Content::Whole(hash)))
}

fn store_piece(
    objects: &dyn Objects,
    file: &File,
    size: u64,
    at: usize,
) -> Result<(usize, Piece), Failure> {
    let begin = at as u64 * PIECE_BYTES as u64;
    let length = usize::try_from((size - begin).min(PIECE_BYTES as u64)).unwrap_or(PIECE_BYTES);
    if is_hole(file, begin, length) {
        return Ok((length, Piece::Zeros));
    }
    let bytes = read(file, begin, length)?;
    let length = bytes.len();
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok((length, Piece::Zeros));
    }
    let object = NewObject::packed(&Bytes::from(bytes));
    let hash = object.hash;
    objects.put(object)?;
    Ok((length, Piece::Data(hash)))
}

/// Whether the file system knows that a part of a file has never been written.
#[cfg(target_os = "linux")]
fn is_hole(file: &File, begin: u64, length: usize) -> bool {
    use rustix::fs::{SeekFrom, seek};
    match seek(file, SeekFrom::Data(begin)) {
        Ok(data) => data >= begin + length as u64,
        Err(error) => error == rustix::io::Errno::NXIO,
    }
}

#[cfg(not(target_os = "linux"))]
fn is_hole(_: &File, _: u64, _: usize) -> bool {
    false
}

/// Reads so many bytes, or up to the end.
fn read(file: &File, begin: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], begin + filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes bytes from the store into a file that is empty.
pub(crate) fn write(
    objects: &dyn Objects,
    file: &File,
    size: u64,
    content: Content,
) -> Result<(), Failure> {
    match content {
        Content::Empty => Ok(()),
        Content::Whole(hash) => Ok(file.write_all_at(&whole(objects, hash, size)?, 0)?),
        Content::Pieces(hash) => {
            let (size, pieces) = pieces(objects, hash, size)?;
            file.set_len(size)?;
            parallel::each(pieces.len(), 1, |at| {
                let Piece::Data(hash) = pieces[at] else { return Ok(()) };
                let bytes = objects.get(hash)?;
                Ok::<_, Failure>(file.write_all_at(&bytes, at as u64 * PIECE_BYTES as u64)?)
            })?;
            Ok(())
        }
    }
}

/// Shows the bytes of a file piece by piece, from the store.
pub(crate) fn read_back(
    objects: &dyn Objects,
    size: u64,
    content: Content,
    show: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    match content {
        Content::Empty => Ok(()),
        Content::Whole(hash) => Ok(show(&whole(objects, hash, size)?)?),
        Content::Pieces(hash) => {
            let (mut rest, pieces) = pieces(objects, hash, size)?;
            for piece in pieces {
                let length = rest.min(PIECE_BYTES as u64);
                match piece {
                    Piece::Data(hash) => show(&objects.get(hash)?)?,
                    Piece::Zeros => show(&vec![0; usize::try_from(length).unwrap_or(PIECE_BYTES)])?,
                }
                rest -= length;
            }
            Ok(())
        }
    }
}

fn whole(objects: &dyn Objects, hash: Hash, size: u64) -> Result<Vec<u8>, StoreError> {
    let bytes = objects.get(hash)?;
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    Err(wtb_store::corrupt(hash, &format!("it has {} bytes instead of {size}", bytes.len())))
}

fn pieces(objects: &dyn Objects, hash: Hash, size: u64) -> Result<(u64, Vec<Piece>), StoreError> {
    let (links, payload) = objects.get_node(hash)?;
    let read = decode_pieces(&links, &payload).and_then(|(found, pieces)| {
        let fits = found == size;
        fits.then_some((found, pieces)).ok_or_else(|| format!("it has {found} bytes, not {size}"))
    });
    read.map_err(|reason| wtb_store::corrupt(hash, &reason))
}
