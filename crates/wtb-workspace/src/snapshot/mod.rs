//! Snapshots: immutable trees of directories among the objects of a store.

mod apply;
mod codec;
mod contents;
mod diff;
mod entry;
mod id;
pub(crate) mod parallel;
mod restore;
mod rules;
mod shelf;
mod snapshots;
mod stamp;
mod switch;
mod tree;
mod upper;
pub(crate) mod walk;

pub(crate) use apply::Target;
pub use diff::{Alteration, Change};
pub use entry::{Content, Entry, EntryKind, PIECE_BYTES};
pub use id::SnapshotId;
pub use restore::Step;
pub use rules::{IGNORED_BY_DEFAULT, LeftOut, RULES_FILE, Reason, Rules};
pub use snapshots::{Snapshots, Summary, Taken};
pub use stamp::StatCache;
pub use switch::recover;
