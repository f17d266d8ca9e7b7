//! The durable store: what the engine writes and reads, and the embedded default on SQLite.
//!
//! Writing is described as data: a [`UnitOfWork`] is a list of [`Change`]s and the journal events
//! that report them, and commits as a whole or not at all. Reading is by the methods of [`Store`].
//! The crate knows nothing of schedulers, workers or Python; it is the only one that knows SQL.
//!
//! [`conformance`] is the suite that every store must pass; [`writer`], [`codec`] and [`options`] are
//! what stores share.

pub mod codec;
pub mod conformance;
mod error;
pub mod options;
mod store;
mod unit;
mod value;
pub mod writer;

pub mod sqlite;

pub use error::StoreError;
pub use store::{
    BatchFilter, BatchSummary, ExecutionDetail, ExecutionFilter, JournalFilter, Page, Store,
};
pub use unit::{AttemptStart, Change, Receipt, Ticket, UnitOfWork};
pub use value::{INLINE_BYTES_MAX, Objects, store_value};
