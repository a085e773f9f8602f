//! The state tree on disk: what a block's changes do to it, worked out on records that Python reads.

use std::num::NonZeroUsize;

use esper_state::{Change, Failure, Hash, Records};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// A path, the value before and the value after.
type PythonChange = (PyBackedBytes, Option<PyBackedBytes>, Option<PyBackedBytes>);
/// The uppermost node, its hash, the records to write and how many hashes were computed.
type PythonUpdate<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Vec<PythonWrite<'py>>, u64);
type PythonWrite<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

struct Store<'py>(&'py Bound<'py, PyAny>);

impl Records for Store<'_> {
    type Error = PyErr;

    fn get(&mut self, key: &[u8]) -> PyResult<Option<Vec<u8>>> {
        let found = self.0.call1((PyBytes::new(self.0.py(), key),))?;
        if found.is_none() {
            return Ok(None);
        }
        Ok(Some(found.cast::<PyBytes>()?.as_bytes().to_vec()))
    }
}

/// What changes by strictly ascending path do to the tree with the uppermost node `top`.
///
/// `get` reads records. Raises `damaged(reason)` or `unfit(reason)`, ValueError for a path that has not 32 bytes.
#[pyfunction]
fn update_state<'py>(
    py: Python<'py>,
    get: &Bound<'py, PyAny>,
    levels: NonZeroUsize,
    top: &[u8],
    changes: Vec<PythonChange>,
    damaged: &Bound<'py, PyAny>,
    unfit: &Bound<'py, PyAny>,
) -> PyResult<PythonUpdate<'py>> {
    let changes: Vec<Change<'_>> = changes
        .iter()
        .map(|(path, old, new)| Ok(Change { path: path_of(path)?, old: old.as_deref(), new: new.as_deref() }))
        .collect::<PyResult<_>>()?;
    let update =
        esper_state::update(levels, top, &changes, &mut Store(get)).map_err(|failure| match failure {
            Failure::Damaged(reason) => raised(damaged, reason),
            Failure::Unfit(reason) => raised(unfit, reason),
            Failure::Broken(error) => error,
        })?;
    let writes = update
        .writes
        .iter()
        .map(|(key, record)| (PyBytes::new(py, key), record.as_ref().map(|record| PyBytes::new(py, record))));
    let (top, hash) = (PyBytes::new(py, &update.top), PyBytes::new(py, &update.hash));
    Ok((top, hash, writes.collect(), update.hashes))
}

fn path_of(bytes: &[u8]) -> PyResult<Hash> {
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("a path has 32 bytes, not {}", bytes.len())))
}

fn raised(error: &Bound<'_, PyAny>, reason: String) -> PyErr {
    error.call1((reason,)).map_or_else(|failed| failed, PyErr::from_value)
}

/// Adds this file's function to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(update_state, module)?)
}
