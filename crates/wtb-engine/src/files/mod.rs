//! Files of executions: each attempt's private tree of its inputs, and snapshots of it.
//!
//! A workspace belongs to one attempt. One that goes on from a checkpoint gets a workspace of its own,
//! made of the inputs and of what the checkpoint's snapshot has otherwise: nothing is ever put back in
//! place, so that files and state cannot be of two moments, whatever ends the program.

mod attempt;
mod batch;
mod trial;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use wtb_model::SessionId;
use wtb_store::Store;
use wtb_workspace::{
    Namespaces, Snapshots, StatCache, WorkspaceError, Workspaces, find_orphans, trim_kept,
};

pub use attempt::AttemptFiles;
pub(crate) use batch::BatchFiles;
pub use trial::{WorkspaceTrial, try_workspaces};

use crate::{EngineError, EngineSettings};

/// The files of a session's executions.
pub(crate) struct Files {
    store: Arc<dyn Store>,
    session: SessionId,
    settings: EngineSettings,
    snapshots: Arc<Snapshots>,
    opened: Mutex<HashMap<Namespaces, Arc<Workspaces>>>,
    /// What is known of directories of inputs, so that the next batch does not read them again.
    caches: Mutex<HashMap<PathBuf, StatCache>>,
}

impl Files {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        session: SessionId,
        settings: EngineSettings,
    ) -> Arc<Self> {
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&store) as Arc<_>));
        let (opened, caches) = (Mutex::default(), Mutex::default());
        Arc::new(Self { store, session, settings, snapshots, opened, caches })
    }

    /// Opens the place for workspaces of processes in such namespaces. The first time, what dead
    /// sessions have left there is removed.
    fn workspaces(&self, namespaces: Namespaces) -> Result<Arc<Workspaces>, EngineError> {
        let Some(base) = &self.settings.workspaces else {
            let reason = "nobody has said where workspaces are to be made: see EngineSettings";
            return Err(EngineError::Invalid(reason.to_owned()));
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(&namespaces) {
            return Ok(Arc::clone(known));
        }
        let workspaces = Arc::new(Workspaces::open(base, &self.session, namespaces)?);
        if opened.is_empty() {
            remove_orphans(base, false)?;
            workspaces.sweep()?;
        }
        opened.insert(namespaces, Arc::clone(&workspaces));
        Ok(workspaces)
    }

    /// Lets go of the workspaces: once nothing of them is in use, they are a dead session's.
    pub(crate) fn close(&self) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Removes the oldest kept workspaces, if they take more than they may.
    fn trim(&self) -> Result<(), WorkspaceError> {
        let Some(base) = &self.settings.workspaces else { return Ok(()) };
        trim_kept(base, self.settings.kept_bytes_max).map(drop)
    }
}

/// What [`remove_orphans`] has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemovedWorkspaces {
    /// How many workspaces.
    pub removed: u64,
    /// How many of dead sessions stay, since they are kept.
    pub kept: u64,
}

/// Removes the workspaces in a base directory whose sessions have ended, with or without those that
/// are kept. What another program removes at the same time is no error.
pub fn remove_orphans(
    base: &std::path::Path,
    with_kept: bool,
) -> Result<RemovedWorkspaces, EngineError> {
    let mut done = RemovedWorkspaces::default();
    for orphan in find_orphans(base)? {
        if orphan.is_kept && !with_kept {
            done.kept += 1;
            continue;
        }
        orphan.remove()?;
        done.removed += 1;
    }
    Ok(done)
}
