//! The checkpoints put last: what the next ones take values from, without asking the server.
//!
//! A memory and no more: whoever relies on it has the server look whether the checkpoint still has
//! its stamp.

use std::collections::HashMap;
use std::sync::Arc;

use wtb_store::CheckpointName;
use wtb_store::codec::Channel;

/// How many namespaces of threads one generation holds; two are kept.
const PARENTS_MAX: usize = 2_048;

/// The channels of a checkpoint.
pub(crate) type Channels = Arc<Vec<Channel>>;

/// A checkpoint as it was put.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    pub(super) id: String,
    pub(super) stamp: i64,
    pub(super) channels: Channels,
}

type Generation = HashMap<(String, String), Parent>;

/// The last checkpoint of each namespace, those that were put lately.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    young: Generation,
    old: Generation,
}

impl Parents {
    /// Remembers a checkpoint in place of the one before.
    pub(super) fn remember(&mut self, name: &CheckpointName, stamp: i64, channels: Channels) {
        if self.young.len() >= PARENTS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        let CheckpointName { thread, namespace, id } = name;
        let parent = Parent { id: id.clone(), stamp, channels };
        self.young.insert((thread.clone(), namespace.clone()), parent);
    }

    /// Returns a checkpoint if it is the last one of its namespace.
    pub(super) fn find(&self, name: &CheckpointName, parent: &str) -> Option<&Parent> {
        let key = (name.thread.clone(), name.namespace.clone());
        let known = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (known.id == parent).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded() {
        let mut parents = Parents::default();
        let name = |number: usize| CheckpointName {
            thread: number.to_string(),
            namespace: String::new(),
            id: "1".to_owned(),
        };
        for number in 0..5 * PARENTS_MAX {
            parents.remember(&name(number), 7, Arc::default());
        }
        assert!(parents.young.len() + parents.old.len() <= 2 * PARENTS_MAX);
        assert_eq!(parents.find(&name(5 * PARENTS_MAX - 1), "1").map(|one| one.stamp), Some(7));
        assert!(parents.find(&name(5 * PARENTS_MAX - 1), "2").is_none());
        assert!(parents.find(&name(0), "1").is_none(), "put long ago");
    }
}
