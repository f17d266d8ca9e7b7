//! A batch as a supervisor in another process sees it, and what goes to and fro between them.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wtb_engine::{Group, Handout, Outpost, OutpostPlan, Processes};

use crate::errors::{Result, invalid};
use crate::workers::start_processes;

/// Returns what goes to another process: `MessagePack` with names, so that a field may come.
pub(crate) fn pack<'py>(py: Python<'py>, what: &impl Serialize) -> Result<Bound<'py, PyBytes>> {
    let packed = rmp_serde::to_vec_named(what).map_err(|error| invalid(error.to_string()))?;
    Ok(PyBytes::new(py, &packed))
}

/// Returns what came from there.
pub(crate) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    rmp_serde::from_slice(packed).map_err(|error| invalid(error.to_string()))
}

/// A supervisor's end of a batch, with the processes that make its attempts.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct OutpostRef {
    outpost: Arc<Outpost>,
    processes: Processes,
}

#[pymethods]
impl OutpostRef {
    /// Opens the store, and starts what the workers are made from.
    #[new]
    fn new(
        py: Python<'_>,
        plan: &str,
        settings: &str,
        job: Vec<u8>,
        cases: Vec<Vec<u8>>,
    ) -> Result<Self> {
        let plan: OutpostPlan =
            serde_json::from_str(plan).map_err(|error| invalid(error.to_string()))?;
        let outpost = Arc::new(py.detach(|| Outpost::open(plan))?);
        let (source, store) = (Arc::clone(&outpost), Arc::clone(outpost.store()));
        // Which attempts come here is decided where they are handed out.
        let source = (source as Arc<_>, Group::default());
        let processes = start_processes(py, source, store, settings, job, cases)?;
        Ok(Self { outpost, processes })
    }

    /// Returns what the workers stand on, as JSON.
    fn ground(&self, py: Python<'_>) -> Result<String> {
        let ground = py.detach(|| self.processes.ground())?;
        serde_json::to_string(&ground).map_err(|error| invalid(error.to_string()))
    }

    /// Makes attempts until nothing more comes for this worker.
    fn work(&self, py: Python<'_>, name: &str) {
        py.detach(|| {
            if let Err(error) = self.processes.work(name) {
                self.outpost.fail_with(error);
            }
        });
    }

    /// Takes what was handed out, if anything was, and returns what has happened since the last time.
    fn exchange<'py>(
        &self,
        py: Python<'py>,
        handout: Option<&[u8]>,
        timeout_s: f64,
    ) -> Result<Bound<'py, PyBytes>> {
        let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
        let handout = handout.map_or_else(|| Ok(Handout::default()), unpack)?;
        let report = py.detach(|| self.outpost.exchange(handout, timeout))?;
        pack(py, &report)
    }

    /// Takes what was handed out, and returns at once.
    fn hand(&self, handout: &[u8]) -> Result<()> {
        self.outpost.hand(unpack(handout)?);
        Ok(())
    }

    /// Ends all workers, and closes the store.
    fn close(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| {
            self.outpost.close();
            self.processes.close();
            Ok(self.outpost.store().close().map_err(wtb_engine::EngineError::from)?)
        })
    }
}
