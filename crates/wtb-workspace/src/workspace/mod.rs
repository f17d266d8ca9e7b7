//! Workspaces: each execution's private tree of the same inputs.

mod copy;
mod ground;
mod kept;
mod made;
mod mount;
mod orphans;
mod place;
mod pristine;
mod probe;
mod remove;
mod rung;

pub use ground::Ground;
pub use kept::{Kept, find_kept, trim_kept};
pub use made::Workspace;
pub use mount::{Mount, Namespaces};
pub use orphans::{Orphan, find_orphans};
pub use place::Workspaces;
pub use remove::remove_tree;
pub use rung::Rung;
