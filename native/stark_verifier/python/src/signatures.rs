//! Signature checks for Python, many at once, outside the interpreter's lock.

use std::num::NonZeroUsize;

use esper_signatures::{Claim, first_invalid};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

/// A public key, what was signed, and the signature.
type PythonClaim = (PyBackedBytes, PyBackedBytes, PyBackedBytes);

/// Whether an ML-DSA-65 signature is the key's over a message, with an empty context; False for other sizes.
#[pyfunction]
fn ml_dsa_65_holds(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    Claim { key, message, signature }.holds()
}

/// The index of the first (key, message, signature) that does not hold, None if all do.
///
/// Other threads of the interpreter go on meanwhile. Raises ValueError for no threads.
#[pyfunction]
fn ml_dsa_65_first_invalid(py: Python<'_>, claims: Vec<PythonClaim>, threads: NonZeroUsize) -> Option<usize> {
    py.detach(|| {
        let claims: Vec<_> =
            claims.iter().map(|(key, message, signature)| Claim { key, message, signature }).collect();
        first_invalid(&claims, threads)
    })
}

/// Adds this file's functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(ml_dsa_65_holds, module)?)?;
    module.add_function(wrap_pyfunction!(ml_dsa_65_first_invalid, module)?)
}
