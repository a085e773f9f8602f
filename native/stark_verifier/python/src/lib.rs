//! The extension module `esper._native`: thin bindings, one file per subject.

use pyo3::prelude::*;

/// Proofs repeat their large blocks; see the module for what keeping them saves.
#[global_allocator]
static ALLOCATOR: esper_prover::pages::KeptPages = esper_prover::pages::KeptPages;

mod codec;
mod digest;
mod memory;
mod model;
mod parts;
mod proof;
mod receipt;
mod serving;
mod signatures;
mod state;

/// The compiled extension: integer and float engines, digests, proofs, signatures.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if esper_verifier::relation::SWITCHED {
        let reason =
            "this extension was built for the proof's own tests and accepts forgeries; run `make build`";
        return Err(pyo3::exceptions::PyImportError::new_err(reason));
    }
    codec::register(module)?;
    digest::register(module)?;
    memory::register(module)?;
    model::register(module)?;
    parts::register(module)?;
    proof::register(module)?;
    receipt::register(module)?;
    serving::register(module)?;
    signatures::register(module)?;
    state::register(module)
}
