//! Locks that are no rows: of threads, and of everything that names objects.
//!
//! They are advisory locks of PostgreSQL that belong to a transaction, with the schema's own first
//! number, so that stores in one database are not in each other's way.
//!
//! - A thread's lock is held by whoever writes to the thread. Threads share a fixed number of locks,
//!   as the server's table of locks is small.
//! - The objects' lock is shared by all transactions that write, and held alone while objects are
//!   collected: nothing is named in between.

use std::collections::BTreeSet;

/// How many locks all threads share.
const THREAD_LOCKS: u64 = 256;
/// The second number of the objects' lock, after those of the threads.
const OBJECTS: u64 = THREAD_LOCKS;

/// The locks of one store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locks {
    class: i32,
}

impl Locks {
    /// The locks of the store in a schema.
    pub(crate) fn new(schema: &str) -> Self {
        let hash = blake3::hash(format!("wtb locks of {schema}").as_bytes());
        let mut class = [0; 4];
        class.copy_from_slice(&hash.as_bytes()[..4]);
        Self { class: i32::from_le_bytes(class) }
    }

    /// The first number of all locks of the store.
    pub(crate) const fn class(self) -> i32 {
        self.class
    }

    /// Statements that share the objects' lock and take those of threads, in their order.
    pub(crate) fn to_write(self, threads: &BTreeSet<i64>) -> String {
        let class = self.class;
        let shared = format!("SELECT pg_advisory_xact_lock_shared({class}, {OBJECTS})");
        if threads.is_empty() {
            return shared;
        }
        let slots: Vec<_> = threads.iter().map(i64::to_string).collect();
        format!(
            "{shared}; SELECT pg_advisory_xact_lock({class}, slot) \
             FROM unnest('{{{}}}'::integer[]) AS slot",
            slots.join(",")
        )
    }

    /// A statement that takes the objects' lock alone.
    pub(crate) fn to_collect(self) -> String {
        format!("SELECT pg_advisory_xact_lock({}, {OBJECTS})", self.class)
    }
}

/// The second number of a thread's lock.
pub(crate) fn slot(thread: &str) -> i64 {
    let hash = blake3::hash(thread.as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&hash.as_bytes()[..8]);
    i64::try_from(u64::from_le_bytes(number) % THREAD_LOCKS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_one_order() {
        let threads: BTreeSet<i64> = ["a", "b", "c", "a"].into_iter().map(slot).collect();
        let sql = Locks { class: -7 }.to_write(&threads);
        let slots: Vec<_> = threads.iter().map(i64::to_string).collect();
        assert!(sql.starts_with("SELECT pg_advisory_xact_lock_shared(-7, 256); "), "{sql}");
        assert!(sql.contains(&format!("'{{{}}}'", slots.join(","))), "{sql}");
        assert!(threads.iter().all(|slot| (0..256).contains(slot)));
    }
}
