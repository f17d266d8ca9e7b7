//! Threads of checkpoints: copied, pruned, deleted, by statements that change whatever there is; and
//! asked for their heads.
//!
//! What is done depends on all rows of a thread, so that it is not done in memory: a unit with such
//! a change is written in a transaction of its own, change by change.

use std::collections::BTreeSet;

use wtb_model::ExecutionId;
use wtb_store::{Change, StoreError, UnitOfWork, kept};

use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::locks::{Locks, slot};
use crate::read::Query;
use crate::sql::Value;
use crate::text;

/// Which checkpoints are copied: all, or one of the root with its ancestors and what other
/// namespaces had before it. What was written on top of that one is not: its tasks run again.
const CHOSEN: &str = "WITH RECURSIVE ancestors (sequence, lineage, parent) AS (\
        SELECT c.sequence, c.lineage, c.parent FROM @.checkpoints c \
        JOIN @.lineages l ON l.key = c.lineage \
        WHERE l.thread = $1 AND l.namespace = '' AND c.id = $3 \
        UNION \
        SELECT c.sequence, c.lineage, c.parent FROM ancestors a \
        JOIN @.checkpoints c ON c.lineage = a.lineage AND c.id = a.parent\
    ), \
    chosen AS (\
        SELECT c.* FROM @.checkpoints c JOIN @.lineages l ON l.key = c.lineage \
        WHERE l.thread = $1 AND ($3 IS NULL \
            OR c.sequence IN (SELECT sequence FROM ancestors) \
            OR (l.namespace <> '' \
                AND c.sequence < (SELECT MAX(sequence) FROM ancestors)))\
    )";

/// Whether a unit has a change of a whole thread, or asks for one.
pub(crate) fn is_sweeping(unit: &UnitOfWork) -> bool {
    unit.changes.iter().any(changes_threads)
}

/// Whether a change is one of whole threads, or asks for one.
pub(super) fn changes_threads(change: &Change) -> bool {
    matches!(
        change,
        Change::DeleteThread { .. }
            | Change::DeleteRun { .. }
            | Change::CopyThread { .. }
            | Change::PruneThread { .. }
            | Change::ExpectHead { .. }
    )
}

/// Applies a change of whole threads, and returns how many rows it removed.
pub(super) fn sweep(
    connection: &mut Connection,
    locks: Locks,
    change: &Change,
) -> Result<u64, Failure> {
    match change {
        Change::DeleteThread { thread } => delete_thread(connection, thread),
        Change::DeleteRun { run } => delete_run(connection, locks, run),
        Change::CopyThread { source, target, up_to } => {
            copy_thread(connection, source, target, up_to.as_deref()).map(|()| 0)
        }
        Change::PruneThread { thread } => prune_thread(connection, thread),
        Change::ExpectHead { execution, lineages, checkpoint } => {
            expect_head(connection, execution, *lineages, checkpoint.as_deref()).map(|()| 0)
        }
        _ => Ok(0),
    }
}

/// Counts rows that were removed, so that objects are collected once there are many.
pub(super) fn count_dropped(connection: &mut Connection, rows: u64) -> Result<(), Failure> {
    if rows == 0 {
        return Ok(());
    }
    let rows = crate::sql::saturated(rows).into();
    let sql = "UPDATE @.collections SET dropped = dropped + $1";
    connection.execute(sql, &[rows], "counting what was dropped").map(drop)
}

fn delete_thread(connection: &mut Connection, thread: &str) -> Result<u64, Failure> {
    let doing = "deleting a thread";
    let parameters = [Value::text(thread)];
    let mut dropped = 0;
    for table in ["writes", "checkpoints"] {
        let sql = format!(
            "DELETE FROM @.{table} WHERE lineage IN \
             (SELECT key FROM @.lineages WHERE thread = $1)"
        );
        dropped += connection.execute(&sql, &parameters, doing)?;
    }
    connection.execute("DELETE FROM @.lineages WHERE thread = $1", &parameters, doing)?;
    Ok(dropped)
}

fn delete_run(connection: &mut Connection, locks: Locks, run: &str) -> Result<u64, Failure> {
    let doing = "deleting a run";
    let run = Value::text(run);
    let rows = connection.query(
        "SELECT DISTINCT l.key, l.thread FROM @.checkpoints c JOIN @.lineages l ON l.key = c.lineage \
         WHERE c.run = $1",
        std::slice::from_ref(&run),
        doing,
    )?;
    let (mut lineages, mut slots) = (Vec::new(), BTreeSet::new());
    for row in &rows {
        lineages.push(get(row, 0)?);
        slots.insert(slot(&text::read(get(row, 1)?)));
    }
    connection.batch(&locks.to_write(&slots), doing)?;
    // What the run puts elsewhere in the meantime is put after it was deleted.
    let parameters = [run, Value::ints(lineages)];
    let writes = connection.execute(
        "DELETE FROM @.writes w USING @.checkpoints c \
         WHERE c.run = $1 AND c.lineage = ANY($2) AND w.lineage = c.lineage AND w.checkpoint = c.id",
        &parameters,
        doing,
    )?;
    let checkpoints = connection.execute(
        "DELETE FROM @.checkpoints WHERE run = $1 AND lineage = ANY($2)",
        &parameters,
        doing,
    )?;
    Ok(writes + checkpoints)
}

fn copy_thread(
    connection: &mut Connection,
    source: &str,
    target: &str,
    up_to: Option<&str>,
) -> Result<(), Failure> {
    let doing = "copying a thread";
    if let Some(id) = up_to {
        check_checkpoint(connection, source, id)?;
    }
    let parameters = [Value::text(source), Value::text(target), Value::optional_text(up_to)];
    connection.execute(
        "INSERT INTO @.lineages (thread, namespace) SELECT $2, namespace FROM @.lineages \
         WHERE thread = $1 ORDER BY key ON CONFLICT DO NOTHING",
        &parameters[..2],
        doing,
    )?;
    connection.execute(
        &format!(
            "{CHOSEN} INSERT INTO @.writes \
             (lineage, checkpoint, task, position, path, channel, value) \
             SELECT t.key, w.checkpoint, w.task, w.position, w.path, w.channel, w.value \
             FROM @.writes w JOIN @.lineages s ON s.key = w.lineage \
             JOIN @.lineages t ON t.thread = $2 AND t.namespace = s.namespace \
             WHERE s.thread = $1 AND ($3 IS NULL \
                 OR (NOT (s.namespace = '' AND w.checkpoint = $3) \
                     AND EXISTS (SELECT 1 FROM chosen c \
                         WHERE c.lineage = w.lineage AND c.id = w.checkpoint))) \
             ON CONFLICT DO NOTHING"
        ),
        &parameters,
        doing,
    )?;
    connection
        .execute(
            &format!(
                "{CHOSEN} INSERT INTO @.checkpoints \
                 (lineage, id, parent, run, stamp, metadata, body, channels) \
                 SELECT t.key, c.id, c.parent, c.run, c.stamp, c.metadata, c.body, c.channels \
                 FROM chosen c JOIN @.lineages s ON s.key = c.lineage \
                 JOIN @.lineages t ON t.thread = $2 AND t.namespace = s.namespace \
                 ORDER BY c.sequence ON CONFLICT DO NOTHING"
            ),
            &parameters,
            doing,
        )
        .map(drop)
}

/// Refuses what begins at a checkpoint that the root of a thread does not have.
fn check_checkpoint(connection: &mut Connection, thread: &str, id: &str) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM @.lineages l JOIN @.checkpoints c ON c.lineage = l.key \
               WHERE l.thread = $1 AND l.namespace = '' AND c.id = $2";
    let parameters = [Value::text(thread), Value::text(id)];
    if connection.query(sql, &parameters, "looking a checkpoint up")?.is_empty() {
        // The unit alone is to blame.
        let id = id.to_owned();
        return Err(Failure::Data(StoreError::NotFound { what: "checkpoint", id }));
    }
    Ok(())
}

/// Refuses what was decided upon when an execution stood elsewhere. Its row is locked, and the thread
/// before: nothing moves until the unit is written.
fn expect_head(
    connection: &mut Connection,
    execution: &ExecutionId,
    lineages: u32,
    checkpoint: Option<&str>,
) -> Result<(), Failure> {
    let doing = "looking where an execution stands";
    let sql = "SELECT 1 FROM @.executions WHERE id = $1 AND lineages = $2 FOR NO KEY UPDATE";
    let parameters = [execution.as_str().into(), lineages.into()];
    let mut stands = !connection.query(sql, &parameters, doing)?.is_empty();
    if let Some(id) = checkpoint.filter(|_| stands) {
        // The sum keeps the server from looking at the end of all checkpoints, as in `read`.
        let sql = "SELECT 1 FROM @.checkpoints c WHERE c.id = $2 AND c.sequence = \
                   (SELECT max(m.sequence + 0) FROM @.checkpoints m WHERE m.lineage = \
                   (SELECT key FROM @.lineages WHERE thread = $1 AND namespace = ''))";
        let parameters = [Value::text(&execution.thread(lineages)), Value::text(id)];
        stands = !connection.query(sql, &parameters, doing)?.is_empty();
    }
    if stands {
        return Ok(());
    }
    let what = format!("execution {execution}");
    Err(Failure::Data(StoreError::Moved { what }))
}

fn prune_thread(connection: &mut Connection, thread: &str) -> Result<u64, Failure> {
    let doing = "pruning a thread";
    let outlines = Query::new(connection).outline(thread)?;
    let kept = kept(&outlines);
    let others = outlines.iter().map(|one| one.sequence).filter(|one| !kept.contains(one));
    let others = [Value::ints(others.map(crate::sql::saturated))];
    let writes = connection.execute(
        "DELETE FROM @.writes w USING @.checkpoints c WHERE c.sequence = ANY($1) \
         AND w.lineage = c.lineage AND w.checkpoint = c.id",
        &others,
        doing,
    )?;
    let sql = "DELETE FROM @.checkpoints WHERE sequence = ANY($1)";
    Ok(writes + connection.execute(sql, &others, doing)?)
}
