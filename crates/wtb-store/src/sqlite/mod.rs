//! The embedded store: one SQLite file, written by one thread at a time, read by a few connections.
//!
//! - [`SqliteStore`] is the store; [`SqliteOptions`] and the query of its address configure it.
//! - `writer`: one transaction for each group of units that has gathered in the queue (group
//!   commit); queue and turns are those of [`crate::writer`].
//! - `write`: what each change means in rows. `read`: the queries and the pool they run on.
//! - `checkpoints` puts the values of checkpoints together; `collect` removes what nothing names.
//! - `address`, `connection`, `migrations`: from an address to a database of the known version.
//! - `outside`: where large objects are, if not in the database.
//! - `columns`, `errors`: the small tools of the others.
//!
//! One host only: SQLite's write-ahead log needs shared memory, so the file must not lie on a
//! network file system. Several processes of one host may open the same file.

mod address;
mod checkpoints;
mod collect;
mod columns;
mod connection;
mod errors;
mod migrations;
mod outside;
mod read;
mod store;
mod write;
mod writer;

pub use address::{SqliteOptions, Synchronous};
pub use store::SqliteStore;
