//! Memory that proofs leave behind for the next one.

use pyo3::prelude::*;

/// Give the memory that proofs keep for the next one back to the system; bytes of its large blocks.
#[pyfunction]
fn release_memory(py: Python<'_>) -> usize {
    py.detach(esper_prover::pages::release)
}

/// Make so many bytes ready for the first proof of this process; for a thread beside one that does other things.
#[pyfunction]
#[pyo3(signature = (size, /))]
fn reserve_memory(py: Python<'_>, size: usize) {
    py.detach(|| esper_prover::pages::reserve(size));
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(reserve_memory, module)?)?;
    module.add_function(wrap_pyfunction!(release_memory, module)?)
}
