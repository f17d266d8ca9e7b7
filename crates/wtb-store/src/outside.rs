//! Where a store has the bytes of large objects: in its database, or in a directory of objects.
//!
//! The database says so, so that whoever opens the store knows it too. The bytes leave an object before it
//! is queued, and come back when its row is read; nothing between knows of it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::{Location, ObjectDirectory};
use crate::object::{Content, Encoded, Encoding, Hash, NewObject, missing};
use crate::{Change, StoreError, UnitOfWork};

/// Objects whose rows would have at least so many bytes go to the directory, if the store has one.
pub const OUTSIDE_BYTES_MIN: usize = 128 << 10;

/// Where large objects are.
#[derive(Debug)]
pub struct Outside {
    bytes_min: usize,
    /// What the database said last.
    location: Mutex<Option<Location>>,
}

impl Outside {
    /// Begins with what the database says. Objects of at least so many bytes go there.
    pub fn new(location: Option<Location>, bytes_min: usize) -> Self {
        Self { bytes_min, location: Mutex::new(location) }
    }

    /// Returns the directory, if the store has one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if it is not on this machine.
    pub fn directory(&self) -> Result<Option<ObjectDirectory>, StoreError> {
        let location = self.location().clone();
        location.map(|location| ObjectDirectory::open(&location)).transpose()
    }

    /// Returns the directory's path; see [`Self::directory`].
    pub fn path(&self) -> Result<Option<PathBuf>, StoreError> {
        let location = self.location().clone();
        let Some(location) = location else { return Ok(None) };
        ObjectDirectory::open(&location)?;
        Ok(Some(location.path.into()))
    }

    /// Has large objects put into a directory from now on.
    pub fn move_to(&self, location: Location) {
        *self.location() = Some(location);
    }

    /// Puts the bytes of an object into the directory, if there is one and it is large.
    pub fn put(&self, object: &mut NewObject) -> Result<(), StoreError> {
        match &mut object.content {
            Content::Rope { segment: Some(segment), .. } => self.put(segment),
            Content::Whole(encoded) if encoded.data.len() >= self.bytes_min => {
                let Some(directory) = self.directory()? else { return Ok(()) };
                if encoded.encoding != Encoding::File {
                    directory.put(object.hash, encoded)?;
                    *encoded = Encoded { encoding: Encoding::File, data: bytes::Bytes::new() };
                }
                Ok(())
            }
            Content::Whole(_) | Content::Rope { .. } | Content::Node(_) => Ok(()),
        }
    }

    /// The same for all objects that a unit brings along.
    pub fn put_all(&self, unit: &mut UnitOfWork) -> Result<(), StoreError> {
        for change in &mut unit.changes {
            match change {
                Change::PutCheckpoint { checkpoint, .. } => {
                    checkpoint.objects_mut().try_for_each(|object| self.put(object))?;
                }
                Change::PutWrites { writes, .. } => {
                    writes.objects_mut().try_for_each(|object| self.put(object))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns how an object is kept and its bytes, as its row has them; those of a file are read. `look` asks
    /// the database where the directory is: another program may have said so since this one looked.
    pub fn read<E: From<StoreError>>(
        &self,
        hash: Hash,
        row: (Encoding, Vec<u8>),
        look: impl FnOnce() -> Result<Option<Location>, E>,
    ) -> Result<(Encoding, Vec<u8>), E> {
        if row.0 != Encoding::File {
            return Ok(row);
        }
        if let Ok(Some(found)) = self.find(hash) {
            return Ok(found);
        }
        if let Some(location) = look()? {
            self.move_to(location);
        }
        Ok(self.find(hash)?.ok_or_else(|| missing(hash))?)
    }

    fn find(&self, hash: Hash) -> Result<Option<(Encoding, Vec<u8>)>, StoreError> {
        self.directory()?.map_or(Ok(None), |directory| directory.get(hash))
    }

    fn location(&self) -> MutexGuard<'_, Option<Location>> {
        self.location.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides where a store has its large objects from now on: in a new part of `wanted`, if it has had them in its
/// database alone. Else they are where they were, unless the directory has been moved. Says also whether that is to
/// be written down.
///
/// # Errors
///
/// [`StoreError::Directory`] if it has them elsewhere, or the directory cannot be made.
pub fn settle(known: Option<Location>, wanted: &Path) -> Result<(Location, bool), StoreError> {
    let Some(known) = known else {
        return Ok((ObjectDirectory::make(wanted)?, true));
    };
    let refuse =
        |reason: String| StoreError::Directory { path: wanted.display().to_string(), reason };
    let path = std::path::absolute(wanted).map_err(|error| refuse(error.to_string()))?;
    if path == Path::new(&known.path) {
        return Ok((known, false));
    }
    let text = path.to_str().ok_or_else(|| refuse("its path is not in UTF-8".to_owned()))?;
    let moved = Location { path: text.to_owned(), id: known.id.clone() };
    let Ok(there) = ObjectDirectory::open(&moved) else {
        return Err(refuse(format!(
            "the store has its large objects in `{}` already; to have them elsewhere, move the directory `{}` from \
             there to here",
            known.path, known.id
        )));
    };
    if let Ok(here) = ObjectDirectory::open(&known) {
        if here.is(&there) {
            return Ok((known, false));
        }
        return Err(refuse(format!(
            "the store's large objects are in `{}`, too, and which of both is the copy cannot be told: remove it",
            known.path
        )));
    }
    Ok((moved, true))
}
