//! The embedded store: one SQLite file, written by one thread, read by a few connections.
//!
//! - [`SqliteStore`] is the store; [`SqliteOptions`] and the query of its address configure it.
//! - `queue` and `writer`: submitted units wait in a bounded queue; one thread drains what has
//!   gathered there into one transaction (group commit) and redeems the tickets after the commit.
//! - `write`: what each change means in rows. `read`: the queries and the pool they run on.
//! - `address`, `connection`, `migrations`: from an address to a database of the known version.
//! - `codec`, `columns`, `errors`, `hashes`: the small tools of the others.
//!
//! One host only: SQLite's write-ahead log needs shared memory, so the file must not lie on a
//! network file system. Several processes of one host may open the same file.

mod address;
mod codec;
mod columns;
mod connection;
mod errors;
mod hashes;
mod migrations;
mod queue;
mod read;
mod store;
mod write;
mod writer;

pub use address::{SqliteOptions, Synchronous};
pub use store::SqliteStore;
