//! User values as Python passes them.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use wtb_model::Value;

/// A value that is passed as `(type, bytes)`.
///
/// The bytes could be shared with Python instead of being copied. But who lets go of a Python object
/// while detached leaves it to the binding's pool: until somebody comes by, which may be never, and under
/// a lock, which a child that is forked at that moment would find locked for ever.
pub(crate) struct Payload(pub(crate) Value);

impl<'a, 'py> FromPyObject<'a, 'py> for Payload {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (kind, bytes): (String, PyBackedBytes) = object.extract()?;
        Ok(Self(Value::new(kind, bytes.to_vec())))
    }
}
