//! Inputs for supervisors elsewhere: what the driver's machine gives, and what another one makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};
use wtb_model::{BatchId, SessionId, StoredValue};
use wtb_store::{Change, Hash, NewObject, NewValue, Objects, StoreError, UnitOfWork};
use wtb_workspace::{Namespaces, Rules, Rung, SnapshotId, Snapshots, WorkspaceError};

use super::attempt::left_out;
use super::batch::{BatchFiles, Inputs};
use crate::EngineError;

/// The kind of the value by which a batch names all that it is given.
const KIND: &str = "wtb.inputs";

/// A directory of inputs as it is on the machine that drives the batch, for machines that have none of that
/// name, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenInputs {
    /// Their snapshot.
    snapshot: StoredValue,
    /// What that leaves out.
    left_out: Option<String>,
}

impl BatchFiles {
    /// Returns the inputs of cases as they are on this machine. They are read and stored for that, and kept as
    /// long as the batch, if it is one. What cannot be read is left out: attempts tell of it, where the machines
    /// do not have it either.
    pub(crate) fn give(
        &self,
        cases: impl Iterator<Item = u32>,
        batch: Option<&BatchId>,
        session: &SessionId,
    ) -> Result<BTreeMap<String, GivenInputs>, EngineError> {
        let directories: BTreeSet<_> = cases.filter_map(|case| self.directory(case)).collect();
        let give = || {
            let given = self.take_all(&directories)?;
            self.keep(&given, batch, session).map(|()| given)
        };
        match give() {
            // What was relied on, somebody has collected since.
            Err(EngineError::Store(StoreError::NotFound { .. })) => {
                self.files.forget();
                give()
            }
            given => given,
        }
    }

    fn take_all(
        &self,
        directories: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, GivenInputs>, EngineError> {
        let mut given = BTreeMap::new();
        for directory in directories {
            let Ok(path) = Path::new(directory).canonicalize() else { continue };
            let Ok(rules) = Rules::of(&path) else { continue };
            let mut caches = self.files.caches.lock().unwrap_or_else(PoisonError::into_inner);
            let cache = caches.entry(path.clone()).or_default();
            let taken = match self.files.snapshots.take(&path, &rules, cache) {
                Ok(taken) => taken,
                Err(WorkspaceError::Io { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let (snapshot, left_out) = (taken.id.reference(), left_out(&taken.left_out));
            given.insert((*directory).to_owned(), GivenInputs { snapshot, left_out });
        }
        Ok(given)
    }

    /// Has the store keep what a batch is given. Returns when it can be read there.
    fn keep(
        &self,
        given: &BTreeMap<String, GivenInputs>,
        batch: Option<&BatchId>,
        session: &SessionId,
    ) -> Result<(), EngineError> {
        let store = &self.files.store;
        let snapshots = given.values().filter_map(|one| SnapshotId::of_reference(&one.snapshot));
        let snapshots: BTreeSet<Hash> = snapshots.map(|SnapshotId(hash)| hash).collect();
        let Some(batch) = batch.filter(|_| !snapshots.is_empty()) else {
            return Ok(store.flush()?);
        };
        let links: Vec<_> = snapshots.into_iter().collect();
        let NewValue { stored: inputs, object } =
            NewValue::of_object(KIND.to_owned(), NewObject::node(&links, b""));
        object.map_or(Ok(()), |object| store.put(object))?;
        let (batch, session) = (batch.clone(), session.clone());
        store.commit(UnitOfWork::silent(Change::GiveInputs { batch, session, inputs }))?;
        Ok(())
    }

    /// Looks at inputs: those of this machine, or what was given in their place.
    pub(super) fn look_at(
        &self,
        directory: &Path,
        namespaces: Namespaces,
    ) -> Result<Inputs, EngineError> {
        let workspaces = self.files.workspaces(namespaces)?;
        let rung = self.spec.rung.as_deref().map(str::parse::<Rung>).transpose();
        let rung = rung.map_err(EngineError::Invalid)?;
        let given = directory.to_str().and_then(|directory| self.given.get(directory));
        let here = || match rung {
            None => workspaces.ground(directory),
            Some(rung) => workspaces.ground_by(directory, rung),
        };
        let snapshots = &self.files.snapshots;
        let Some(given) = given else {
            return self.look_at_ground(Arc::clone(&workspaces), here()?, snapshots);
        };
        // What is another machine's is read for that, and not stored.
        let compared = Snapshots::new(Arc::new(NotKept));
        if let Ok(ground) = here()
            && let Ok(found) = self.look_at_ground(Arc::clone(&workspaces), ground, &compared)
            && found.snapshot.reference() == given.snapshot
        {
            return Ok(found);
        }
        let unreadable = || EngineError::Invalid("the inputs were given as no snapshot".to_owned());
        let id = SnapshotId::of_reference(&given.snapshot).ok_or_else(unreadable)?;
        let ground = workspaces.ground_of(snapshots, id, rung)?;
        let found = self.look_at_ground(workspaces, ground, snapshots)?;
        Ok(Inputs { not_given: given.left_out.clone(), ..found })
    }
}

/// Takes objects of which only the names are wanted.
struct NotKept;

impl Objects for NotKept {
    fn put(&self, _: NewObject) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, hash: Hash) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::NotFound { what: "object", id: wtb_store::hex(hash) })
    }
}
