//! The counts of executions by status: changes gathered over a transaction, written once.

use std::collections::BTreeMap;

use rusqlite::Connection;
use wtb_model::ExecutionStatus;

use crate::StoreError;
use crate::sqlite::errors::While;

/// Changes of counts that are not written yet.
#[derive(Debug, Default)]
pub(super) struct CountChanges {
    /// Of the units that stand, by batch key and place in [`ExecutionStatus::ALL`].
    kept: BTreeMap<i64, [i64; ExecutionStatus::ALL.len()]>,
    /// Of the unit under way.
    unit: Vec<(i64, ExecutionStatus, i64)>,
}

impl CountChanges {
    /// Notes that a batch has more (or, negative, fewer) executions in a state.
    pub(super) fn add(&mut self, batch: i64, status: ExecutionStatus, change: i64) {
        self.unit.push((batch, status, change));
    }

    /// The unit under way stands.
    pub(super) fn keep_unit(&mut self) {
        for (batch, status, change) in self.unit.drain(..) {
            self.kept.entry(batch).or_default()[place(status)] += change;
        }
    }

    /// The unit under way is undone.
    pub(super) fn drop_unit(&mut self) {
        self.unit.clear();
    }

    /// Writes the changes of all units that stand.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        // The order of the columns is that of `ExecutionStatus::ALL`.
        let sql = "UPDATE batch_counts SET queued = queued + ?1, running = running + ?2, \
                   succeeded = succeeded + ?3, failed = failed + ?4, timed_out = timed_out + ?5, \
                   cancelled = cancelled + ?6, interrupted = interrupted + ?7, \
                   paused = paused + ?8 WHERE batch = ?9";
        for (batch, changes) in std::mem::take(&mut self.kept) {
            if changes.iter().any(|change| *change != 0) {
                connection
                    .prepare_cached(sql)
                    .and_then(|mut statement| {
                        let parameters = changes.iter().copied().chain([batch]);
                        statement.execute(rusqlite::params_from_iter(parameters))
                    })
                    .while_("counting executions")?;
            }
        }
        Ok(())
    }
}

fn place(status: ExecutionStatus) -> usize {
    match status {
        ExecutionStatus::Queued => 0,
        ExecutionStatus::Running => 1,
        ExecutionStatus::Succeeded => 2,
        ExecutionStatus::Failed => 3,
        ExecutionStatus::TimedOut => 4,
        ExecutionStatus::Cancelled => 5,
        ExecutionStatus::Interrupted => 6,
        ExecutionStatus::Paused => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_columns_is_that_of_the_states() {
        for (index, status) in ExecutionStatus::ALL.iter().enumerate() {
            assert_eq!(place(*status), index, "{status}");
        }
    }
}
