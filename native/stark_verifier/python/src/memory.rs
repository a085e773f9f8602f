//! Memory that proofs leave behind for the next one.

use pyo3::prelude::*;

/// Give the memory that proofs keep for the next one back to the system; bytes of its large blocks.
#[pyfunction]
fn release_memory(py: Python<'_>) -> usize {
    py.detach(esper_prover::pages::release)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(release_memory, module)?)
}
