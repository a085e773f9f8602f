//! The integer and float engines for Python.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use esper_model::{
    Calibration, Engine, FloatConfig, FloatEngine, FloatModel, Model, ModelError, SITES, Shape, Spread,
    TRACE_DIGEST,
};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// A G16 model in memory, checked on loading, with its integer engine.
#[pyclass(frozen, module = "esper._native")]
pub struct NativeModel {
    /// The integers; the prover reads them.
    pub inner: Arc<Model>,
    /// One engine for each number of threads asked for; all share the weights.
    engines: Mutex<HashMap<usize, Arc<Engine>>>,
}

/// For each token of an answer the best (id, logit) pairs.
type AnswerTops = Vec<Vec<(u32, i64)>>;
/// A greedy answer with them.
type TopAnswer = (Vec<u32>, AnswerTops);

#[pymethods]
impl NativeModel {
    /// Read, check and hash the model in a directory.
    ///
    /// Raises ValueError naming field, tensor or bound, OSError where a file cannot be read, RuntimeError where
    /// this machine fails the engine's known-answer test.
    #[staticmethod]
    fn load(py: Python<'_>, directory: PathBuf) -> PyResult<Self> {
        let load = || {
            let model = Arc::new(Model::load_dir(&directory)?);
            let engine = Engine::new(model.clone(), 1)?;
            Ok(Self { inner: model, engines: Mutex::new(HashMap::from([(1, Arc::new(engine))])) })
        };
        py.detach(load).map_err(python_error)
    }

    /// Sizes: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        shape_dict(py, &self.inner.shape)
    }

    /// 64 bytes that name the integers.
    #[getter]
    fn integers_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.integers_hash)
    }

    /// Worst cases as dicts of layer (None for the whole model), name, value, limit and bits.
    #[getter]
    fn bounds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let bounds = py.detach(|| self.inner.validate()).map_err(python_error)?;
        let list = PyList::empty(py);
        for bound in bounds.list {
            let entry = PyDict::new(py);
            entry.set_item("layer", bound.layer)?;
            entry.set_item("name", bound.name)?;
            entry.set_item("value", bound.value)?;
            entry.set_item("limit", bound.limit)?;
            entry.set_item("bits", bound.bits)?;
            list.append(entry)?;
        }
        Ok(list)
    }

    /// Logits of every position of each sequence, (positions, vocab) little-endian int64.
    ///
    /// Raises ValueError for tokens that do not fit the model or `threads` outside 1 to 1024.
    fn logits<'py>(
        &self,
        py: Python<'py>,
        sequences: Vec<Vec<u32>>,
        threads: usize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let logits = py.detach(|| self.engine(threads)?.logits(&sequences)).map_err(python_error)?;
        logits.iter().map(|rows| little_endian(py, rows.iter().map(|l| l.to_le_bytes()))).collect()
    }

    /// Greedy answers, each ended by the model's end token or after `max_new`, and the `top_k` (id, logit) pairs
    /// of each answer token, logit descending, id ascending.
    ///
    /// Raises ValueError for tokens or lengths that do not fit the model, `top_k` outside 1 to min(vocab, 1024),
    /// or `threads` outside 1 to 1024.
    fn generate(
        &self,
        py: Python<'_>,
        prompts: Vec<Vec<u32>>,
        max_new: usize,
        top_k: usize,
        threads: usize,
    ) -> PyResult<Vec<TopAnswer>> {
        let work = || self.engine(threads)?.generate(&prompts, max_new, self.inner.eos, top_k);
        let answers = py.detach(work).map_err(python_error)?;
        Ok(answers.into_iter().map(|answer| (answer.tokens, answer.top)).collect())
    }

    /// The greedy answer to one prompt, of the tokens of `generate`, each given to `each` as soon as it is known.
    /// What `each` raises ends the answer, and is raised.
    ///
    /// Raises ValueError as `generate`.
    fn answer(
        &self,
        py: Python<'_>,
        prompt: Vec<u32>,
        max_new: usize,
        threads: usize,
        each: Py<PyAny>,
    ) -> PyResult<()> {
        let mut raised = Ok(());
        let hand_over = |token: u32| {
            raised = Python::attach(|py| {
                py.check_signals()?;
                each.call1(py, (token,)).map(|_| ())
            });
            raised.is_ok()
        };
        let work = || self.engine(threads)?.answer(&prompt, max_new, self.inner.eos, hand_over);
        py.detach(work).map_err(python_error)?;
        raised
    }

    /// For each token of each answer the `top_k` best (id, logit) pairs, in one pass of prompt and answer: what
    /// `generate` tells of an answer, to compare one with that somebody else gave.
    ///
    /// Raises ValueError for tokens or lengths that do not fit the model, prompts and answers that are not equally
    /// many, or `top_k` and `threads` as in `generate`.
    fn score(
        &self,
        py: Python<'_>,
        prompts: Vec<Vec<u32>>,
        answers: Vec<Vec<u32>>,
        top_k: usize,
        threads: usize,
    ) -> PyResult<Vec<AnswerTops>> {
        py.detach(|| self.engine(threads)?.score(&prompts, &answers, top_k)).map_err(python_error)
    }

    /// For every token SHA3-256 of the residual stream behind each layer, then of the logits: `layers + 1` digests of
    /// 32 bytes, to find where two machines differ.
    ///
    /// Raises ValueError for tokens that do not fit the model or `threads` outside 1 to 1024.
    fn trace(
        &self,
        py: Python<'_>,
        tokens: Vec<u32>,
        threads: usize,
    ) -> PyResult<Vec<Vec<[u8; TRACE_DIGEST]>>> {
        py.detach(|| self.engine(threads)?.trace(&tokens)).map_err(python_error)
    }
}

impl NativeModel {
    /// The engine on `threads` threads, made on first use.
    pub(crate) fn engine(&self, threads: usize) -> Result<Arc<Engine>, ModelError> {
        // An engine is whole before it is stored, so a panic elsewhere cannot have left a broken one.
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&threads) {
            return Ok(engine.clone());
        }
        let engine = match engines.values().next() {
            Some(other) => other.with_threads(threads)?,
            None => Engine::new(self.inner.clone(), threads)?,
        };
        let engine = Arc::new(engine);
        engines.insert(threads, engine.clone());
        Ok(engine)
    }
}

/// A float32 Llama checkpoint in Hugging Face form, with its engine. Nothing it computes enters consensus.
#[pyclass(frozen, module = "esper._native")]
pub struct NativeFloatModel {
    engine: FloatEngine,
}

#[pymethods]
impl NativeFloatModel {
    /// Read safetensors files (F32, F16 or BF16) that hold all tensors together, to run on `threads` threads. What
    /// `config.json` says is handed over: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq, then
    /// norm_eps, rope_theta and whether the embedding is the output matrix.
    ///
    /// Raises ValueError naming field or tensor, OSError where a file cannot be read.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        files: Vec<PathBuf>,
        threads: usize,
        sizes: [usize; 8],
        constants: (f64, f64, bool),
    ) -> PyResult<Self> {
        let [vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq] = sizes;
        let shape = Shape { vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq };
        let (norm_eps, rope_theta, tied) = constants;
        let config = FloatConfig { shape, norm_eps, rope_theta, tied };
        let load = || FloatEngine::new(Arc::new(FloatModel::load(&files, &config)?), threads);
        Ok(Self { engine: py.detach(load).map_err(python_error)? })
    }

    /// Sizes: vocab, dim, hidden, layers, heads, kv_heads, head_dim, max_seq.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        shape_dict(py, &self.engine.model().shape)
    }

    /// Logits of every position of each sequence, (positions, vocab) little-endian float32.
    ///
    /// Raises ValueError for tokens that do not fit the model.
    fn logits<'py>(&self, py: Python<'py>, sequences: Vec<Vec<u32>>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let logits = py.detach(|| self.engine.logits(&sequences)).map_err(python_error)?;
        logits.iter().map(|rows| little_endian(py, rows.iter().map(|l| l.to_le_bytes()))).collect()
    }

    /// Greedy answers, each ended by `eos` or after `max_new` tokens.
    ///
    /// Raises ValueError for tokens or lengths that do not fit the model.
    fn generate(
        &self,
        py: Python<'_>,
        prompts: Vec<Vec<u32>>,
        max_new: usize,
        eos: u32,
    ) -> PyResult<Vec<Vec<u32>>> {
        py.detach(|| self.engine.generate(&prompts, max_new, eos)).map_err(python_error)
    }

    /// Sizes of the values the sequences meet.
    ///
    /// Returns {"tokens": int, "final_input": spread, "layers": [{site: spread, "score_min": float, "score_max":
    /// float, "score_range": float}]} where a spread is {"absmax": float, "mean_abs": float}. Sites are
    /// attention_input, query, key (both after rotation), value, attention_output, attention_update,
    /// feed_forward_input, gate, up, gated, feed_forward_update and residual.
    ///
    /// Raises ValueError for tokens that do not fit the model.
    fn calibrate<'py>(&self, py: Python<'py>, sequences: Vec<Vec<u32>>) -> PyResult<Bound<'py, PyDict>> {
        let calibration = py.detach(|| self.engine.calibrate(&sequences)).map_err(python_error)?;
        calibration_dict(py, &calibration)
    }
}

fn calibration_dict<'py>(py: Python<'py>, calibration: &Calibration) -> PyResult<Bound<'py, PyDict>> {
    let layers = PyList::empty(py);
    for stats in &calibration.layers {
        let layer = PyDict::new(py);
        for (name, spread) in SITES.iter().zip(&stats.sites) {
            layer.set_item(name, spread_dict(py, spread)?)?;
        }
        layer.set_item("score_min", stats.score_min)?;
        layer.set_item("score_max", stats.score_max)?;
        layer.set_item("score_range", stats.score_range)?;
        layers.append(layer)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("tokens", calibration.tokens)?;
    dict.set_item("final_input", spread_dict(py, &calibration.final_input)?)?;
    dict.set_item("layers", layers)?;
    Ok(dict)
}

fn spread_dict<'py>(py: Python<'py>, spread: &Spread) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("absmax", spread.absmax)?;
    dict.set_item("mean_abs", spread.mean_abs())?;
    Ok(dict)
}

fn shape_dict<'py>(py: Python<'py>, shape: &Shape) -> PyResult<Bound<'py, PyDict>> {
    let sizes = [
        ("vocab", shape.vocab),
        ("dim", shape.dim),
        ("hidden", shape.hidden),
        ("layers", shape.layers),
        ("heads", shape.heads),
        ("kv_heads", shape.kv_heads),
        ("head_dim", shape.head_dim),
        ("max_seq", shape.max_seq),
    ];
    let dict = PyDict::new(py);
    for (name, size) in sizes {
        dict.set_item(name, size)?;
    }
    Ok(dict)
}

/// One bytes object from the bytes of all values, without a second copy.
fn little_endian<const N: usize>(
    py: Python<'_>,
    values: impl ExactSizeIterator<Item = [u8; N]>,
) -> PyResult<Bound<'_, PyBytes>> {
    PyBytes::new_with(py, values.len() * N, |out| {
        for (place, bytes) in out.as_chunks_mut::<N>().0.iter_mut().zip(values) {
            *place = bytes;
        }
        Ok(())
    })
}

pub(crate) fn python_error(error: ModelError) -> PyErr {
    let message = error.to_string();
    match error {
        ModelError::Io { .. } => PyOSError::new_err(message),
        ModelError::SelfTest { .. } => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

/// Adds this file's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeModel>()?;
    module.add_class::<NativeFloatModel>()
}
