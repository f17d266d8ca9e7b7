//! Objects: written ahead of the units that name them, and checked to be there when they do.

use std::collections::{BTreeMap, BTreeSet};

use wtb_model::StoredValue;
use wtb_store::StoreError;
use wtb_store::writer::{Hash, Job, Stored};

use super::wanted::Wanted;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, saturated};

/// How many bytes of objects one statement writes, but for an object that alone is larger.
const STATEMENT_BYTES_MAX: usize = 16 << 20;
/// How bytes are written as they are; others may follow.
pub(crate) const PLAIN: i16 = 0;

/// Writes the objects among the jobs, unless they are there already. In the order of their hashes,
/// so that two programs with the same objects do not wait for each other.
pub(super) fn put(
    connection: &mut Connection,
    jobs: &[Job],
    stored: &mut Stored,
) -> Result<(), Failure> {
    let objects: BTreeMap<&Hash, &Vec<u8>> = jobs
        .iter()
        .filter_map(|job| match job {
            Job::Object(hash, bytes) => Some((hash, bytes)),
            Job::Unit(..) | Job::Flush(_) => None,
        })
        .filter(|(hash, _)| !stored.contains(hash))
        .collect();
    let mut objects = objects.into_iter().peekable();
    while objects.peek().is_some() {
        let (mut hashes, mut blobs, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((hash, data)) =
            objects.next_if(|(_, data)| bytes == 0 || bytes + data.len() <= STATEMENT_BYTES_MAX)
        {
            bytes += data.len().max(1);
            hashes.push(*hash);
            blobs.push(Some(data.clone()));
        }
        insert(connection, &hashes, blobs)?;
        for hash in hashes {
            stored.insert(hash);
        }
    }
    Ok(())
}

fn insert(
    connection: &mut Connection,
    hashes: &[Hash],
    blobs: Vec<Option<Vec<u8>>>,
) -> Result<(), Failure> {
    let sizes = blobs.iter().flatten().map(|data| saturated(data.len() as u64));
    let parameters =
        [blobs_of(hashes), Value::ints(sizes), Value::from(i64::from(PLAIN)), Value::Blobs(blobs)];
    connection
        .execute(
            "INSERT INTO @.objects (hash, encoding, size, data) \
             SELECT u.hash, $3::smallint, u.size, u.data \
             FROM unnest($1::bytea[], $2::bigint[], $4::bytea[]) AS u (hash, size, data) \
             ORDER BY u.hash ON CONFLICT (hash) DO NOTHING",
            &parameters,
            "writing objects",
        )
        .map(drop)
}

fn blobs_of(hashes: &[Hash]) -> Value {
    Value::Blobs(hashes.iter().map(|hash| Some(hash.to_vec())).collect())
}

/// Which of the objects that a group names are not there.
pub(super) struct Absent<'group> {
    stored: &'group Stored,
    named: BTreeSet<Hash>,
    missed: Vec<Hash>,
}

impl<'group> Absent<'group> {
    /// Looks up those that are named and not known.
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'_>,
        stored: &'group mut Stored,
    ) -> Result<Self, Failure> {
        let unknown: Vec<Hash> =
            wanted.objects.iter().filter(|hash| !stored.contains(hash)).copied().collect();
        let mut absent: BTreeSet<Hash> = unknown.iter().copied().collect();
        if !unknown.is_empty() {
            let rows = connection.query(
                "SELECT hash FROM @.objects WHERE hash = ANY($1)",
                &[blobs_of(&unknown)],
                "looking objects up",
            )?;
            for row in &rows {
                let hash: &[u8] = get(row, 0)?;
                if let Ok(hash) = hash.try_into() {
                    absent.remove(&hash);
                    stored.insert(hash);
                }
            }
        }
        Ok(Self { stored, named: absent, missed: Vec::new() })
    }

    /// Refuses values whose objects are not there: they were never put, or were lost when the
    /// transaction that held them failed.
    pub(super) fn check<'value>(
        &mut self,
        values: impl IntoIterator<Item = Option<&'value StoredValue>>,
    ) -> Result<(), StoreError> {
        for value in values.into_iter().flatten() {
            if let StoredValue::Object { hash, .. } = value
                && self.named.contains(hash)
            {
                self.missed.push(*hash);
                return Err(self.stored.absence_of(hash));
            }
        }
        Ok(())
    }

    /// The objects that refused units named.
    pub(super) fn into_missed(self) -> Vec<Hash> {
        self.missed
    }
}
