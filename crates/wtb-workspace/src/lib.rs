//! Files of executions: snapshots of directories among the objects of a store, and private workspaces.
//!
//! [`Snapshots`] takes immutable, content-addressed trees of directories, compares them, and restores
//! them. [`Workspaces`] gives each execution its own tree of the same inputs, in the quickest way that
//! works where it is: see [`Rung`].
//!
//! The crate starts no process and knows nothing of schedulers or Python. What is set up in a
//! process of its own (an overlay has to be mounted there) is prepared here as data: [`Mount`].
//! External effects, such as rows in a database, are not seen and not undone.

// Paths are bytes here, and files have permission bits.
#![cfg(unix)]

mod error;
mod path;
mod snapshot;
mod workspace;

pub use error::WorkspaceError;
pub use path::TreePath;
pub use snapshot::{
    Alteration, Change, Content, Entry, EntryKind, IGNORED_BY_DEFAULT, LeftOut, PIECE_BYTES,
    RULES_FILE, Reason, Rules, SnapshotId, Snapshots, StatCache, Step, Summary, Taken, recover,
};
pub use workspace::{
    Ground, Kept, Mount, Namespaces, Orphan, Rung, Workspace, Workspaces, find_kept, find_orphans,
    remove_tree, trim_kept,
};
