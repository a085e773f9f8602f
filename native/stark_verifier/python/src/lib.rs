//! The extension module `esper._native`: thin bindings, one file per subject.

use pyo3::prelude::*;

mod digest;
mod model;
mod proof;

/// The compiled extension: integer and float engines, digests, proofs.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    digest::register(module)?;
    model::register(module)?;
    proof::register(module)
}
