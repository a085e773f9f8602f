//! Poseidon2 for Python: the digest of a batch and, for test vectors, the bare permutation.

use esper_digest::{Tag, permute, poseidon2_digest as digest};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Digest of a list of field elements under a tag of at most 32 ASCII characters.
///
/// Returns eight canonical elements. Raises ValueError for a bad tag or an element at or above 2^64 - 2^32 + 1,
/// OverflowError for one outside 64 bits.
#[pyfunction]
fn poseidon2_digest(py: Python<'_>, tag: &str, elements: Vec<u64>) -> PyResult<[u64; 8]> {
    let tag = Tag::new(tag).map_err(value_error)?;
    py.detach(|| digest(tag, &elements)).map_err(value_error)
}

/// One Poseidon2 permutation of sixteen canonical field elements. Raises ValueError as the digest does.
#[pyfunction]
fn poseidon2_permute(state: [u64; 16]) -> PyResult<[u64; 16]> {
    permute(state).map_err(value_error)
}

fn value_error(error: impl core::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(poseidon2_digest, module)?)?;
    module.add_function(wrap_pyfunction!(poseidon2_permute, module)?)
}
