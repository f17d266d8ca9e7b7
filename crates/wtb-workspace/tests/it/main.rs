//! What users of snapshots and workspaces would notice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod collecting;
mod crash;
mod depths;
mod keeping;
mod orphans;
mod overlay;
mod properties;
mod restoring;
mod rungs;
mod snapshots;
mod world;
