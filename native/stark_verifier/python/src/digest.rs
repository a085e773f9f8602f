//! Hashes for Python: tagged SHA3 of many messages, Poseidon2 of a batch and, for test vectors, bare.

use esper_digest::{Tag, permute, poseidon2_digest as digest, tagged_sha3_256_many, tagged_sha3_512_many};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// From so many bytes on, other threads of the interpreter go on meanwhile.
const LONG_LIST: usize = 1 << 16;

/// H(tag, message) of each message: 64 bytes. Raises ValueError for what is no tag of 32 bytes.
#[pyfunction]
fn sha3_512_many<'py>(
    py: Python<'py>,
    tag: &[u8],
    messages: Vec<PyBackedBytes>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let tag = Tag::from_padded(tag).map_err(value_error)?;
    let digests = hashed(py, &messages, |messages| tagged_sha3_512_many(tag, messages));
    Ok(digests.iter().map(|digest| PyBytes::new(py, digest)).collect())
}

/// H32(tag, message) of each message: 32 bytes. Raises ValueError for what is no tag of 32 bytes.
#[pyfunction]
fn sha3_256_many<'py>(
    py: Python<'py>,
    tag: &[u8],
    messages: Vec<PyBackedBytes>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let tag = Tag::from_padded(tag).map_err(value_error)?;
    let digests = hashed(py, &messages, |messages| tagged_sha3_256_many(tag, messages));
    Ok(digests.iter().map(|digest| PyBytes::new(py, digest)).collect())
}

fn hashed<D: Send>(
    py: Python<'_>,
    messages: &[PyBackedBytes],
    hash: impl Fn(&[&[u8]]) -> Vec<D> + Sync + Send,
) -> Vec<D> {
    let slices: Vec<&[u8]> = messages.iter().map(|message| &**message).collect();
    let size: usize = slices.iter().map(|slice| slice.len()).sum();
    if size < LONG_LIST { hash(&slices) } else { py.detach(|| hash(&slices)) }
}

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
    module.add_function(wrap_pyfunction!(sha3_512_many, module)?)?;
    module.add_function(wrap_pyfunction!(sha3_256_many, module)?)?;
    module.add_function(wrap_pyfunction!(poseidon2_digest, module)?)?;
    module.add_function(wrap_pyfunction!(poseidon2_permute, module)?)
}
