//! Snapshots of workspaces, to be read, compared and restored.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;
use wtb_engine::EngineError;
use wtb_store::hex;
use wtb_workspace::{
    Change, Content, Entry, EntryKind, Namespaces, Rules, SnapshotId, Snapshots, WorkspaceError,
};

use crate::engine::EngineRef;
#[cfg(target_os = "linux")]
use crate::engine::unreadable;
use crate::errors::{Failure, Result};

/// `(path, kind, mode, size, hash, target)`: `kind` is `file`, `directory` or `symlink`; a file has a
/// size and a hash of its content, a symbolic link a target.
type EntryRow = (Py<PyBytes>, &'static str, u16, Option<u64>, Option<String>, Option<Py<PyBytes>>);

/// The snapshots in an open store.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct SnapshotsRef(Snapshots);

#[pymethods]
impl SnapshotsRef {
    #[new]
    fn new(engine: &EngineRef) -> Result<Self> {
        Ok(Self(Snapshots::new(Arc::clone(engine.store()?) as Arc<_>)))
    }

    /// Returns the entries of a snapshot, in the order of their paths.
    fn entries(&self, py: Python<'_>, id: &str) -> Result<Vec<EntryRow>> {
        let id = snapshot_id(id)?;
        let entries = py.detach(|| self.0.entries(id)).map_err(failure)?;
        Ok(entries.iter().map(|entry| row(py, entry)).collect())
    }

    /// Returns the bytes of a file.
    fn read<'py>(&self, py: Python<'py>, id: &str, path: Vec<u8>) -> Result<Bound<'py, PyBytes>> {
        let id = snapshot_id(id)?;
        let mut bytes = Vec::new();
        let read = py.detach(|| {
            self.0.read(id, &path, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })
        });
        read.map_err(failure)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Returns what differs between two snapshots: of each path the entry before, and the one after.
    fn diff(
        &self,
        py: Python<'_>,
        before: &str,
        after: &str,
    ) -> Result<Vec<(Option<EntryRow>, Option<EntryRow>)>> {
        let (before, after) = (snapshot_id(before)?, snapshot_id(after)?);
        let changes = py.detach(|| self.0.diff(before, after)).map_err(failure)?;
        let pair = |change: &Change| match change {
            Change::Added(entry) => (None, Some(row(py, entry))),
            Change::Removed(entry) => (Some(row(py, entry)), None),
            Change::Altered { before, after } => (Some(row(py, before)), Some(row(py, after))),
        };
        Ok(changes.iter().map(pair).collect())
    }

    /// Makes a directory what a snapshot says.
    fn restore(&self, py: Python<'_>, id: &str, directory: PathBuf) -> Result<()> {
        let id = snapshot_id(id)?;
        py.detach(|| self.0.restore(id, &directory)).map_err(failure)
    }
}

/// Refuses a directory of inputs whose rules cannot be read.
#[pyfunction]
pub(crate) fn check_inputs(py: Python<'_>, directory: PathBuf) -> Result<()> {
    py.detach(|| Rules::of(&directory)).map(drop).map_err(failure)
}

/// Tries to make workspaces in a directory, for threads of this program or for workers on a ground (as
/// JSON); returns as JSON how they are made, and why not better.
#[pyfunction]
pub(crate) fn try_workspaces(
    py: Python<'_>,
    directory: PathBuf,
    ground: Option<&str>,
) -> Result<String> {
    let namespaces = ground.map_or(Ok(Namespaces::None), namespaces)?;
    let tried = py.detach(|| wtb_engine::try_workspaces(&directory, namespaces))?;
    let refused: Vec<_> =
        tried.refused.iter().map(|(rung, reason)| json!([rung.as_str(), reason])).collect();
    Ok(json!({"rung": tried.rung.as_str(), "refused": refused}).to_string())
}

#[cfg(target_os = "linux")]
fn namespaces(ground: &str) -> Result<Namespaces> {
    let ground: wtb_worker::Ground = serde_json::from_str(ground).map_err(unreadable)?;
    Ok(wtb_engine::namespaces(&ground))
}

#[cfg(not(target_os = "linux"))]
fn namespaces(_: &str) -> Result<Namespaces> {
    Ok(Namespaces::None)
}

fn row(py: Python<'_>, entry: &Entry) -> EntryRow {
    let path = PyBytes::new(py, entry.path.as_bytes()).unbind();
    match &entry.kind {
        EntryKind::Directory => (path, "directory", entry.mode, None, None, None),
        EntryKind::Symlink { target } => {
            let target = PyBytes::new(py, target).unbind();
            (path, "symlink", entry.mode, None, None, Some(target))
        }
        EntryKind::File { size, content } => {
            let hash = match content {
                Content::Empty => hex(*blake3::hash(b"").as_bytes()),
                Content::Whole(hash) | Content::Pieces(hash) => hex(*hash),
            };
            (path, "file", entry.mode, Some(*size), Some(hash), None)
        }
    }
}

fn snapshot_id(text: &str) -> Result<SnapshotId> {
    text.parse().map_err(failure)
}

fn failure(error: WorkspaceError) -> Failure {
    Failure::Engine(EngineError::from(error))
}
