//! A batch of answers of different age, for a process that serves many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use esper_model::{Request, ServingBatch as Batch, ServingError};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::model::{NativeModel, python_error};

/// (id, token, its logit, best (id, logit) pairs, logsumexp, whether the answer is over).
type ToldFields = (u64, u32, i64, Vec<(u32, i64)>, f64, bool);

/// Sequences that are answered together; they come and go while the others run on.
#[pyclass(frozen, module = "esper._native")]
pub struct ServingBatch {
    batch: Mutex<Batch>,
}

impl ServingBatch {
    /// Works on the batch while other threads of Python go on.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Batch) -> T + Send) -> PyResult<T> {
        // The guard is dropped inside: a step that breaks off breaks the lock as well, since it leaves sequences that
        // have half run, of which no answer may be told.
        let locked = || {
            let mut batch = self.batch.lock().map_err(|_| ())?;
            Ok(work(&mut batch))
        };
        let caught = || catch_unwind(AssertUnwindSafe(locked)).unwrap_or(Err(()));
        py.detach(caught)
            .map_err(|()| PyRuntimeError::new_err("a step of this batch broke off; make a new batch"))
    }
}

#[pymethods]
impl ServingBatch {
    /// A batch of at most `slots` sequences with caches of `rows` positions each, on `threads` threads.
    ///
    /// Raises ValueError for numbers outside 1 to 1024, rows beyond the model's, or a scale that is none;
    /// MemoryError where the caches find no room.
    #[new]
    fn new(
        py: Python<'_>,
        model: &NativeModel,
        slots: usize,
        rows: usize,
        threads: usize,
        logit_scale: f64,
    ) -> PyResult<Self> {
        let work = || Batch::new(Arc::clone(&model.engine(threads)?), slots, rows, logit_scale);
        Ok(Self { batch: Mutex::new(py.detach(work).map_err(refused)?) })
    }

    /// Bytes that one slot of so many rows takes.
    #[staticmethod]
    fn slot_bytes(model: &NativeModel, rows: usize) -> usize {
        Batch::slot_bytes(&model.inner.shape, rows)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, |batch| batch.len())
    }

    /// Take a sequence in; how many of its tokens have run already, in its group or as public ones.
    ///
    /// Raises ValueError for an id that is here, a full batch, or what does not fit the model or the rows.
    #[pyo3(signature = (id, prompt, max_new, top_k = 0, group = String::new(), public = 0, /))]
    fn add(
        &self,
        py: Python<'_>,
        id: u64,
        prompt: Vec<u32>,
        max_new: usize,
        top_k: usize,
        group: String,
        public: usize,
    ) -> PyResult<usize> {
        let request = Request { id, prompt, max_new, top_k, group, public };
        self.with(py, |batch| batch.add(request))?.map_err(refused)
    }

    /// Give a sequence up; whether it was here.
    fn remove(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        self.with(py, |batch| batch.remove(id))
    }

    /// Run up to `max_steps` steps, `deadline_ms` long; the tokens that came of them, in order.
    ///
    /// Comes back early with the first token or the end of an answer. Other threads of Python go on.
    fn run(&self, py: Python<'_>, max_steps: usize, deadline_ms: u32) -> PyResult<Vec<ToldFields>> {
        self.with(py, |batch| {
            let deadline = Instant::now() + Duration::from_millis(deadline_ms.into());
            let told = batch.run(max_steps, Some(deadline));
            told.into_iter()
                .map(|one| (one.id, one.token, one.logit, one.top, one.logsumexp, one.ended))
                .collect()
        })
    }
}

fn refused(error: ServingError) -> PyErr {
    match error {
        ServingError::Engine(error) => python_error(error),
        ServingError::Memory { .. } => PyMemoryError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// Adds this file's class to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ServingBatch>()
}
