//! Threads of checkpoints: copied, pruned, deleted.

use rusqlite::params;

use super::Transaction;
use crate::StoreError;
use crate::checkpoint::{CheckpointOutline, kept};
use crate::sqlite::errors::While;
use crate::sqlite::read::outline;

impl Transaction<'_> {
    pub(super) fn delete_thread(&self, thread: &str) -> Result<(), StoreError> {
        let doing = "deleting a thread";
        let lineages = "lineage IN (SELECT key FROM lineages WHERE thread = ?1)";
        let writes =
            self.change(&format!("DELETE FROM writes WHERE {lineages}"), [thread], doing)?;
        let checkpoints =
            self.change(&format!("DELETE FROM checkpoints WHERE {lineages}"), [thread], doing)?;
        self.change("DELETE FROM lineages WHERE thread = ?1", [thread], doing)?;
        self.count_dropped(writes + checkpoints)
    }

    pub(super) fn delete_run(&self, run: &str) -> Result<(), StoreError> {
        let doing = "deleting a run";
        let writes = self.change(
            "DELETE FROM writes WHERE (lineage, checkpoint) IN \
             (SELECT lineage, id FROM checkpoints WHERE run = ?1)",
            [run],
            doing,
        )?;
        let checkpoints = self.change("DELETE FROM checkpoints WHERE run = ?1", [run], doing)?;
        self.count_dropped(writes + checkpoints)
    }

    pub(super) fn copy_thread(
        &self,
        source: &str,
        target: &str,
        up_to: Option<&str>,
    ) -> Result<(), StoreError> {
        let doing = "copying a thread";
        if let Some(id) = up_to {
            self.check_checkpoint(source, id)?;
        }
        let parameters = params![source, target, up_to];
        self.change(
            "INSERT OR IGNORE INTO lineages (thread, namespace) \
             SELECT ?2, namespace FROM lineages WHERE thread = ?1 AND (?3 IS NULL OR true)",
            parameters,
            doing,
        )?;
        // Which checkpoints: all, or one of the root with its ancestors and what other namespaces
        // had before it. They are copied in the order of their insertion, which is kept so. What was
        // written on top of that one is not: its tasks run again.
        let chosen = "WITH RECURSIVE ancestors (sequence, lineage, parent) AS (\
                 SELECT c.sequence, c.lineage, c.parent FROM checkpoints c \
                 JOIN lineages l ON l.key = c.lineage \
                 WHERE l.thread = ?1 AND l.namespace = '' AND c.id = ?3 \
                 UNION \
                 SELECT c.sequence, c.lineage, c.parent FROM ancestors a \
                 JOIN checkpoints c ON c.lineage = a.lineage AND c.id = a.parent\
             ), \
             chosen AS (\
                 SELECT c.* FROM checkpoints c JOIN lineages l ON l.key = c.lineage \
                 WHERE l.thread = ?1 AND (?3 IS NULL \
                     OR c.sequence IN (SELECT sequence FROM ancestors) \
                     OR (l.namespace <> '' \
                         AND c.sequence < (SELECT MAX(sequence) FROM ancestors)))\
             )";
        self.change(
            &format!(
                "INSERT OR IGNORE INTO writes \
                 (lineage, checkpoint, task, position, path, channel, value) {chosen} \
                 SELECT t.key, w.checkpoint, w.task, w.position, w.path, w.channel, w.value \
                 FROM writes w JOIN lineages s ON s.key = w.lineage \
                 JOIN lineages t ON t.thread = ?2 AND t.namespace = s.namespace \
                 WHERE s.thread = ?1 AND (?3 IS NULL \
                     OR (NOT (s.namespace = '' AND w.checkpoint = ?3) \
                         AND EXISTS (SELECT 1 FROM chosen c \
                                     WHERE c.lineage = w.lineage AND c.id = w.checkpoint)))"
            ),
            parameters,
            doing,
        )?;
        self.change(
            &format!(
                "INSERT OR IGNORE INTO checkpoints \
                 (lineage, id, parent, run, metadata, body, channels) {chosen} \
                 SELECT t.key, c.id, c.parent, c.run, c.metadata, c.body, c.channels \
                 FROM chosen c JOIN lineages s ON s.key = c.lineage \
                 JOIN lineages t ON t.thread = ?2 AND t.namespace = s.namespace \
                 ORDER BY c.sequence"
            ),
            parameters,
            doing,
        )
        .map(drop)
    }

    /// Refuses what begins at a checkpoint that the root of a thread does not have.
    fn check_checkpoint(&self, thread: &str, id: &str) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM lineages l JOIN checkpoints c ON c.lineage = l.key \
                   WHERE l.thread = ?1 AND l.namespace = '' AND c.id = ?2";
        let is_there = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists([thread, id]))
            .while_("looking a checkpoint up")?;
        if is_there {
            return Ok(());
        }
        Err(StoreError::NotFound { what: "checkpoint", id: id.to_owned() })
    }

    pub(super) fn prune_thread(&self, thread: &str) -> Result<(), StoreError> {
        let outlines = self.outlines(thread)?;
        let kept = kept(&outlines);
        let mut dropped = 0;
        for outline in outlines.iter().filter(|outline| !kept.contains(&outline.sequence)) {
            dropped += self.change(
                "DELETE FROM writes WHERE checkpoint = ?2 AND lineage = \
                 (SELECT lineage FROM checkpoints WHERE sequence = ?1)",
                params![outline.sequence, outline.name.id],
                "pruning a thread",
            )?;
            dropped += self.change(
                "DELETE FROM checkpoints WHERE sequence = ?1",
                [outline.sequence],
                "pruning a thread",
            )?;
        }
        self.count_dropped(dropped)
    }

    fn outlines(&self, thread: &str) -> Result<Vec<CheckpointOutline>, StoreError> {
        outline(self.connection, thread)
    }

    /// Counts rows that were removed, so that objects are collected once there are many.
    pub(super) fn count_dropped(&self, rows: usize) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let sql = "UPDATE collections SET dropped = dropped + ?1";
        self.change(sql, [rows as u64], "counting what was dropped").map(drop)
    }
}
