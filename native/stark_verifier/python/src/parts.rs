//! Proofs of a model in parts for Python: where it is cut, each part's key by its own integers, and verification.

use crate::model::NativeModel;
use crate::proof::{SequenceFields, identifier, plan_dict, refusal, report_dict, statement, value_error};
use esper_model::{Model, ModelPart};
use esper_prover::parts::{join, prove_part_observed};
use esper_prover::{ModelKey, PartedModel, balanced_cuts, boundaries, part_key, plan_part};
use esper_verifier::boundary::Boundary;
use esper_verifier::bytes::Reader;
use esper_verifier::descriptor::Descriptor;
use esper_verifier::statement::Statement;
use esper_verifier::{VerifyError, verify_parts};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use std::path::PathBuf;
use std::time::Instant;

/// A model and where it is cut: what needs all of its integers, before any part is proven.
#[pyclass(frozen, module = "esper._native")]
pub struct PartedNativeModel {
    inner: PartedModel,
}

#[pymethods]
impl PartedNativeModel {
    /// Cut a model into `count` parts of about as many weights each.
    ///
    /// Raises ValueError for more parts than layers, and naming what cannot be proven.
    #[new]
    fn new(py: Python<'_>, model: &NativeModel, count: usize) -> PyResult<Self> {
        let model = model.inner.clone();
        let layers = model.shape.layers;
        let cuts = balanced_cuts(&model.shape, count).ok_or_else(|| {
            PyValueError::new_err(format!(
                "{count} segments: the model has {layers} layers, so 1 to {layers} segments"
            ))
        })?;
        let inner = py.detach(|| PartedModel::new(model, &cuts)).map_err(|e| value_error(&e))?;
        Ok(Self { inner })
    }

    /// Descriptors of all parts without their roots: what a part's key is made of, with the part's integers.
    fn outlines<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let outline = |index| self.inner.outline(index).map_err(|e| value_error(&e));
        (0..self.inner.count()).map(|i| Ok(PyBytes::new(py, &outline(i)?.encode()))).collect()
    }

    /// First layer of each part.
    #[getter]
    fn first_layers(&self) -> Vec<usize> {
        (0..self.inner.count()).map(|i| self.inner.layers(i).start).collect()
    }

    /// The packed residuals between the parts on a batch; `shape` is (rows, top_k).
    ///
    /// Raises ValueError for a batch that contradicts itself.
    fn boundaries<'py>(
        &self,
        py: Python<'py>,
        shape: [usize; 2],
        sequences: Vec<SequenceFields>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        // Neither model nor binding have a part in them.
        let statement = statement(&[0; 64], &[0; 64], shape, sequences)?;
        let outline = self.inner.outline(0).map_err(|e| value_error(&e))?;
        let between = py.detach(|| boundaries(&self.inner, &statement)).map_err(|e| value_error(&e))?;
        Ok(between.iter().map(|b| PyBytes::new(py, &b.encode(&outline))).collect())
    }
}

/// A part of a model committed for proving, by the integers of its own layers alone.
#[pyclass(frozen, module = "esper._native")]
pub struct PartKey {
    inner: ModelKey,
}

fn descriptors(parts: &[Vec<u8>]) -> PyResult<Vec<Descriptor>> {
    parts.iter().map(|bytes| Descriptor::decode_part(bytes).map_err(|e| refusal(&e))).collect()
}

fn residuals(
    between: &[Vec<u8>],
    d: &Descriptor,
    statement: &Statement,
) -> Result<Vec<Boundary>, VerifyError> {
    let instance = statement.check(d)?;
    let read = |bytes: &Vec<u8>| {
        let mut r = Reader::new(bytes, "residual");
        let boundary = Boundary::read(&mut r, d, &instance)?;
        r.finish()?;
        Ok(boundary)
    };
    between.iter().map(read).collect()
}

#[pymethods]
impl PartKey {
    /// Read the part's integers from a model's folder and commit them; `outline` is the part's descriptor, with or without
    /// its root.
    ///
    /// Raises ValueError naming what is refused, OSError where a file cannot be read.
    #[new]
    fn new(py: Python<'_>, directory: PathBuf, outline: &[u8]) -> PyResult<Self> {
        let outline = Descriptor::decode_part(outline).map_err(|e| refusal(&e))?;
        let first = outline.part.map_or(0, |p| p.first_layer);
        let part = ModelPart {
            layers: first..first + outline.layers.len(),
            embedding: outline.has_embedding(),
            head: outline.has_head(),
        };
        let inner = py.detach(|| {
            let model = Model::load_part(&directory, &part).map_err(crate::model::python_error)?;
            part_key(model, outline).map_err(|e| value_error(&e))
        })?;
        Ok(Self { inner })
    }

    /// Canonical bytes of the part's descriptor.
    #[getter]
    fn descriptor<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.descriptor.encode())
    }

    /// Proof of the part: `parts` are the descriptors of all, `between` all residuals. `done` hears the name of every
    /// stage that is over.
    ///
    /// Raises ValueError for a statement or residuals that the part's layers do not bear out.
    #[pyo3(signature = (model_id, binding, shape, sequences, parts, between, done = None, /))]
    fn prove<'py>(
        &self,
        py: Python<'py>,
        model_id: &[u8],
        binding: &[u8],
        shape: [usize; 2],
        sequences: Vec<SequenceFields>,
        parts: Vec<Vec<u8>>,
        between: Vec<Vec<u8>>,
        done: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let statement = statement(model_id, binding, shape, sequences)?;
        let parts = descriptors(&parts)?;
        let between = residuals(&between, &self.inner.descriptor, &statement).map_err(|e| refusal(&e))?;
        let mut failed = None;
        let mut tell = |stage: &'static str| {
            if let (Some(done), None) = (&done, &failed) {
                failed = Python::attach(|py| done.call1(py, (stage,))).err();
            }
        };
        let proof = py
            .detach(|| prove_part_observed(&self.inner, &parts, &statement, &between, &mut tell))
            .map_err(|e| value_error(&e))?;
        failed.map_or_else(|| Ok(PyBytes::new(py, &proof)), Err)
    }
}

/// What a proof of a part takes, as `proof_plan`: `outline` is its descriptor.
#[pyfunction]
fn part_plan<'py>(
    py: Python<'py>,
    outline: &[u8],
    sequences: usize,
    rows: usize,
    answers: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let outline = Descriptor::decode_part(outline).map_err(|e| refusal(&e))?;
    plan_dict(py, plan_part(&outline, [sequences, rows, answers]).map_err(|e| value_error(&e))?)
}

/// 64 bytes that name a model in parts, by the descriptors of all of them in order.
#[pyfunction]
fn parts_id<'py>(py: Python<'py>, parts: Vec<Vec<u8>>) -> PyResult<Bound<'py, PyBytes>> {
    let ids: Vec<[u8; 64]> = descriptors(&parts)?.iter().map(Descriptor::model_id).collect();
    Ok(PyBytes::new(py, &esper_verifier::parts_id(&ids)))
}

/// The bytes of a proof in parts from descriptors, residuals and proofs of all of them.
#[pyfunction]
fn join_parts<'py>(
    py: Python<'py>,
    parts: Vec<Vec<u8>>,
    between: Vec<Vec<u8>>,
    proofs: Vec<Vec<u8>>,
) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &join(&parts, &between, &proofs))
}

/// Check a proof in parts without weights, of a model that is known by `parts_id`: a dict of security_bits, parts (each a
/// dict of security_bits, terms, witness_vars, leaf_vars) and milliseconds. Raises as `verify_proof`.
#[pyfunction]
fn verify_proof_in_parts<'py>(
    py: Python<'py>,
    parts_id: &[u8],
    model_id: &[u8],
    binding: &[u8],
    shape: [usize; 2],
    sequences: Vec<SequenceFields>,
    proof: &[u8],
) -> PyResult<Bound<'py, PyDict>> {
    let parts_id = identifier("parts_id", parts_id)?;
    let statement = statement(model_id, binding, shape, sequences)?;
    let (report, milliseconds) = py
        .detach(|| {
            let start = Instant::now();
            let report = verify_parts(&statement, &parts_id, proof);
            report.map(|r| (r, start.elapsed().as_secs_f64() * 1e3))
        })
        .map_err(|e| refusal(&e))?;
    let out = PyDict::new(py);
    out.set_item("security_bits", report.security_bits)?;
    let parts: Vec<_> = report.parts.iter().map(|r| report_dict(py, r)).collect::<PyResult<_>>()?;
    out.set_item("parts", PyList::new(py, parts)?)?;
    out.set_item("milliseconds", milliseconds)?;
    Ok(out)
}

/// Adds this file's classes and functions to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PartedNativeModel>()?;
    module.add_class::<PartKey>()?;
    module.add_function(wrap_pyfunction!(part_plan, module)?)?;
    module.add_function(wrap_pyfunction!(parts_id, module)?)?;
    module.add_function(wrap_pyfunction!(join_parts, module)?)?;
    module.add_function(wrap_pyfunction!(verify_proof_in_parts, module)?)
}
