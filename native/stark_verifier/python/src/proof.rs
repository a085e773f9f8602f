//! Proofs of inference for Python: the committed model, proving, and verification without weights.

use crate::model::NativeModel;
use esper_prover::{ModelKey, Plan, ProveError, plan, prove_observed};
use esper_verifier::descriptor::Descriptor;
use esper_verifier::{Report, SequenceStatement, Statement, VerifyError, verify};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::time::Instant;

create_exception!(
    esper._native,
    MalformedProofError,
    PyValueError,
    "Bytes that are no proof: they do not decode, whatever they were to show."
);

/// A model committed for proving; keep it, for making one commits to all weights.
#[pyclass(frozen, module = "esper._native")]
pub struct ProvingKey {
    inner: ModelKey,
}

/// (prompt, answer, longest answer allowed, top lists of (id, logit)) of one sequence.
pub(crate) type SequenceFields = (Vec<u32>, Vec<u32>, usize, Vec<Vec<(u32, i64)>>);

pub(crate) fn identifier(field: &str, bytes: &[u8]) -> PyResult<[u8; 64]> {
    bytes.try_into().map_err(|_| PyValueError::new_err(format!("{field}: {} bytes, must be 64", bytes.len())))
}

pub(crate) fn statement(
    model_id: &[u8],
    binding: &[u8],
    shape: [usize; 2],
    sequences: Vec<SequenceFields>,
) -> PyResult<Statement> {
    let [rows, top_k] = shape;
    let sequences = sequences
        .into_iter()
        .map(|(prompt, answer, max_answer, top)| SequenceStatement { prompt, answer, max_answer, top })
        .collect();
    let (model_id, binding) = (identifier("model_id", model_id)?, identifier("binding", binding)?);
    Ok(Statement { model_id, binding, rows, top_k, sequences })
}

pub(crate) fn value_error(error: &ProveError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub(crate) fn refusal(error: &VerifyError) -> PyErr {
    let text = error.to_string();
    if error.is_malformed() { MalformedProofError::new_err(text) } else { PyValueError::new_err(text) }
}

#[pymethods]
impl ProvingKey {
    /// Commit a model. Raises ValueError naming what cannot be proven.
    #[new]
    fn new(py: Python<'_>, model: &NativeModel) -> PyResult<Self> {
        let model = model.inner.clone();
        let inner = py.detach(|| ModelKey::new(model)).map_err(|e| value_error(&e))?;
        Ok(Self { inner })
    }

    /// 64 bytes that name the model together with the proof system.
    #[getter]
    fn model_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.model_id)
    }

    /// Canonical bytes of the model descriptor, which hash to model_id.
    #[getter]
    fn descriptor<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.descriptor.encode())
    }

    /// Proof of a statement about this model; `shape` is (rows, top_k). `done` hears the name of every stage that is
    /// over; what it raises is raised once the proof is made.
    ///
    /// Raises ValueError for a statement that contradicts itself or that the model does not bear out.
    #[pyo3(signature = (binding, shape, sequences, done = None, /))]
    fn prove<'py>(
        &self,
        py: Python<'py>,
        binding: &[u8],
        shape: [usize; 2],
        sequences: Vec<SequenceFields>,
        done: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let statement = statement(&self.inner.model_id, binding, shape, sequences)?;
        let mut failed = None;
        let mut tell = |stage: &'static str| {
            if let (Some(done), None) = (&done, &failed) {
                failed = Python::attach(|py| done.call1(py, (stage,))).err();
            }
        };
        let proof =
            py.detach(|| prove_observed(&self.inner, &statement, &mut tell)).map_err(|e| value_error(&e))?;
        failed.map_or_else(|| Ok(PyBytes::new(py, &proof)), Err)
    }
}

/// Check a proof without weights; a dict of security_bits, terms, witness_vars, leaf_vars, milliseconds.
///
/// Other threads go on meanwhile, and verify at the same time. Raises MalformedProofError for bytes that do not decode,
/// ValueError with the check that failed otherwise.
#[pyfunction]
fn verify_proof<'py>(
    py: Python<'py>,
    model_id: &[u8],
    binding: &[u8],
    shape: [usize; 2],
    sequences: Vec<SequenceFields>,
    proof: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    let statement = statement(model_id, binding, shape, sequences)?;
    let (report, milliseconds) = py
        .detach(|| {
            let start = Instant::now();
            let report = verify(&statement, proof);
            report.map(|r| (r, start.elapsed().as_secs_f64() * 1e3))
        })
        .map_err(|e| refusal(&e))?;
    let out = report_dict(py, &report)?;
    out.set_item("milliseconds", milliseconds)?;
    Ok(out)
}

/// A report for Python: security_bits, terms, witness_vars, leaf_vars.
pub(crate) fn report_dict<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("security_bits", report.security_bits)?;
    out.set_item("terms", report.terms.iter().map(|t| (t.name, t.bits)).collect::<Vec<_>>())?;
    out.set_item("witness_vars", report.sizes[0])?;
    out.set_item("leaf_vars", report.sizes[1])?;
    Ok(out)
}

/// What a descriptor says of its model, once every field is within its limits: a dict of vocab, dim, hidden, layers,
/// heads, kv_heads, head_dim, max_seq, bos, eos and embed_bits.
///
/// Raises ValueError naming the limit that it breaks.
#[pyfunction]
#[pyo3(signature = (bytes, /))]
fn read_descriptor<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let d = Descriptor::decode(bytes).map_err(|e| PyValueError::new_err(e.to_string()))?;
    let out = PyDict::new(py);
    for (name, value) in [
        ("vocab", d.vocab),
        ("dim", d.dim),
        ("hidden", d.hidden),
        ("layers", d.layers.len()),
        ("heads", d.heads),
        ("kv_heads", d.kv_heads),
        ("head_dim", d.head_dim),
        ("max_seq", d.max_seq),
        ("bos", d.bos as usize),
        ("eos", d.eos as usize),
        ("embed_bits", d.embed_bits as usize),
    ] {
        out.set_item(name, value)?;
    }
    Ok(out)
}

/// What a proof of so many sequences, rows each and answers in all will take, before any work on it: a dict of
/// witness_cells, leaves, model_cells, memory_bytes (at the peak, with the model and its commitment) and stages, each a
/// name as `prove` tells it and its share of the work; the first one commits the model.
///
/// Raises ValueError naming what cannot be proven.
#[pyfunction]
fn proof_plan<'py>(
    py: Python<'py>,
    model: &NativeModel,
    sequences: usize,
    rows: usize,
    answers: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let model = model.inner.clone();
    let found = py.detach(|| plan(&model, [sequences, rows, answers])).map_err(|e| value_error(&e))?;
    plan_dict(py, found)
}

/// A plan for Python.
pub(crate) fn plan_dict(py: Python<'_>, plan: Plan) -> PyResult<Bound<'_, PyDict>> {
    let Plan { witness_cells, leaves, model_cells, memory, stages } = plan;
    let out = PyDict::new(py);
    out.set_item("witness_cells", witness_cells)?;
    out.set_item("leaves", leaves)?;
    out.set_item("model_cells", model_cells)?;
    out.set_item("memory_bytes", memory)?;
    out.set_item("stages", stages)?;
    Ok(out)
}

/// 64 bytes that name a model together with the proof system: commits to all weights and keeps nothing.
#[pyfunction]
fn model_id<'py>(py: Python<'py>, model: &NativeModel) -> PyResult<Bound<'py, PyBytes>> {
    let key = ProvingKey::new(py, model)?;
    Ok(PyBytes::new(py, &key.inner.model_id))
}

/// Adds this file's class and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ProvingKey>()?;
    module.add("MalformedProofError", module.py().get_type::<MalformedProofError>())?;
    module.add_function(wrap_pyfunction!(verify_proof, module)?)?;
    module.add_function(wrap_pyfunction!(read_descriptor, module)?)?;
    module.add_function(wrap_pyfunction!(proof_plan, module)?)?;
    module.add_function(wrap_pyfunction!(model_id, module)?)
}
