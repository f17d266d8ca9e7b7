//! For those who implement stores: the bounded queue, and who drains it.
//!
//! Submitted units wait in a bounded queue; one thread at a time takes what has gathered there as a group,
//! hands it to a [`WriteGroup`], which writes it in one transaction (group commit), and redeems
//! the tickets after the commit. What the group means in rows is the database's own business; a
//! unit that is refused is undone alone. When the database itself fails (a full disk, say), the
//! whole group is undone, every unit in it is told so, and the writer goes on with what comes
//! next: whether to try again is for those who submitted to decide.

mod hashes;
mod progress;
mod queue;
mod stored;
mod thread;

pub use hashes::REMEMBERED_FOR;
pub use queue::Job;
pub use stored::{Stored, no_object};
pub use thread::{Bounds, WriteGroup, Writing, Written};
