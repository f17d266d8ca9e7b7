//! Where a store has the bytes of large objects: in its database, or in a directory of objects.
//!
//! The database says so, so that whoever opens the store knows it too. The bytes leave an object before it
//! is queued, and come back when its row is read; nothing between knows of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::directory::{Location, ObjectDirectory};
use crate::object::{Content, Encoded, Encoding, Hash, NewObject, missing};
use crate::{Change, StoreError, UnitOfWork};

/// Objects whose rows would have at least so many bytes go to the directory, if the store has one.
pub const OUTSIDE_BYTES_MIN: usize = 128 << 10;

/// Where large objects are.
#[derive(Debug)]
pub struct Outside {
    bytes_min: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the database said last.
    location: Option<Location>,
    /// Opened when it is first needed: what is in the database can be read without it.
    opened: Option<Arc<ObjectDirectory>>,
}

impl Outside {
    /// Begins with what the database says. Objects of at least so many bytes go there.
    pub fn new(location: Option<Location>, bytes_min: usize) -> Self {
        Self { bytes_min, known: Mutex::new(Known { location, opened: None }) }
    }

    /// Returns the directory, if the store has one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] if it is not on this machine.
    pub fn directory(&self) -> Result<Option<Arc<ObjectDirectory>>, StoreError> {
        let mut known = self.lock();
        if known.opened.is_none()
            && let Some(location) = &known.location
        {
            known.opened = Some(Arc::new(ObjectDirectory::open(location)?));
        }
        Ok(known.opened.clone())
    }

    /// Has large objects put into a directory from now on.
    pub fn move_to(&self, directory: ObjectDirectory) {
        let location = Some(directory.location());
        *self.lock() = Known { location, opened: Some(Arc::new(directory)) };
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
        let mut directory = self.directory();
        if !matches!(directory, Ok(Some(_))) {
            let location = look()?;
            *self.lock() = Known { location, opened: None };
            directory = self.directory();
        }
        let directory = directory?.ok_or_else(|| missing(hash))?;
        Ok(directory.get(hash)?.ok_or_else(|| missing(hash))?)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides whether a store that has its large objects at `known` may have them at `wanted` from now on:
/// nowhere else, but the directory itself may have been moved. Returns whether there is something to write.
pub fn check_move(known: Option<&Location>, wanted: &Location) -> Result<bool, StoreError> {
    match known {
        Some(known) if known.id != wanted.id => Err(StoreError::Directory {
            path: wanted.path.clone(),
            reason: format!(
                "the store has its large objects in `{}` already; to have them elsewhere, move that \
                 directory with all that is in it",
                known.path
            ),
        }),
        known => Ok(known != Some(wanted)),
    }
}
