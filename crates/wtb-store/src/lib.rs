//! The durable store: what the engine writes and reads, and the embedded default on SQLite.
//!
//! Writing is described as data: a [`UnitOfWork`] is a list of [`Change`]s and the journal events
//! that report them, and commits as a whole or not at all. Reading is by the methods of [`Store`].
//! The crate knows nothing of schedulers, workers or Python; it is the only one that knows SQL.
//!
//! [`conformance`] is the suite that every store must pass; [`writer`], [`codec`], [`find`] and
//! [`options`] are what stores share.

mod checkpoint;
pub mod codec;
pub mod conformance;
mod directory;
mod error;
pub mod find;
mod metadata;
mod object;
pub mod options;
mod outside;
mod recent;
mod rope;
mod store;
mod ticket;
mod tree;
mod unit;
mod upgrade;
pub mod writer;

pub mod sqlite;

pub use checkpoint::{
    ChannelHistory, CheckpointFilter, CheckpointName, CheckpointOutline, CheckpointRecord,
    CheckpointStep, Checkpoints, Collected, Lease, NewChannel, NewCheckpoint, NewWrite, NewWrites,
    PendingWrite, WriteOutline, kept,
};
pub use directory::Location;
pub use error::StoreError;
pub use metadata::metadata_fits;
pub use object::{
    Content, Encoded, Encoding, Hash, INLINE_BYTES_MAX, NEW_INLINE_BYTES_MAX, NewObject, NewValue,
    Objects, Piece, checked, corrupt, decoded, hex, links_of, missing, store_value,
};
pub use outside::{OUTSIDE_BYTES_MIN, Outside, settle};
pub use recent::{RECENT_BYTES_MAX, ROPE_BYTES_MIN, Recent, Slot};
pub use store::{
    BatchFilter, BatchSummary, ExecutionDetail, ExecutionFilter, JournalFilter, Page, Store,
};
pub use ticket::{Receipt, Ticket};
pub use unit::{AttemptStart, Change, UnitOfWork, check_goes_on};
pub use upgrade::Upgrade;
