//! Files of executions: each attempt's private tree of its inputs, and snapshots of it.
//!
//! A workspace belongs to one attempt. One that goes on from a checkpoint gets a workspace of its own,
//! made of the inputs and of what the checkpoint's snapshot has otherwise: nothing is ever put back in
//! place, so that files and state cannot be of two moments, whatever ends the program.

mod attempt;
mod batch;
mod given;
mod trial;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wtb_model::SessionId;
use wtb_store::Store;
use wtb_workspace::{
    Namespaces, Snapshots, StatCache, WorkspaceError, Workspaces, find_kept, find_orphans,
    trim_kept,
};

pub use attempt::AttemptFiles;
pub(crate) use batch::BatchFiles;
pub use given::GivenInputs;
pub use trial::{WorkspaceTrial, try_workspaces};

use crate::{EngineError, EngineSettings};

/// The files of a session's executions.
pub(crate) struct Files {
    store: Arc<dyn Store>,
    session: SessionId,
    settings: EngineSettings,
    snapshots: Arc<Snapshots>,
    opened: Mutex<HashMap<Namespaces, Arc<Workspaces>>>,
    /// How many bytes the kept ones take, as far as this session knows.
    kept_bytes: AtomicU64,
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
        let (opened, kept_bytes, caches) = Default::default();
        Arc::new(Self { store, session, settings, snapshots, opened, kept_bytes, caches })
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
            // What others have left there is not worth an execution: `wtb gc` tells what is wrong with it.
            let _ = remove_orphans(base, false);
            let _ = workspaces.sweep();
            let kept = find_kept(base).unwrap_or_default().iter().map(|one| one.bytes).sum();
            self.kept_bytes.store(kept, Ordering::Relaxed);
        }
        opened.insert(namespaces, Arc::clone(&workspaces));
        Ok(workspaces)
    }

    /// Relies on no object that was put or found before.
    fn forget(&self) {
        self.snapshots.forget();
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets go of the workspaces: from now on they are a dead session's. Somebody may still refer to one,
    /// as the traceback of a node's error does in Python.
    pub(crate) fn close(&self) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.drain().for_each(|(_, workspaces)| workspaces.release());
    }

    /// Counts a workspace that is kept, and removes the oldest ones if all take more than they may.
    fn count_kept(&self, bytes: u64) -> Result<(), WorkspaceError> {
        let all = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let Some(base) = &self.settings.workspaces else { return Ok(()) };
        if all > self.settings.kept_bytes_max {
            trim_kept(base, self.settings.kept_bytes_max)?;
            let left = find_kept(base)?.iter().map(|one| one.bytes).sum();
            self.kept_bytes.store(left, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Removes the workspace of an earlier attempt, of this session or of one that has ended. What
    /// cannot be removed, since a thread that was left behind still writes there, a later session
    /// removes.
    fn remove_earlier(&self, workspaces: &Workspaces, name: &str) {
        if workspaces.remove(name).unwrap_or(true) {
            return;
        }
        let orphans = self.settings.workspaces.iter().filter_map(|base| find_orphans(base).ok());
        for orphan in orphans.flatten().filter(|orphan| orphan.name == name) {
            let _ = orphan.remove();
        }
    }
}

/// What [`remove_orphans`] has removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemovedWorkspaces {
    /// How many workspaces.
    pub removed: u64,
    /// How many of dead sessions stay, since they are kept.
    pub kept: u64,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
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
        match orphan.remove() {
            Ok(()) => done.removed += 1,
            Err(error) => done.failed.push(error.to_string()),
        }
    }
    Ok(done)
}
