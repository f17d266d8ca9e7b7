//! Where workspaces are made.
//!
//! ```text
//! BASE/.shared/              read-only copies that workspaces share (rung hardlink)
//! BASE/SESSION/owner         locked as long as a process of the session lives
//! BASE/SESSION/.inputs-ID/   inputs that are not on this machine, of a snapshot
//! BASE/SESSION/NAME/tree/    what a node works in: the copy, or where the overlay is mounted
//! BASE/SESSION/NAME/upper/   what was changed (rung overlay)
//! BASE/SESSION/NAME/kept     it is to be kept when its session ends
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use wtb_model::SessionId;

use super::copy::Copy;
use super::ground::Ground;
use super::made::Workspace;
use super::mount::{Mount, Namespaces, UPPER, WORK};
use super::orphans::{self, GIVEN, Owner};
use super::pristine::Pristine;
use super::probe::probe;
use super::remove::remove_tree;
use super::rung::Rung;
use crate::snapshot::Target;
use crate::{SnapshotId, Snapshots, WorkspaceError};

/// How many probes this process has begun.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// What a node works in, within its workspace's directory.
const TREE: &str = "tree";

/// The workspaces of a session.
///
/// # Examples
///
/// ```
/// use wtb_workspace::{Namespaces, Workspaces};
///
/// # let directory = tempfile::tempdir()?;
/// # let (base, inputs) = (directory.path().join("base"), directory.path().join("inputs"));
/// # std::fs::create_dir(&inputs)?;
/// std::fs::write(inputs.join("a.csv"), "1,2")?;
/// let session = "s_0000000000000000".parse()?;
/// let workspaces = Workspaces::open(&base, &session, Namespaces::None)?;
/// let ground = workspaces.ground(&inputs)?;
///
/// let workspace = workspaces.prepare(&ground, "e_1")?;
/// std::fs::write(workspace.tree().join("a.csv"), "3,4")?;
/// workspace.remove()?;
/// assert_eq!(std::fs::read(inputs.join("a.csv"))?, b"1,2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Workspaces {
    base: PathBuf,
    directory: PathBuf,
    namespaces: Namespaces,
    pristine: Pristine,
    grounds: Mutex<HashMap<PathBuf, Ground>>,
    /// `None` once the session has let go of them.
    owner: Mutex<Option<Owner>>,
}

impl Workspaces {
    /// Opens a base directory for a session, and makes it where there is none. `namespaces` are those
    /// that the processes of its executions will be in.
    pub fn open(
        base: &Path,
        session: &SessionId,
        namespaces: Namespaces,
    ) -> Result<Self, WorkspaceError> {
        make_private(base, true)?;
        let base = base.canonicalize().map_err(WorkspaceError::io("look at", base))?;
        let directory = base.join(session.as_str());
        Ok(Self {
            owner: Mutex::new(Some(Owner::claim(&directory)?)),
            pristine: Pristine::of(&base),
            grounds: Mutex::default(),
            base,
            directory,
            namespaces,
        })
    }

    /// Lets go of them, whoever still refers to one: what is left is a dead session's from now on.
    pub fn release(&self) {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What cannot be removed now is removed by a later session.
        let _ = orphans::clear_given(&self.directory);
    }

    /// Finds the best way to make workspaces of inputs. It is tried out once for each directory.
    pub fn ground(&self, inputs: &Path) -> Result<Ground, WorkspaceError> {
        self.best_ground(self.inputs(inputs)?)
    }

    fn best_ground(&self, inputs: PathBuf) -> Result<Ground, WorkspaceError> {
        let known =
            self.grounds.lock().unwrap_or_else(PoisonError::into_inner).get(&inputs).cloned();
        if let Some(ground) = known {
            return Ok(ground);
        }
        let mut refused = Vec::new();
        let mut found = Rung::Copy;
        for rung in Rung::ALL {
            if !rung.is_chosen() {
                refused.push((rung, Rung::NOT_CHOSEN.to_owned()));
                continue;
            }
            match self.probe(rung, &inputs)? {
                Ok(()) => {
                    found = rung;
                    break;
                }
                Err(reason) => refused.push((rung, reason)),
            }
        }
        let ground = Ground { inputs: inputs.clone(), rung: found, refused };
        let mut grounds = self.grounds.lock().unwrap_or_else(PoisonError::into_inner);
        grounds.insert(inputs, ground.clone());
        Ok(ground)
    }

    /// Takes a certain way to make workspaces, or fails if that does not work.
    pub fn ground_by(&self, inputs: &Path, rung: Rung) -> Result<Ground, WorkspaceError> {
        self.certain_ground(self.inputs(inputs)?, rung)
    }

    /// Makes inputs that are not on this machine, of a snapshot, and finds the best or takes a certain way
    /// to make workspaces of them. The processes of a session make them once.
    pub fn ground_of(
        &self,
        snapshots: &Snapshots,
        id: SnapshotId,
        rung: Option<Rung>,
    ) -> Result<Ground, WorkspaceError> {
        let inputs = self.directory.join(format!("{GIVEN}{id}"));
        let path = inputs.with_extension("lock");
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(WorkspaceError::io("make", &path))?;
        lock.lock().map_err(WorkspaceError::io("lock", &path))?;
        // It is switched in as a whole, so what is there is complete.
        if !inputs.exists() {
            snapshots.restore(id, &inputs)?;
        }
        drop(lock);
        match rung {
            None => self.best_ground(inputs),
            Some(rung) => self.certain_ground(inputs, rung),
        }
    }

    fn certain_ground(&self, inputs: PathBuf, rung: Rung) -> Result<Ground, WorkspaceError> {
        match self.probe(rung, &inputs)? {
            Ok(()) => Ok(Ground { inputs, rung, refused: Vec::new() }),
            Err(reason) => {
                Err(WorkspaceError::Rung { rung, inputs, base: self.base.clone(), reason })
            }
        }
    }

    fn inputs(&self, inputs: &Path) -> Result<PathBuf, WorkspaceError> {
        let fails = || WorkspaceError::io::<io::Error>("take as inputs", inputs);
        let found = inputs.canonicalize().map_err(fails())?;
        if !found.is_dir() {
            return Err(fails()(io::ErrorKind::NotADirectory.into()));
        }
        if found.starts_with(&self.base) || self.base.starts_with(&found) {
            return Err(WorkspaceError::Nested { inputs: found, base: self.base.clone() });
        }
        Ok(found)
    }

    fn probe(&self, rung: Rung, inputs: &Path) -> Result<Result<(), String>, WorkspaceError> {
        // Other processes of the session may try the same at this moment.
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let scratch = self.directory.join(format!(".probe-{rung}-{}-{number}", process::id()));
        remove_tree(&scratch)?;
        make_private(&scratch, false)?;
        let found = probe(rung, inputs, &scratch, self.namespaces);
        remove_tree(&scratch)?;
        Ok(found)
    }

    /// Makes a workspace of inputs. Where [`Workspace::mount`] is something, what is to see the workspace
    /// has to mount it.
    pub fn prepare(&self, ground: &Ground, name: &str) -> Result<Workspace, WorkspaceError> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(WorkspaceError::Name(name.to_owned()));
        }
        let directory = self.directory.join(name);
        make_private(&directory, false)?;
        let prepared = self.fill(ground, &directory);
        if prepared.is_err() {
            // What is left of it is of no use; why it failed matters more than that.
            let _ = remove_tree(&directory);
        }
        prepared
    }

    /// Makes a workspace as another one was when a snapshot was taken of it: of the same inputs, and with
    /// what differs from their own snapshot, `inputs`. So an execution goes on where it was rolled back to.
    /// What snapshots leave out is as the inputs have it.
    pub fn prepare_at(
        &self,
        ground: &Ground,
        name: &str,
        snapshots: &Snapshots,
        inputs: SnapshotId,
        at: SnapshotId,
    ) -> Result<Workspace, WorkspaceError> {
        let workspace = self.prepare(ground, name)?;
        let target = match workspace.rung {
            Rung::Overlay => Target::Upper,
            Rung::Reflink | Rung::Hardlink | Rung::Copy => Target::Tree,
        };
        if let Err(error) = snapshots.apply(inputs, at, &workspace.written(), target) {
            let _ = workspace.remove();
            return Err(error);
        }
        Ok(workspace)
    }

    fn fill(&self, ground: &Ground, directory: &Path) -> Result<Workspace, WorkspaceError> {
        let Ground { inputs, rung, .. } = ground;
        let tree = directory.join(TREE);
        make_private(&tree, false)?;
        let mut workspace = Workspace {
            directory: directory.to_owned(),
            rung: *rung,
            mount: None,
            left_out: Vec::new(),
            pristine: self.pristine.clone(),
            tree,
        };
        if *rung == Rung::Overlay {
            let upper = directory.join(UPPER);
            make_private(&directory.join(WORK), false)?;
            make_private(&upper, false)?;
            // The root of an overlay has the permissions of its upper directory.
            let permissions = fs::metadata(inputs).map(|found| found.permissions());
            permissions
                .and_then(|permissions| fs::set_permissions(&upper, permissions))
                .map_err(WorkspaceError::io("set the permissions of", &upper))?;
            let mount = Mount::prepare(inputs, directory, &workspace.tree, self.namespaces);
            let too_long = || WorkspaceError::Rung {
                rung: *rung,
                inputs: inputs.clone(),
                base: self.base.clone(),
                reason: "the paths are longer than a mount takes".to_owned(),
            };
            workspace.mount = Some(mount.ok_or_else(too_long)?);
        } else {
            let (rung, pristine) = (*rung, &self.pristine);
            let mut copy = Copy { rung, from: inputs, pristine, left_out: Vec::new() };
            copy.copy_into(&workspace.tree)?;
            workspace.left_out = copy.left_out;
        }
        Ok(workspace)
    }

    /// Removes a workspace of this session by its name; returns whether it was there.
    pub fn remove(&self, name: &str) -> Result<bool, WorkspaceError> {
        let directory = self.directory.join(name);
        let is_there = directory.exists();
        remove_tree(&directory).map(|()| is_there)
    }

    /// Removes shared copies that no workspace has any more.
    pub fn sweep(&self) -> Result<(), WorkspaceError> {
        self.pristine.sweep()
    }
}

/// Makes a directory for its owner alone.
pub(super) fn make_private(path: &Path, with_parents: bool) -> Result<(), WorkspaceError> {
    let made = fs::DirBuilder::new().mode(0o700).recursive(with_parents).create(path);
    made.map_err(WorkspaceError::io("make the directory", path))
}
