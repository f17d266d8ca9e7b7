//! The quick way: a group of nothing but checkpoints and writes, in one journey to the server.
//!
//! What such a group needs is as a rule known: where its parents' values rest, and the keys of the
//! objects that its ropes are made of; keys of new objects are taken ahead, many at a time. So
//! everything is prepared here, and one call of the function `put_checkpoints` (see the first
//! migration) takes the locks, looks whether what was relied on still holds, and writes; it is a
//! transaction by itself. Where something is unknown, or is refused, or has changed, the group goes
//! the long way, which finds out what there is to say.

use wtb_store::writer::{Job, Stored};
use wtb_store::{Change, CheckpointName, Hash};

use super::batches::new_keys;
use super::objects::each_object;
use super::parents::{Channels, Parents};
use super::quick_plan::Plan;
use super::{Mark, threads_of};
use crate::bulk::ROWS_MAX;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::Value;

/// How many bytes of objects one call writes at the most.
const CALL_BYTES_MAX: usize = 4 << 20;
/// How many keys of objects are taken at once.
const KEYS_AT_ONCE: usize = 512;

/// What a writer knows of the store.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Objects.
    pub(crate) stored: Stored,
    /// Checkpoints.
    pub(crate) parents: Parents,
    /// How often objects had been collected when these were stored.
    pub(crate) collections: i64,
    /// Keys for new objects.
    pub(super) keys: Vec<i64>,
}

/// A group that is ready to be written.
pub(crate) struct Quick<'group> {
    pub(super) parameters: Vec<Value>,
    /// What can be remembered once it is written.
    pub(super) objects: Vec<(Hash, i64)>,
    pub(super) puts: Vec<(&'group CheckpointName, i64, Channels)>,
}

impl<'group> Quick<'group> {
    /// Prepares a group, if it is one for the quick way.
    pub(crate) fn prepare(
        connection: &mut Connection,
        jobs: &'group [Job],
        memory: &mut Memory,
    ) -> Result<Option<Self>, Failure> {
        let Some(needed) = keys_needed(jobs) else { return Ok(None) };
        if memory.keys.len() < needed {
            let count = needed + KEYS_AT_ONCE;
            let keys = new_keys(connection, "objects", count)?;
            // They are taken from the end, in their order: new rows come last in the index.
            memory.keys = keys.into_iter().rev().collect();
        }
        let mut plan = Plan::new(memory);
        Ok(plan.add_all(jobs).map(|()| plan.finish()))
    }

    /// Writes the group. Returns the journal's last number; `None` when something is not as it was
    /// thought to be.
    pub(crate) fn write(
        self,
        connection: &mut Connection,
        jobs: &[Job],
        memory: &mut Memory,
        mark: &Mark,
    ) -> Result<Option<u64>, Failure> {
        let mut parameters = vec![
            i64::from(connection.locks().class()).into(),
            Value::ints(threads_of(jobs)),
            connection.lock_timeout().into(),
            memory.collections.into(),
            Value::Bytes(Some(mark.writer.to_vec())),
            mark.group.into(),
        ];
        parameters.extend(self.parameters);
        let numbers: Vec<_> = (1..=parameters.len()).map(|number| format!("${number}")).collect();
        let sql = format!("SELECT @.put_checkpoints({})", numbers.join(", "));
        let rows = connection.query(&sql, &parameters, "writing checkpoints")?;
        let last: Option<i64> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
        if last.is_some() {
            self.objects.iter().for_each(|(hash, key)| memory.stored.insert(*hash, *key));
            for (name, stamp, channels) in self.puts {
                memory.parents.remember(name, stamp, channels);
            }
        }
        Ok(last.map(i64::unsigned_abs))
    }
}

/// How many keys a group may need; `None` for one that is not for the quick way.
fn keys_needed(jobs: &[Job]) -> Option<usize> {
    let (mut keys, mut bytes, mut writes) = (0, 0, 0);
    for job in jobs {
        let Job::Unit(unit, _) = job else { continue };
        if !unit.events.is_empty() {
            return None;
        }
        bytes += unit.weight();
        for change in &unit.changes {
            match change {
                // A channel that stays may become an object.
                Change::PutCheckpoint { checkpoint, .. } => keys += checkpoint.channels.len() + 1,
                Change::PutWrites { writes: new, .. } => writes += new.writes.len(),
                _ => return None,
            }
        }
    }
    each_object(jobs, &mut |_, _| keys += 1);
    let is_alone = jobs.iter().all(|job| !matches!(job, Job::Object(_)));
    (is_alone && bytes <= CALL_BYTES_MAX && writes <= ROWS_MAX).then_some(keys)
}
