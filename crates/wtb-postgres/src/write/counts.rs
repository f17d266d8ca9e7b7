//! The counts of executions by status: changes gathered over a group, written once.

use std::collections::BTreeMap;

use wtb_model::ExecutionStatus;

use crate::bulk::{Kind, Table, cells};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::Value;

/// Changes of the counts, by batch and by place in [`ExecutionStatus::ALL`].
pub(super) type CountChanges = BTreeMap<i64, [i64; ExecutionStatus::ALL.len()]>;

const COUNTS: Table<9> = Table {
    name: "batch_counts",
    what: "the counts of a batch",
    columns: [
        ("batch", Kind::Int),
        // The order is that of `ExecutionStatus::ALL`.
        ("queued", Kind::Int),
        ("running", Kind::Int),
        ("succeeded", Kind::Int),
        ("failed", Kind::Int),
        ("timed_out", Kind::Int),
        ("cancelled", Kind::Int),
        ("interrupted", Kind::Int),
        ("paused", Kind::Int),
    ],
};

/// Writes the changes of all counts.
pub(super) fn flush(connection: &mut Connection, changes: CountChanges) -> Result<(), Failure> {
    let moved = changes.into_iter().filter(|(_, row)| row.iter().any(|change| *change != 0));
    let rows = moved.map(|(batch, row)| cells(std::iter::once(batch).chain(row).map(Value::from)));
    let columns = COUNTS.columns.iter().skip(1);
    let sums: Vec<_> = columns.map(|(name, _)| format!("{name} = t.{name} + u.{name}")).collect();
    COUNTS.update(connection, rows, 1, &sums.join(", "))
}

/// The place of a status among the counts.
pub(super) fn place(status: ExecutionStatus) -> usize {
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
