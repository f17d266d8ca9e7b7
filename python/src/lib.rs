//! The extension module `wtb._native`: the engine as the Python package sees it.
//!
//! Handles are opaque, records cross as JSON text, user values as `(type, bytes)`. Everything that
//! may wait lets go of the GIL. Nothing here is public API; the package `wtb` is.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod active;
mod checkpoint_rows;
mod command;
mod engine;
mod errors;
mod lineages;
mod outcome;
#[cfg(target_os = "linux")]
mod outposts;
mod payload;
mod rows;
mod saver;
#[cfg(unix)]
mod snapshots;
mod statistics;
#[cfg(target_os = "linux")]
mod trial;
mod watch;
#[cfg(target_os = "linux")]
mod workers;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::EngineRef>()?;
    module.add_class::<active::ActiveBatchRef>()?;
    module.add_class::<active::TaskRef>()?;
    module.add_class::<active::ScoringTaskRef>()?;
    module.add_class::<rows::ValueRef>()?;
    module.add_class::<command::RequestRef>()?;
    module.add_class::<saver::CheckpointsRef>()?;
    module.add_class::<lineages::LineagesRef>()?;
    module.add_class::<watch::DisplayRef>()?;
    #[cfg(unix)]
    module.add_class::<snapshots::SnapshotsRef>()?;
    #[cfg(unix)]
    module.add_function(wrap_pyfunction!(snapshots::check_inputs, module)?)?;
    #[cfg(unix)]
    module.add_function(wrap_pyfunction!(snapshots::try_workspaces, module)?)?;
    #[cfg(target_os = "linux")]
    {
        module.add_class::<workers::ProcessesRef>()?;
        module.add_class::<outposts::OutpostRef>()?;
        module.add_class::<workers::TemplateRef>()?;
        module.add_class::<workers::SeedRef>()?;
        module.add_class::<workers::LinkRef>()?;
        module.add_class::<workers::OrderRef>()?;
        module.add_function(wrap_pyfunction!(trial::try_template, module)?)?;
    }
    module.add_function(wrap_pyfunction!(command::start, module)?)?;
    module.add_function(wrap_pyfunction!(command::render_difference, module)?)?;
    statistics::add_to(module)?;
    module.add("EVENT_KINDS", wtb_model::EVENT_KINDS.to_vec())?;
    module.add("CUSTOM_PREFIX", wtb_model::CUSTOM_PREFIX)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
