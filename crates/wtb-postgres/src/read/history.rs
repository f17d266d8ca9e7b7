//! The histories of channels: what a checkpoint's ancestors wrote to them.

use std::collections::{HashMap, HashSet};

use wtb_store::{CheckpointFilter, CheckpointName};

use super::Query;
use super::checkpoints::{Row, Unread};
use crate::errors::Failure;

/// How many ancestors are read at once.
const ANCESTORS_AT_ONCE: u64 = 128;

/// What a channel's history holds, unread: the writes newest first.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) seed: Option<wtb_model::StoredValue>,
    pub(crate) writes: Vec<Unread>,
}

impl Query<'_> {
    /// Returns what the ancestors of a checkpoint wrote to channels, and the values to begin with.
    pub(crate) fn histories<'channel>(
        &mut self,
        name: &CheckpointName,
        channels: &'channel [String],
    ) -> Result<HashMap<&'channel str, History>, Failure> {
        let mut found: HashMap<&str, History> =
            channels.iter().map(|channel| (channel.as_str(), History::default())).collect();
        let mut open: Vec<&str> = found.keys().copied().collect();
        let mut seen = HashSet::new();
        let mut next = self.first_ancestor(name)?;
        while let Some(id) = next.take().filter(|_| !open.is_empty()) {
            let line = self.line(&name.thread, &name.namespace, &id, ANCESTORS_AT_ONCE)?;
            let mut writes = self.writes(&line, &open)?;
            let is_full = line.len() as u64 == ANCESTORS_AT_ONCE;
            for Row { outline, lineage, .. } in line {
                // Nothing keeps anybody from putting a checkpoint that is its own ancestor.
                if open.is_empty() || !seen.insert(outline.name.id.clone()) {
                    return Ok(found);
                }
                let of_one = writes.remove(&(lineage, outline.name.id)).unwrap_or_default();
                for write in of_one.into_iter().rev() {
                    if open.contains(&write.channel.as_str())
                        && let Some(history) = found.get_mut(write.channel.as_str())
                    {
                        history.writes.push(write);
                    }
                }
                for (channel, stored) in outline.channels {
                    if let Some(at) = open.iter().position(|name| *name == channel) {
                        open.swap_remove(at);
                        if let Some(history) = found.get_mut(channel.as_str()) {
                            history.seed = Some(stored);
                        }
                    }
                }
                next = outline.parent.filter(|_| is_full);
            }
        }
        Ok(found)
    }

    /// Returns the parent's id of the checkpoint of that id; without one, of that with the greatest.
    fn first_ancestor(&mut self, name: &CheckpointName) -> Result<Option<String>, Failure> {
        let filter = CheckpointFilter {
            thread: Some(name.thread.clone()),
            namespace: Some(name.namespace.clone()),
            id: Some(name.id.clone()).filter(|id| !id.is_empty()),
            ..CheckpointFilter::default()
        };
        let row = self.checkpoints(&filter, 1)?.pop();
        Ok(row.and_then(|row| row.outline.parent))
    }
}
