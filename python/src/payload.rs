//! User values as Python passes them.

use bytes::Bytes;
use pyo3::pybacked::PyBackedBytes;
use wtb_model::Value;

/// A serialised value: `(type, bytes)`.
pub(crate) type Payload = (String, PyBackedBytes);

/// Takes a value as it is: its bytes stay Python's, and are not copied.
pub(crate) fn value((kind, bytes): Payload) -> Value {
    Value::new(kind, Bytes::from_owner(bytes))
}
