//! The shared store on PostgreSQL: [`PostgresStore`], everything of `wtb-store` for several programs
//! and machines at once.
//!
//! - `address`, `connection`, `migrations`: from an address to a schema of the known version.
//! - `tls`: how much of it an address wants, and whether a server's certificate is good enough.
//! - `writer`: one transaction for each group of units (queue and thread are those of
//!   [`wtb_store::writer`]), retried, and looked up when nobody knows whether it was committed.
//! - `write`: what the changes mean in rows. `read`: the queries. `pool`: what they run on.
//! - `checkpoints`: LangGraph's checkpoints as they are read. `collect`: objects are collected.
//! - `locks`, `bulk`, `sql`, `columns`, `text`, `errors`, `patience`: the small tools of the others.
//!
//! # How a group is written
//!
//! A statement costs a journey to the server, so that a group is not written unit by unit: its
//! rows are locked and read by one query for each table, the units are checked and applied **in
//! memory**, and the result is written by one statement for each table. A refused unit leaves the
//! memory as it was; nothing has to be undone in the database. Some fifteen statements commit a
//! thousand units as well as one. Where the database itself refuses data (a second batch of the same
//! id), the group is halved until the unit is alone that is to blame.
//!
//! Two kinds of groups are written otherwise. Checkpoints alone, which somebody waits for after every
//! step of a graph, are as a rule written by one call of a function in the database (`write/quick`):
//! it is one journey and a transaction by itself, and nothing is done but what was foreseen. A unit
//! that copies, prunes or deletes threads has a transaction of its own, in which its changes are
//! statements (`write/threads`).
//!
//! # Several programs at once
//!
//! Every transaction locks in the same order: threads by the numbers of their locks, objects by
//! hash, batches by key, sessions by key, executions by key, the journal's end. All that units check
//! (owner, status, token) is read under these locks. The last lock makes the journal's numbers: it
//! is held to the commit, so that a number becomes visible only after all smaller ones, and is given
//! back with the rest when the transaction is undone. Whoever reads "after N" misses nothing, and there are no gaps. The
//! numbers of a thread's checkpoints are made under the thread's lock, so that they too become
//! visible in their order, but with gaps. Objects are collected while nobody writes (`locks`).
//!
//! # Connections
//!
//! The blocking client of the `postgres` crate: the store's callers are threads, and each
//! connection is driven by the thread that uses it, so that there is no runtime to share, to size
//! or to outlive a fork. The pool is our own for the same reason (those on offer are for async
//! callers or bring a thread along): a list of idle connections and a bound. The store must not be
//! called on a thread that runs an async executor; move such calls to a blocking thread.
//!
//! TLS is rustls with ring, by the client's own hook for connectors: no library of the system, so that a
//! wheel has all that it needs, and no C++ to build. The certificates of the system are read only
//! where an address asks for them.
//!
//! Nothing outlives a transaction on its connection: no `SET`, no prepared statements, no advisory
//! locks of the session. So `PgBouncer` may hand the connection to somebody else in between.

mod address;
mod bulk;
mod checkpoints;
mod collect;
mod columns;
mod connection;
mod errors;
mod locks;
mod migrations;
mod outside;
mod patience;
mod pool;
mod read;
mod sql;
mod store;
mod text;
mod tls;
mod write;
mod writer;

pub use address::{PostgresOptions, is_address, redacted};
pub use migrations::Lives;
pub use store::PostgresStore;
