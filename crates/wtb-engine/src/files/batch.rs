//! What the workspaces of one batch are made of.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wtb_model::{KeepWorkspaces, WorkspaceRecord, WorkspaceSpec};
use wtb_store::{Change, StoreError, UnitOfWork};
use wtb_workspace::{
    Ground, LeftOut, Namespaces, RULES_FILE, Rules, Rung, SnapshotId, Snapshots, StatCache, Taken,
    Workspace, Workspaces,
};

use super::given::GivenInputs;
use super::{AttemptFiles, Files};
use crate::active::Task;
use crate::{EngineError, EngineSettings};

/// The files of one active batch.
pub(crate) struct BatchFiles {
    pub(super) files: Arc<Files>,
    pub(super) spec: WorkspaceSpec,
    /// The inputs of each case that has its own.
    cases: Vec<Option<String>>,
    /// The inputs of a batch that another machine drives, by their directories there.
    pub(super) given: BTreeMap<String, GivenInputs>,
    /// What was found out about inputs. Whoever finds it out keeps the others waiting.
    inputs: Mutex<HashMap<(PathBuf, Namespaces), Arc<Inputs>>>,
}

/// A directory of inputs, as it was when the batch used it first.
pub(super) struct Inputs {
    pub(super) workspaces: Arc<Workspaces>,
    pub(super) ground: Ground,
    pub(super) rules: Rules,
    pub(super) snapshot: SnapshotId,
    /// What is not in that.
    pub(super) left_out: LeftOut,
    /// What is not in workspaces, since the inputs were made of a snapshot.
    pub(super) not_given: Option<String>,
    pub(super) cache: StatCache,
    /// Whether a row of the store names the snapshot, so that nobody collects it.
    pub(super) is_named: AtomicBool,
}

impl BatchFiles {
    pub(crate) fn new(files: Arc<Files>, spec: WorkspaceSpec, cases: Vec<Option<String>>) -> Self {
        Self { files, spec, cases, given: BTreeMap::new(), inputs: Mutex::default() }
    }

    /// Takes these for inputs that are not on this machine.
    pub(crate) fn with_given(self, given: BTreeMap<String, GivenInputs>) -> Self {
        Self { given, ..self }
    }

    /// The inputs of a case.
    pub(super) fn directory(&self, case: u32) -> Option<&str> {
        let own = usize::try_from(case).ok().and_then(|case| self.cases.get(case)?.as_deref());
        own.or(self.spec.inputs.as_deref())
    }

    /// Lets go of all workspaces on this machine.
    pub(crate) fn close(&self) {
        self.files.close();
    }

    /// Returns what they are made from: that of the batch, and the inputs of each case that has its own.
    pub(crate) fn plan(&self) -> (&WorkspaceSpec, &[Option<String>]) {
        (&self.spec, &self.cases)
    }

    /// Returns where they are made.
    pub(crate) fn settings(&self) -> &EngineSettings {
        &self.files.settings
    }

    /// Makes the workspace of an attempt; `None` if its case has no inputs.
    pub(crate) fn begin(
        &self,
        task: &Task,
        namespaces: Namespaces,
    ) -> Result<Option<AttemptFiles>, EngineError> {
        let Some(directory) = self.directory(task.case).map(Path::new) else {
            return Ok(None);
        };
        let inputs = self.inputs(directory, namespaces)?;
        match self.begin_on(task, &inputs) {
            // Its snapshot was relied on, but somebody has collected objects since.
            Err(EngineError::Store(StoreError::NotFound { .. })) => {
                self.forget(directory, namespaces);
                let inputs = self.inputs(directory, namespaces)?;
                self.begin_on(task, &inputs).map(Some)
            }
            begun => begun.map(Some),
        }
    }

    fn begin_on(&self, task: &Task, inputs: &Arc<Inputs>) -> Result<AttemptFiles, EngineError> {
        let name = |attempt| format!("{}.{attempt}", task.execution);
        if task.attempt > 1 && self.spec.keep != KeepWorkspaces::All {
            self.files.remove_earlier(&inputs.workspaces, &name(task.attempt - 1));
        }
        let at = self.beginning(task)?;
        let inputs = match at {
            Some(at) => &self.as_of(inputs, at)?,
            None => inputs,
        };
        let workspace = inputs.prepare(&self.files, &name(task.attempt), at)?;
        match self.look_into(task, inputs, &workspace, at) {
            Ok(cache) => {
                let (files, inputs) = (Arc::clone(&self.files), Arc::clone(inputs));
                Ok(AttemptFiles::new(files, inputs, workspace, cache, self.spec.keep))
            }
            Err(error) => {
                // Why it is of no use matters more than what is left of it.
                let _ = workspace.remove();
                Err(error)
            }
        }
    }

    /// Writes down what an attempt finds in its workspace; returns what is known of that.
    fn look_into(
        &self,
        task: &Task,
        inputs: &Inputs,
        workspace: &Workspace,
        at: Option<SnapshotId>,
    ) -> Result<StatCache, EngineError> {
        let mut cache = workspace.known(&inputs.ground, &inputs.cache)?;
        let snapshots = &self.files.snapshots;
        let found = if workspace.rung() == Rung::Overlay && at.is_none() {
            inputs.snapshot
        } else {
            workspace.snapshot(snapshots, inputs.snapshot, &inputs.rules, &mut cache)?.id
        };
        self.record(task, inputs, workspace, found)?;
        Ok(cache)
    }

    /// Returns inputs as the rules of a snapshot see them: what those had left out is not gone since.
    fn as_of(&self, inputs: &Arc<Inputs>, at: SnapshotId) -> Result<Arc<Inputs>, EngineError> {
        let snapshots = &self.files.snapshots;
        let rules = |id| Ok::<_, EngineError>(snapshots.entry(id, RULES_FILE.as_bytes())?);
        let (then, now) = (rules(at)?, rules(inputs.snapshot)?);
        if then.as_ref().map(|entry| &entry.kind) == now.as_ref().map(|entry| &entry.kind) {
            return Ok(Arc::clone(inputs));
        }
        let mut text = Vec::new();
        if then.is_some_and(|entry| entry.is_file()) {
            snapshots.read(at, RULES_FILE.as_bytes(), &mut |part| {
                text.extend_from_slice(part);
                Ok(())
            })?;
        }
        let rules = Rules::parse(&String::from_utf8_lossy(&text))?;
        let (ground, mut cache) = (inputs.ground.clone(), inputs.cache.clone());
        let Taken { id: snapshot, left_out, .. } =
            snapshots.take(ground.inputs(), &rules, &mut cache)?;
        let (workspaces, is_named) = (Arc::clone(&inputs.workspaces), AtomicBool::new(false));
        let not_given = inputs.not_given.clone();
        Ok(Arc::new(Inputs {
            workspaces,
            ground,
            rules,
            snapshot,
            left_out,
            not_given,
            cache,
            is_named,
        }))
    }

    /// The snapshot that an attempt begins with, if it goes on from a checkpoint that has one.
    fn beginning(&self, task: &Task) -> Result<Option<SnapshotId>, EngineError> {
        let Some(thread) = task.thread.as_deref().filter(|_| task.from_head) else {
            return Ok(None);
        };
        let head = self.files.store.head(thread, "")?;
        let snapshot = head.and_then(|head| head.snapshot);
        Ok(snapshot.as_ref().and_then(SnapshotId::of_reference))
    }

    /// Writes down where the workspace is, and what the attempt finds in it.
    fn record(
        &self,
        task: &Task,
        inputs: &Inputs,
        workspace: &Workspace,
        found: SnapshotId,
    ) -> Result<(), EngineError> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let record = WorkspaceRecord {
            rung: workspace.rung().to_string(),
            inputs: text(inputs.ground.inputs()),
            directory: text(&workspace.written()),
            files: found.reference(),
        };
        let (attempt, lease) = (task.attempt, task.lease());
        let workspace = Box::new(record);
        let unit = UnitOfWork::silent(Change::PutWorkspace { attempt, lease, workspace });
        if inputs.is_named.load(Ordering::Acquire) && found == inputs.snapshot {
            self.files.store.submit(unit)?;
        } else {
            self.files.store.commit(unit)?;
            inputs.is_named.fetch_or(found == inputs.snapshot, Ordering::AcqRel);
        }
        Ok(())
    }

    fn inputs(&self, directory: &Path, namespaces: Namespaces) -> Result<Arc<Inputs>, EngineError> {
        let mut known = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (directory.to_owned(), namespaces);
        if let Some(inputs) = known.get(&key) {
            return Ok(Arc::clone(inputs));
        }
        let inputs = Arc::new(self.look_at(directory, namespaces)?);
        known.insert(key, Arc::clone(&inputs));
        Ok(inputs)
    }

    pub(super) fn look_at_ground(
        &self,
        workspaces: Arc<Workspaces>,
        ground: Ground,
        snapshots: &Snapshots,
    ) -> Result<Inputs, EngineError> {
        let caches = &self.files.caches;
        let rules = Rules::of(ground.inputs())?;
        let mut caches = caches.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = caches.entry(ground.inputs().to_owned()).or_default();
        let Taken { id: snapshot, left_out, .. } =
            snapshots.take(ground.inputs(), &rules, cache)?;
        let (cache, is_named, not_given) = (cache.clone(), AtomicBool::new(false), None);
        Ok(Inputs { workspaces, ground, rules, snapshot, left_out, not_given, cache, is_named })
    }

    fn forget(&self, directory: &Path, namespaces: Namespaces) {
        self.files.forget();
        let mut known = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(directory.to_owned(), namespaces));
    }
}

impl Inputs {
    fn prepare(
        &self,
        files: &Files,
        name: &str,
        at: Option<SnapshotId>,
    ) -> Result<Workspace, EngineError> {
        let Self { workspaces, ground, snapshot, .. } = self;
        Ok(match at {
            Some(at) => workspaces.prepare_at(ground, name, &files.snapshots, *snapshot, at)?,
            None => workspaces.prepare(ground, name)?,
        })
    }
}
